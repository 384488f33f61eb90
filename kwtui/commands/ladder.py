"""`kwtui ladder`: strategies on the same labeled texts, with what each finds, costs and gains."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.columns import table
from kwtui.progress import Progress

if TYPE_CHECKING:
    from engines.evaluation.results import LadderResult, RungResult

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
    as_json: bool = typer.Option(False, "--json", help=_("The result as JSON on stdout.")),
) -> None:
    """Measure strategies side by side and say which one to use. Killed, it goes on where it was."""
    from engines.evaluation.ladder import Wish, run

    space = context.need_workspace()
    settings = context.settings()
    names = named(strategies) if strategies else standard(set(settings.strategies))
    line = ["kwtui", "ladder", "--split", split, "--strategies", ",".join(names)]
    line += ["--limit", str(limit)] if limit else []
    line += ["--seeds", str(seeds)] if seeds > 1 else []
    wish = Wish(limit, seeds, fresh, worth, shlex.join(line))
    with Lines() as lines:
        result = run(
            space, settings, names, split, wish, on_progress=lines.update, on_note=lines.say
        )
    if as_json:
        sys.stdout.write(json.dumps(result.to_json(), ensure_ascii=False, indent=1) + "\n")
        return
    sys.stdout.write(printable(report(result)) + "\n")


def named(strategies: str) -> list[str]:
    """The names of a comma-separated list; UserError for an empty one."""
    names = [name.strip() for name in strategies.split(",") if name.strip()]
    if not names:
        raise UserError(_("Name at least one strategy."))
    return names


def standard(known: set[str]) -> list[str]:
    """The strategies that are measured when none is named: controls, prompt, rag, trained ones."""
    from engines.evaluation.climbing import TRAINED

    return [name for name in (*DEFAULT.split(","), *TRAINED) if name in known]


class Lines:
    """A line of progress for the strategy at work."""

    def __init__(self) -> None:
        self._name = ""
        self._progress: Progress | None = None

    def __enter__(self) -> Lines:
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
    """Gold problems, the table, the advice, and what the figures cover."""
    lines = [*result.gold_problems, *([""] if result.gold_problems else [])]
    lines += table([_header(), *(_row(row) for row in result.rows)])
    lines += ["", *result.advice, "", *_notes(result)]
    return "\n".join(lines)


def _header() -> list[str]:
    return [
        _("strategy"),
        "F1",
        _("95 %"),
        _("gain"),
        _("against"),
        _("p (corrected)"),
        _("texts/s"),
        _("ms p50/p95"),
        "MiB",
        _("training"),
        _("GPU hours"),
        _("labeled"),
        _("epochs"),
        _("prompt tokens"),
        _("effort"),
    ]


def _row(row: RungResult) -> list[str]:
    from engines.evaluation.advice import p_words

    delta = row.delta
    memory = row.gpu_peak_bytes or row.peak_bytes
    return [
        f"{row.label or row.strategy}",
        f"{row.scores.f1:.3f}",
        f"{row.f1_low:.3f}-{row.f1_high:.3f}",
        f"{delta.difference:+.3f}" if delta else "-",
        delta.against if delta else "-",
        p_words(delta.p_corrected) if delta else "-",
        _rate(row.texts_per_second),
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


def _notes(result: LadderResult) -> list[str]:
    seeds = max((row.seeds for row in result.rows), default=1)
    covers = _("Intervals: 95 % bootstrap over {texts} texts of {split}, without training chance.")
    if seeds > 1:
        covers = _(
            "Intervals: 95 % bootstrap over {texts} texts of {split} and over up to {seeds} "
            "trainings."
        )
    notes = [covers.format(texts=f"{result.texts:,}", split=result.split, seeds=seeds)]
    notes.append(
        _("Gains are against the best strategy of the rung below; p-values are Holm-corrected.")
    )
    if result.test_uses:
        said = _("The test split has been scored {count} times in this workspace.")
        notes.append(said.format(count=result.test_uses))
    return notes
