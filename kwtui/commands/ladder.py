"""`kwtui ladder`: strategies on the same labeled texts, with what each finds, costs and gains."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui import context
from kwtui.columns import table
from kwtui.commands import _ladder_more
from kwtui.progress import Progress

if TYPE_CHECKING:
    from engines.evaluation.climbing import Training
    from engines.evaluation.ladder import Wish
    from engines.evaluation.results import LadderResult, RungResult
    from engines.settings import Settings
    from engines.workspace import Workspace

DEFAULT = "dictionary,crf,prompt,rag"


def command(
    strategies: str = typer.Option(
        "",
        "--strategies",
        metavar="A,B",
        help=_("Strategies to measure; else dictionary, crf, prompt, rag and the trained ones."),
    ),
    split: str = typer.Option("dev", "--split", metavar="NAME", help=_("The split measured on.")),
    limit: int = typer.Option(
        0, "--limit", min=0, metavar="N", help=_("Texts at most, evenly spread; 0: all.")
    ),
    seeds: int = typer.Option(
        1, "--seeds", min=1, max=20, help=_("Trainings of each taught strategy that are scored.")
    ),
    worth: float = typer.Option(
        0.02, "--worth", min=0.0, max=1.0, help=_("The gain in F1 that pays for a rung.")
    ),
    fresh: bool = typer.Option(
        False, "--fresh", help=_("Ask again what was answered before, such as a changed server.")
    ),
    missing: bool = typer.Option(
        False, "--train-missing", help=_("Train lora, qlora, sft and tokenizer where missing.")
    ),
    base: str = typer.Option(
        "", "--base", metavar="MODEL", help=_("The model that is taught; else kw-mini.")
    ),
    changes: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help=_("Change a value of the recipes; may be repeated.")
    ),
    curve: str = typer.Option(
        "", "--curve", metavar="NAME", help=_("F1 of this strategy against labeled texts.")
    ),
    sweep: str = typer.Option(
        "",
        "--sweep",
        metavar="FIELD=A,B",
        help=_("The strategies named with each value of a field, such as shots=0,2,4 or lora.r."),
    ),
    search: int = typer.Option(
        0, "--search", min=0, metavar="CALLS", help=_("Search a better prompt on dev texts.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("The result as JSON on stdout.")),
) -> None:
    """Measure strategies side by side and say which one to use. Killed, it goes on where it was."""
    from engines.evaluation.climbing import Training
    from engines.evaluation.ladder import Wish
    from engines.training.launching import EMBEDDED
    from engines.training.recipe import parse_changes

    space = context.need_workspace()
    names = named(strategies) if strategies else standard(space, base or EMBEDDED, all_=missing)
    training = Training(base or EMBEDDED, seeds, parse_changes(changes), chosen=bool(base))
    wish = Wish(limit, seeds, fresh, worth, command_line(names, split, limit, seeds, base))
    with Lines() as lines:
        if search:
            _search(space, names, search, lines, as_json)
            return
        settings = _ladder_more.train(
            space, context.settings(), names, training, lines, missing=missing
        )
        if curve:
            wish = _curve(space, settings, curve, split, wish, training, lines)
        result = _run(space, settings, names, split, sweep, wish, training, lines)
    if as_json:
        sys.stdout.write(json.dumps(result.to_json(), ensure_ascii=False, indent=1) + "\n")
        return
    sys.stdout.write(printable(report(result)) + "\n")


def _run(
    space: Workspace,
    settings: Settings,
    names: list[str],
    split: str,
    sweep: str,
    wish: Wish,
    training: Training,
    lines: Lines,
) -> LadderResult:
    from engines.evaluation.ladder import run

    if sweep:
        return _ladder_more.sweep(space, settings, names, sweep, split, wish, training, lines)
    return run(space, settings, names, split, wish, on_progress=lines.update, on_note=lines.say)


def _curve(
    space: Workspace,
    settings: Settings,
    name: str,
    split: str,
    wish: Wish,
    training: Training,
    lines: Lines,
) -> Wish:
    """Measure the curve, say it, and let the advice read it."""
    from engines.evaluation.curving import measure_curve

    found = measure_curve(
        space,
        settings,
        name,
        split,
        limit=wish.limit,
        training=training,
        on_progress=lines.update,
        on_note=lines.say,
    )
    lines.say("\n".join(_ladder_more.curve_lines(found)))
    return replace(wish, curve=found)


def _search(space: Workspace, names: list[str], calls: int, lines: Lines, as_json: bool) -> None:
    """Search a prompt for one strategy and print the section that uses it."""
    from engines.evaluation.search import search

    if len(names) != 1:
        raise UserError(_("Name the one strategy whose prompt is searched: --strategies prompt."))
    settings = context.settings()
    found = search(space, settings, names[0], calls, on_progress=lines.update)
    values = _ladder_more.searched_values(settings, found)
    if as_json:
        document: dict[str, Any] = {
            "f1": found.best.f1,
            "gain": found.gain,
            "p": found.p,
            "calls": found.calls,
        }
        document["strategy"] = values
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        return
    for line in _ladder_more.search_lines(found):
        lines.say(line)
    if found.best.changes:
        sys.stdout.write(_ladder_more.section(found, values))


def command_line(names: list[str], split: str, limit: int, seeds: int, base: str) -> str:
    """The command that measures the same again."""
    line = ["kwtui", "ladder", "--split", split, "--strategies", ",".join(names)]
    line += ["--limit", str(limit)] if limit else []
    line += ["--seeds", str(seeds)] if seeds > 1 else []
    line += ["--base", base] if base else []
    return shlex.join(line)


def named(strategies: str) -> list[str]:
    """The names of a comma-separated list; UserError for an empty one."""
    names = [name.strip() for name in strategies.split(",") if name.strip()]
    if not names:
        raise UserError(_("Name at least one strategy."))
    return names


def standard(space: Workspace, base: str, *, all_: bool = False) -> list[str]:
    """What is measured when nothing is named: those of the standard ones that can run.

    `all_`: with the trained ones that are not there yet.
    """
    from engines.corpus.gold import seen_surfaces
    from engines.corpus.store import Corpus
    from engines.evaluation.climbing import TRAINED, model_name
    from engines.extraction.strategy import needs_glossary
    from engines.models.registry import resolve

    settings = context.settings()
    known = {n: settings.strategies[n] for n in DEFAULT.split(",") if n in settings.strategies}
    if not space.glossary_path.exists():
        known = {name: one for name, one in known.items() if not needs_glossary(one)}
    if space.corpus_path.exists():
        with Corpus.open(space.corpus_path, readonly=True) as corpus:
            if not seen_surfaces(corpus):
                known = {name: one for name, one in known.items() if one.kind != "crf"}
    names = list(known)
    for name in TRAINED:
        strategy = settings.strategies.get(name)
        try:
            model = strategy.model if strategy else model_name(name, base)
            resolve(model, settings.model_folders(space.root))
        except UserError:
            if not all_:
                continue
        names.append(name)
    return names


class Lines:
    """A line of progress for the strategy at work."""

    def __init__(self) -> None:
        self._name = ""
        self._progress: Progress | None = None

    def __enter__(self) -> Lines:
        # What libraries say while they load a model is nothing that a person can act on.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", category=FutureWarning)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end()

    def update(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` texts have been answered by the strategy `name`."""
        if name != self._name or self._progress is None:
            self._end()
            self._name, self._progress = name, Progress(total, first=max(0, done - 1))
            print(printable(name), file=sys.stderr)
        self._progress.update(done)

    def say(self, sentence: str) -> None:
        """Print a sentence without tearing the line."""
        if self._progress is not None:
            self._progress.clear()
        print(printable(sentence), file=sys.stderr)

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.clear()
        self._progress = None


