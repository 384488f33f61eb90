"""`kwtui demo`: the embedded workspace, on the screen or as a table of its strategies."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from engines.workspace import Workspace, assets, is_workspace, state_folder
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context, launch
from kwtui.columns import table
from kwtui.progress import Progress

if TYPE_CHECKING:
    from engines.evaluation.measuring import Rung
    from engines.records import Example

STRATEGIES = "dictionary,prompt,rag,rag-feedback"
MEASURED = ("test", "wild")
LIMIT = 250
MARK = "# The demo domain:"


def command(
    ctx: typer.Context,
    headless: bool = typer.Option(
        False, "--headless", help=_("Print the table and open no screen.")
    ),
    limit: int = typer.Option(
        LIMIT, "--limit", min=0, help=_("Texts of each split; 0: all of them.")
    ),
    strategies: str = typer.Option(
        STRATEGIES, "--strategies", metavar="A,B", help=_("Strategies of the demo to run.")
    ),
    workspace: Path | None = typer.Option(
        None, "-w", "--workspace", metavar="DIR", help=_("Where the demo's workspace lies.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object instead of a table.")),
    prepare: bool = typer.Option(False, "--prepare", hidden=True),
) -> None:
    """Open the demo on a terminal; without one run its strategies on test texts and real ones."""
    root = Path(workspace or ctx.find_root().params.get("workspace") or default_root())
    if not (headless or as_json or prepare) and launch.has_terminal():
        space = _demo_workspace(root) if is_workspace(root) else launch.prepared_demo(root)
        context.name_workspace(space.root)
        raise typer.Exit(launch.open_workspace(space))
    space = _demo_workspace(root)
    if prepare:
        return
    from engines.corpus.store import Corpus
    from engines.evaluation.measuring import spread
    from engines.extraction.strategy import find_strategy

    context.name_workspace(space.root)
    names = [name.strip() for name in strategies.split(",") if name.strip()]
    if not names:
        raise UserError(_("Name at least one strategy."))
    for name in names:
        find_strategy(context.settings().strategies, name)
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        splits = {split: spread(list(corpus.examples(split)), limit) for split in MEASURED}
    rungs = [_measured(name, splits) for name in names]
    if as_json:
        document = {"workspace": str(root), "rungs": [rung.to_json() for rung in rungs]}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        return
    sys.stdout.write(report(rungs, {name: len(texts) for name, texts in splits.items()}))


def report(rungs: Sequence[Rung], texts: dict[str, int]) -> str:
    """The table with what it shows and what it does not."""
    sizes = ", ".join(f"{name} {count}" for name, count in texts.items())
    model = next((rung.model for rung in rungs if rung.model), "-")
    lines = [
        _("Korean medicine: {sizes} texts, model {model}.").format(sizes=sizes, model=model),
        "",
        *table([_header(texts), *(_row(rung, texts) for rung in rungs)]),
        "",
        _("F1 over keyword sets; tp/fp/fn: right, wrong and missed keywords."),
        _("The texts of test are synthetic, those of wild are real."),
        _("rag-feedback asks again about glossary hits that were missed: read it beside rag."),
        _("This shows the machinery and a tiny model, and says nothing about Gemma."),
    ]
    return "\n".join(lines) + "\n"


def _header(texts: dict[str, int]) -> list[str]:
    scores = [name for split in texts for name in (f"{split} F1", "tp/fp/fn")]
    costs = [_("invalid"), _("invented"), _("texts/s"), _("peak MiB")]
    return [_("strategy"), *scores, *costs]


def _row(rung: Rung, texts: dict[str, int]) -> list[str]:
    cells_of_splits: list[str] = []
    for split in texts:
        scores = rung.scores[split]
        counts = f"{scores.tp}/{scores.fp}/{scores.fn}"
        cells_of_splits += [f"{scores.f1:.3f}", counts]
    rate = rung.texts_per_second
    return [
        rung.strategy,
        *cells_of_splits,
        str(rung.invalid),
        str(rung.hallucinated),
        f"{rate:.1f}" if rate < 100 else f"{rate:,.0f}",
        f"{rung.peak_bytes / 2**20:,.0f}",
    ]


def _measured(name: str, splits: dict[str, list[Example]]) -> Rung:
    from engines.evaluation.measuring import measure
    from engines.extraction.opening import Opener

    opener = Opener(context.settings(), context.workspace())
    extractor = opener.extractor(name)
    for note in opener.notes:
        print(printable(note), file=sys.stderr)
    with Progress(sum(map(len, splits.values()))) as progress:
        rung = measure(extractor, splits, on_progress=progress.update)
    return rung


def default_root() -> Path:
    """Where the demo's workspace lies by itself: another folder for each edition of the demo."""
    digest = hashlib.sha256()
    for path in sorted((assets() / "demo").iterdir()):
        if path.suffix in (".jsonl", ".toml"):
            digest.update(path.read_bytes())
    return state_folder() / f"demo-{digest.hexdigest()[:8]}"


def _demo_workspace(root: Path) -> Workspace:
    """The demo's workspace in `root`, made beside it and put there whole when it is missing."""
    if is_workspace(root):
        space = Workspace.open(root)
        if MARK not in space.config.read_text(encoding="utf-8"):
            message = _("{path} is another workspace and stays as it is: name a new folder.")
            raise UserError(message.format(path=root))
        return space
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        message = _("{path} exists and is not an empty folder; name a new one.")
        raise UserError(message.format(path=root))
    from engines.demo import fill

    print(_("Making the demo's workspace in {path} ...").format(path=root), file=sys.stderr)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kwtui-demo-", dir=root.parent) as folder:
        fresh = Workspace.create(Path(folder) / root.name, demo=True)
        fill(fresh)
        try:
            fresh.root.replace(root)
        except OSError:
            # Another process was faster.
            if not is_workspace(root):
                raise
    return Workspace.open(root)
