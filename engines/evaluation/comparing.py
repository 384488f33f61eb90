"""Two strategies on the same texts: which one was right where, and what each of them got wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engines.corpus.gold import gold_of
from engines.evaluation.errors import GROUPS, Error, errors_of
from engines.evaluation.errors_index import ErrorIndex, Labels, Progress, open_index
from engines.records import Keyword, Prediction
from engines.workspace import Workspace
from glossary.errors import FailedError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.corpus.store import Corpus

WON, LOST, BOTH_WRONG, BOTH_RIGHT = "won", "lost", "both wrong", "both right"
VERDICTS = (WON, LOST, BOTH_WRONG, BOTH_RIGHT)
_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which texts are looked at; empty fields want all of them.

    `verdict`: one of VERDICTS. `group`: there is such a mistake, of the second strategy. `word`:
    that mistake concerns this word.
    """

    verdict: str = ""
    group: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The mistakes of one kind: how many, in how many texts, and the words most often concerned."""

    group: str
    count: int = 0
    texts: int = 0
    words: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one strategy answered for a text, with its mistakes."""

    strategy: str
    keywords: tuple[Keyword, ...] = ()
    absent: tuple[str, ...] = ()
    valid: bool = True
    errors: tuple[Error, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparedText:
    """One text with its gold keywords and both answers."""

    id: str
    text: str
    split: str
    verdict: str
    gold: tuple[Keyword, ...]
    first: Answer
    second: Answer


@dataclass(frozen=True, slots=True)
class Summary:
    """A comparison in figures; `left_out`: texts that only one of both answered."""

    split: str
    first: str
    second: str
    texts: int
    verdicts: dict[str, int] = field(default_factory=dict)
    groups_first: tuple[Group, ...] = ()
    groups_second: tuple[Group, ...] = ()
    left_out: int = 0

    def without_words(self) -> Summary:
        """The counts alone, for a split whose texts are not to be seen."""
        first, second = (
            tuple(replace(group, words=()) for group in groups)
            for groups in (self.groups_first, self.groups_second)
        )
        return replace(self, groups_first=first, groups_second=second)


class Comparison:
    """The second of two strategies against the first, text by text. Texts count from 0."""

    def __init__(self, split: str, names: tuple[str, str], indexes: tuple[ErrorIndex, ErrorIndex]):
        self.split, self.names = split, names
        self._indexes = indexes
        first, second = indexes
        if np.array_equal(first.marks, second.marks):
            self._rows: tuple[_Rows, _Rows] = (np.arange(first.texts), np.arange(second.texts))
        else:
            self._rows = _paired(first.marks, second.marks)
        wrong = [index.wrong[rows] > 0 for index, rows in zip(indexes, self._rows, strict=True)]
        codes = np.full(len(wrong[0]), VERDICTS.index(BOTH_RIGHT), np.uint8)
        codes[wrong[0] & ~wrong[1]] = VERDICTS.index(WON)
        codes[~wrong[0] & wrong[1]] = VERDICTS.index(LOST)
        codes[wrong[0] & wrong[1]] = VERDICTS.index(BOTH_WRONG)
        self._codes = codes

    @property
    def texts(self) -> int:
        """Number of texts that both answered."""
        return len(self._codes)

    @cached_property
    def summary(self) -> Summary:
        """The figures."""
        counts = np.bincount(self._codes, minlength=len(VERDICTS))
        verdicts = {name: int(counts[code]) for code, name in enumerate(VERDICTS)}
        most = max(index.texts for index in self._indexes)
        groups = (self._groups(0), self._groups(1))
        return Summary(self.split, *self.names, self.texts, verdicts, *groups, most - self.texts)

    def _groups(self, side: int) -> tuple[Group, ...]:
        index, rows = self._indexes[side], self._rows[side]
        here = np.zeros(index.texts, bool)
        here[rows] = True
        inside = here[index.rows] if len(index.rows) else np.zeros(0, bool)
        found = []
        for code, name in enumerate(GROUPS):
            mistakes = np.flatnonzero(inside & (index.kinds == code))
            texts = int(np.count_nonzero(index.groups[rows] >> code & 1))
            words = Counter(index.words[n] for n in mistakes.tolist()).most_common(20)
            found.append(Group(name, len(mistakes), texts, tuple(words)))
        return tuple(found)

    def select(self, wanted: Wanted) -> _Rows:
        """The texts that pass, in their order."""
        keep = np.ones(self.texts, bool)
        if wanted.verdict:
            keep &= self._codes == VERDICTS.index(wanted.verdict)
        if wanted.group:
            index, rows = self._indexes[1], self._rows[1]
            code = GROUPS.index(wanted.group)
            keep &= (index.groups[rows] >> code & 1) > 0
            if wanted.word:
                keep &= np.isin(rows, self._with_word(index, code, wanted.word))
        return np.flatnonzero(keep)

    @staticmethod
    def _with_word(index: ErrorIndex, code: int, word: str) -> list[int]:
        mistakes = np.flatnonzero(index.kinds == code)
        return [int(index.rows[n]) for n in mistakes.tolist() if index.words[n] == word]

    def ids(self, texts: _Rows) -> list[str]:
        """The ids of these texts."""
        return [p.id for p in self._indexes[1].predictions(self._rows[1][texts])]

    def read(
        self, corpus: Corpus, texts: _Rows, seen: set[str] | None = None
    ) -> list[ComparedText]:
        """These texts with gold and answers; those that have left the corpus are left out."""
        sides = [
            index.predictions(rows[texts])
            for index, rows in zip(self._indexes, self._rows, strict=True)
        ]
        gold = gold_of(corpus, [prediction.id for prediction in sides[0]])
        found = []
        for number, one, other in zip(texts.tolist(), *sides, strict=True):
            example = gold.get(one.id)
            if example is None:
                continue
            outside = example.meta["ungrounded"] if example.meta else ()
            answers = [
                _answer(name, prediction, example.keywords, outside, seen)
                for name, prediction in zip(self.names, (one, other), strict=True)
            ]
            verdict = VERDICTS[self._codes[number]]
            found.append(
                ComparedText(
                    one.id, example.text, example.split, verdict, example.keywords, *answers
                )
            )
        return found


def _answer(
    name: str,
    prediction: Prediction,
    gold: Sequence[Keyword],
    outside: Sequence[str],
    seen: set[str] | None,
) -> Answer:
    errors = errors_of(
        gold, prediction.keywords, outside=outside, absent=prediction.ungrounded, seen=seen
    )
    return Answer(name, prediction.keywords, prediction.ungrounded, prediction.valid, errors)


def _paired(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> tuple[_Rows, _Rows]:
    """Rows of the texts that both have, in the order of the first."""
    _both, left, right = np.intersect1d(one, other, return_indices=True)
    order = np.argsort(left)
    return left[order], right[order]


def compare(
    space: Workspace,
    corpus: Corpus,
    split: str,
    names: tuple[str, str],
    files: tuple[Path, Path],
    *,
    on_progress: Progress | None = None,
) -> Comparison:
    """Compare two predictions files of one split; quick where their indexes are kept.

    Raises FailedError where a file is missing or both have no text in common.
    """
    labels = Labels(corpus, split)
    first, second = (
        open_index(space, path, split, corpus, on_progress=on_progress, labels=labels)
        for path in files
    )
    found = Comparison(split, names, (first, second))
    if not found.texts:
        sentence = _("{first} and {second} answered no text of {split} in common; run the ladder.")
        raise FailedError(sentence.format(first=names[0], second=names[1], split=split))
    return found


def strategy_errors(index: ErrorIndex) -> tuple[Group, ...]:
    """The mistakes of one strategy by group."""
    return Comparison("", ("", ""), (index, index)).summary.groups_second
