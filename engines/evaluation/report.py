"""The report of a ladder: what was measured, on what, how to measure it again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engines.corpus.core import Core
from engines.corpus.gold import seen_surfaces
from engines.corpus.moving import looks, moves
from engines.corpus.statistics import SplitCounts, by_split
from engines.corpus.store import Corpus
from engines.evaluation.comparing import (
    BOTH_WRONG,
    LOST,
    WON,
    ComparedText,
    Group,
    Wanted,
    compare,
    strategy_errors,
)
from engines.evaluation.errors_index import ErrorIndex, open_index
from engines.evaluation.measured import (
    LearningCurve,
    inside,
    pair_of,
    read_curve,
    read_result,
)
from engines.evaluation.report_html import page
from engines.evaluation.report_markdown import document
from engines.evaluation.reproducing import commands, strategies
from engines.evaluation.results import LadderResult, RungResult
from engines.evaluation.sending import SEALED
from engines.models.registry import resolve
from engines.training.folder import replace_file
from engines.training.runs import list_runs
from engines.training.series import Series
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from glossary.i18n import _

EXAMPLES = 4
_RUNS = 6
_CARD_BYTES = 20_000
# A training writes the first; what was brought along mostly has the second.
_CARDS = ("CARD.md", "README.md")


@dataclass(frozen=True, slots=True)
class LossCurve:
    """One training run: loss by step, of the training texts and of dev."""

    run: str
    train: tuple[tuple[float, float], ...]
    dev: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report prints; `examples` are empty for a sealed split.

    `looks`: single held-out texts of this split that people have looked at. `left`: texts that
    left it for training. `origins`: labelings and annotators by where labels came from.
    `commands` repeat all of it; `strategies` are sections of config.toml.
    """

    name: str
    result: LadderResult
    groups: Mapping[str, tuple[Group, ...]] = field(default_factory=dict)
    examples: tuple[ComparedText, ...] = ()
    losses: tuple[LossCurve, ...] = ()
    curve: LearningCurve | None = None
    splits: Mapping[str, SplitCounts] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    origins: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    cards: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    strategies: Mapping[str, str] = field(default_factory=dict)
    looks: int = 0
    left: int = 0
    sealed: bool = False


def gather(space: Workspace, split: str, folders: Sequence[Path | str]) -> ReportData:
    """Everything that the report of a split's last ladder needs.

    `folders` are those of the models, for their cards. Raises UserError when nothing was measured.
    """
    result = read_result(space, split)
    if result is None:
        sentence = _("Nothing has been measured on {split} yet: `kwtui ladder --split {split}`.")
        raise UserError(sentence.format(split=split))
    cards = {row.model: model_card(row.model, folders) for row in result.rows if row.model}
    data = ReportData(
        space.root.name,
        result,
        losses=loss_curves(space),
        curve=read_curve(space, split),
        cards={name: text for name, text in cards.items() if text},
        commands=commands(space, result, folders),
        strategies=strategies(space, result.rows),
        sealed=split in SEALED,
    )
    if not space.corpus_path.exists():
        return data
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        indexes = _indexes(space, corpus, split, result.rows)
        return replace(
            data,
            groups=_groups(indexes, sealed=data.sealed),
            examples=() if data.sealed else _examples(space, corpus, result, indexes),
            splits=by_split(corpus),
            sources=_sources(corpus),
            origins=_origins(corpus),
            looks=looks(corpus, split),
            left=moves(corpus, split),
        )


def write_report(
    space: Workspace, split: str, folders: Sequence[Path | str], folder: Path | None = None
) -> tuple[Path, Path]:
    """Write the report as one HTML page and as Markdown; returns both paths.

    Into the workspace's reports where no `folder` is named. Raises UserError when nothing was
    measured, FailedError when it cannot be written.
    """
    data = gather(space, split, folders)
    target = folder or space.reports
    paths = (target / f"ladder-{split}.html", target / f"ladder-{split}.md")
    try:
        target.mkdir(parents=True, exist_ok=True)
        replace_file(paths[0], page(data))
        replace_file(paths[1], document(data))
    except OSError as error:
        sentence = _("{path} cannot be written: {reason}.")
        raise FailedError(sentence.format(path=target, reason=error.strerror)) from None
    return paths


def model_card(name: str, folders: Sequence[Path | str]) -> str:
    """The card that lies in a model's folder, "" where there is none."""
    try:
        folder = resolve(name, folders)
    except UserError:
        return ""
    for card in _CARDS:
        try:
            with (folder / card).open(encoding="utf-8", errors="replace") as file:
                return file.read(_CARD_BYTES)
        except OSError:
            continue
    return ""


def loss_curves(space: Workspace) -> tuple[LossCurve, ...]:
    """The curves of the workspace's latest runs."""
    found = []
    for run in list_runs(space.runs)[:_RUNS]:
        series = Series(run.folder.path)
        series.catch_up()
        train, dev = (_points(series, name) for name in ("loss", "dev_loss"))
        if train:
            found.append(LossCurve(run.id, train, dev))
    return tuple(found)


def _points(series: Series, name: str) -> tuple[tuple[float, float], ...]:
    curve = series.curves.get(name, ())
    return tuple((float(b.first), b.mean) for b in curve if not math.isnan(b.mean))


def _indexes(
    space: Workspace, corpus: Corpus, split: str, rows: Sequence[RungResult]
) -> dict[str, ErrorIndex]:
    """The mistakes of every strategy whose predictions are still there."""
    found = {}
    for row in rows:
        path = inside(space, row.predictions)
        if row.predictions and path.is_file():
            found[row.strategy] = open_index(space, path, split, corpus)
    return found


def _groups(indexes: Mapping[str, ErrorIndex], *, sealed: bool) -> dict[str, tuple[Group, ...]]:
    groups = {name: strategy_errors(index) for name, index in indexes.items()}
    if sealed:
        return {n: tuple(replace(g, words=()) for g in found) for n, found in groups.items()}
    return groups


def _examples(
    space: Workspace, corpus: Corpus, result: LadderResult, indexes: Mapping[str, ErrorIndex]
) -> tuple[ComparedText, ...]:
    """A few texts that the best strategy won, lost, and got wrong like the one below it."""
    names = pair_of(result) if len(result.rows) > 1 else ("", "")
    if not set(names) <= indexes.keys():
        return ()
    files = (indexes[names[0]].path, indexes[names[1]].path)
    found = compare(space, corpus, result.split, names, files)
    seen = seen_surfaces(corpus)
    texts: list[ComparedText] = []
    for verdict in (WON, LOST, BOTH_WRONG):
        rows = found.select(Wanted(verdict))
        step = max(1, len(rows) // EXAMPLES)
        texts += found.read(corpus, rows[::step][:EXAMPLES], seen)
    return tuple(texts)


def _sources(corpus: Core) -> tuple[str, ...]:
    rows = corpus.db.execute("SELECT DISTINCT source FROM texts WHERE source != '' ORDER BY 1")
    return tuple(str(row[0]) for row in rows)


def _origins(corpus: Core) -> dict[str, tuple[int, int]]:
    rows = corpus.db.execute(
        "SELECT origin, count(*), count(DISTINCT annotator) FROM labelings GROUP BY origin"
    )
    return {str(origin): (int(texts), int(people)) for origin, texts, people in rows}
