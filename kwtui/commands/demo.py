"""`kwtui demo`: the embedded workspace, on the screen or as a table of its strategies."""

from __future__ import annotations

import hashlib
import json
import subprocess
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
    from engines.evaluation.results import LadderResult
    from engines.records import Example

STRATEGIES = "dictionary,crf,prompt,rag,rag-feedback"
MEASURED = ("test", "wild")
LIMIT = 250
MARK = "# The demo domain:"


def command(
    ctx: typer.Context,
    headless: bool = typer.Option(
        False, "--headless", help=_("Train and measure every rung, write the report; no screen.")
    ),
    quick: bool = typer.Option(
        False, "--quick", help=_("Only what needs no training, in a few minutes; no screen.")
    ),
    epochs: float = typer.Option(
        2.0, "--epochs", min=0.1, help=_("Passes over the training texts with --headless.")
    ),
    limit: int = typer.Option(
        LIMIT, "--limit", min=0, help=_("Texts of each split; 0: all of them.")
    ),
    strategies: str = typer.Option(
        "", "--strategies", metavar="A,B", help=_("Strategies of the demo to run.")
    ),
    workspace: Path | None = typer.Option(
        None, "-w", "--workspace", metavar="DIR", help=_("Where the demo's workspace lies.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object instead of a table.")),
    prepare: bool = typer.Option(False, "--prepare", hidden=True),
) -> None:
    """Open the demo on a terminal; without one run its strategies on test texts and real ones."""
    root = Path(workspace or ctx.find_root().params.get("workspace") or default_root())
    if not (headless or quick or as_json or prepare) and launch.has_terminal():
        space = _demo_workspace(root) if is_workspace(root) else launch.prepared_demo(root)
        context.name_workspace(space.root)
        raise typer.Exit(launch.open_workspace(space))
    space = _demo_workspace(root)
    if prepare:
        return
    context.name_workspace(space.root)
    names = _names(strategies, quick or not headless)
    if headless and not quick:
        _climb(space, names, limit, epochs, as_json)
        return
    splits = _texts(space, limit)
    rungs = [_measured(name, splits) for name in names]
    if as_json:
        document = {"workspace": str(root), "rungs": [rung.to_json() for rung in rungs]}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        return
    sys.stdout.write(report(rungs, {name: len(texts) for name, texts in splits.items()}))


def _names(strategies: str, quick: bool) -> list[str]:
    """The strategies to run, all of them known."""
    from engines.demo import RUNGS
    from engines.evaluation.climbing import TRAINED
    from engines.extraction.strategy import find_strategy

    standard = STRATEGIES if quick else ",".join(RUNGS)
    names = [name.strip() for name in (strategies or standard).split(",") if name.strip()]
    if not names:
        raise UserError(_("Name at least one strategy."))
    for name in names:
        if quick or name not in TRAINED:
            find_strategy(context.settings().strategies, name)
    return names


def _texts(space: Workspace, limit: int) -> dict[str, list[Example]]:
    from engines.corpus.store import Corpus
    from engines.evaluation.measuring import spread

    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        return {split: spread(list(corpus.examples(split)), limit) for split in MEASURED}


def _climb(space: Workspace, names: list[str], limit: int, epochs: float, as_json: bool) -> None:
    """Every rung on test and wild, the tables, the advice and where the report lies."""
    from engines.demo import train
    from engines.evaluation.report import write_report
    from kwtui.commands.ladder import Lines
    from kwtui.commands.ladder import report as ladder_report

    with Lines() as lines:
        train(space, names, epochs=epochs, on_progress=lines.update, on_note=lines.say)
    found = {split: _laddered(space, names, split, limit) for split in MEASURED}
    if as_json:
        document = {"workspace": str(space.root)}
        results = {split: result.to_json() for split, result in found.items()}
        sys.stdout.write(json.dumps(document | results, ensure_ascii=False, indent=1) + "\n")
        return
    folders = context.settings().model_folders(space.root)
    for split, result in found.items():
        title = _("Korean medicine, {count} texts of {split}:")
        sys.stdout.write(title.format(count=result.texts, split=split) + "\n\n")
        sys.stdout.write(printable(ladder_report(result)) + "\n\n")
        for path in write_report(space, split, folders):
            sys.stdout.write(printable(_("Report: {path}").format(path=path)) + "\n")
        sys.stdout.write("\n")
    sys.stdout.write(_("The texts of test are synthetic, those of wild are real.") + "\n")
    said = _("This shows the machinery and a tiny model, and says nothing about Gemma.")
    sys.stdout.write(said + "\n")


def _laddered(space: Workspace, names: list[str], split: str, limit: int) -> LadderResult:
    """The ladder of a split, by a process of its own: its memory is that of no training."""
    from engines.children import python_command, python_environment
    from engines.evaluation.measured import read_result

    options = ["--split", split, "--strategies", ",".join(names), "--limit", str(limit)]
    command = python_command("kwtui", "-w", str(space.root), "ladder", *options)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, env=python_environment(), check=False)
    result = read_result(space, split)
    if done.returncode or result is None:
        # What was wrong stands on stderr already.
        raise typer.Exit(done.returncode or 1)
    return result


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