def report(result: LadderResult) -> str:
    """Gold problems, what was found, what it cost, the advice, and what the figures cover."""
    lines = [*result.gold_problems, *([""] if result.gold_problems else [])]
    lines += table([_found_header(), *(_found(row) for row in result.rows)])
    lines += ["", *table([_cost_header(), *(_cost(row) for row in result.rows)])]
    lines += ["", *result.advice, "", *_notes(result)]
    return "\n".join(lines)


def _found_header() -> list[str]:
    gain = [_("gain"), _("against"), _("p (corrected)")]
    return [_("strategy"), "F1", _("95 %"), _("unseen terms"), *gain, _("texts/s")]


def _found(row: RungResult) -> list[str]:
    from engines.evaluation.advice import p_words

    delta = row.delta
    unseen = row.scores.unseen.rate if row.scores.unseen else None
    return [
        row.label or row.strategy,
        f"{row.scores.f1:.3f}",
        f"{row.f1_low:.3f}-{row.f1_high:.3f}",
        "-" if unseen is None else f"{unseen:.3f}",
        f"{delta.difference:+.3f}" if delta else "-",
        delta.against if delta else "-",
        p_words(delta.p_corrected) if delta else "-",
        _rate(row.texts_per_second),
    ]


def _cost_header() -> list[str]:
    return [
        _("strategy"),
        _("ms p50/p95"),
        "MiB",
        _("training"),
        _("GPU hours"),
        _("labeled"),
        _("epochs"),
        _("prompt tokens"),
        _("effort"),
    ]


def _cost(row: RungResult) -> list[str]:
    memory = row.gpu_peak_bytes or row.peak_bytes
    return [
        row.label or row.strategy,
        f"{1000 * row.latency_p50:,.0f}/{1000 * row.latency_p95:,.0f}",
        f"{memory / 2**20:,.0f}",
        f"{row.training_seconds:,.0f} s" if row.training_seconds else "-",
        f"{row.gpu_hours:.2f}" if row.gpu_hours else "-",
        f"{row.labeled_examples:,}" if row.labeled_examples else "-",
        f"{row.epochs:g}" if row.epochs else "-",
        f"{row.prompt_tokens:,.0f}" if row.prompt_tokens else "-",
        f"{row.effort}/5",
    ]


def _rate(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _gains(result: LadderResult) -> str:
    """What the gains of the table are against: in a sweep the first value."""
    rungs = {row.strategy: row.rung for row in result.rows}
    level = {r.delta.against for r in result.rows if r.delta and r.rung == rungs[r.delta.against]}
    if level:
        said = _("Gains are against {name}; p-values are Holm-corrected.")
        return said.format(name=level.pop())
    return _("Gains are against the best strategy of the rung below; p-values are Holm-corrected.")


def _notes(result: LadderResult) -> list[str]:
    seeds = max((row.seeds for row in result.rows), default=1)
    covers = _("Intervals: 95 % bootstrap over {texts} texts of {split}, without training chance.")
    if seeds > 1:
        covers = _(
            "Intervals: 95 % bootstrap over {texts} texts of {split} and over up to {seeds} "
            "trainings."
        )
    notes = [covers.format(texts=f"{result.texts:,}", split=result.split, seeds=seeds)]
    if any(row.delta for row in result.rows):
        notes.append(_gains(result))
    notes.append(
        _("ms: one text asked alone; MiB: the highest of the process, with what earlier ones left.")
    )
    notes += result.notes()
    if result.test_uses:
        said = ngettext_(
            "The test split of this workspace has been scored {count} time.",
            "The test split of this workspace has been scored {count} times.",
            result.test_uses,
        )
        notes.append(said.format(count=result.test_uses))
    return notes
