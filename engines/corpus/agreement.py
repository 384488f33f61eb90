"""How far annotators agree, and where they do not.

Span F1 is exact and partial as in engines.evaluation.metrics. Cohen's kappa (scikit-learn) and
Krippendorff's alpha (NLTK, nominal; Krippendorff 2004) compare tokens: every character but spaces,
tagged B, I or O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from engines.corpus.changes import Labeling
from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.schema import ADJUDICATOR
from engines.evaluation.metrics import Counts, Overlap, overlap

Spans = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two annotators on the texts that both labeled; `kappa` is None where it is undefined."""

    one: str
    other: str
    texts: int
    exact_f1: float
    partial_f1: float
    kappa: float | None

    def to_json(self) -> dict[str, Any]:
        """The numbers as one object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Agreement:
    """All pairs, and Krippendorff's alpha over all annotators (None for fewer than two)."""

    texts: int
    pairs: tuple[PairAgreement, ...]
    alpha: float | None

    def to_json(self) -> dict[str, Any]:
        """The numbers as one object."""
        pairs = [pair.to_json() for pair in self.pairs]
        return {"texts": self.texts, "pairs": pairs, "alpha": self.alpha}


@dataclass(frozen=True, slots=True)
class Dispute:
    """A text that its annotators labeled differently."""

    id: str
    text: str
    labelings: Mapping[str, Labeling]

    @property
    def shared(self) -> Spans:
        """Spans that everybody marked."""
        return frozenset.intersection(*(one.spans for one in self.labelings.values()))

    def to_json(self) -> dict[str, Any]:
        """The text with each labeling."""
        labelings = {name: one.to_json() for name, one in self.labelings.items()}
        return {"id": self.id, "text": self.text, "labelings": labelings}


def agreement(corpus: Core, annotators: Sequence[str] = ()) -> Agreement:
    """Agreement on all texts that two or more people labeled; `annotators`: only these."""
    wanted = set(annotators)
    texts: dict[str, str] = {}
    said: dict[str, dict[str, Spans]] = {}
    for key, name, text in _contested(corpus, settled=True):
        labelings = {
            by: one.spans
            for by, one in _labelings(corpus, key).items()
            if not wanted or by in wanted
        }
        if len(labelings) > 1:
            texts[name], said[name] = text, labelings
    return measure(texts, said)


def measure(texts: Mapping[str, str], said: Mapping[str, Mapping[str, Spans]]) -> Agreement:
    """Agreement of labelings: text id -> annotator -> spans."""
    common: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, labelings in said.items():
        for pair in combinations(sorted(labelings), 2):
            common[pair].append(name)
    tags = {
        name: {by: _tags(texts[name], spans) for by, spans in labelings.items()}
        for name, labelings in said.items()
    }
    pairs = tuple(_pair(*pair, names, said, tags) for pair, names in sorted(common.items()))
    return Agreement(len(said), pairs, _alpha(tags))


def _pair(
    one: str,
    other: str,
    names: Sequence[str],
    said: Mapping[str, Mapping[str, Spans]],
    tags: Mapping[str, Mapping[str, str]],
) -> PairAgreement:
    both = [(said[name][one], said[name][other]) for name in names]
    exact = sum((Counts(len(a & b), len(b - a), len(a - b)) for a, b in both), Counts())
    partial = sum((overlap(a, b) for a, b in both), Overlap())
    first = "".join(tags[name][one] for name in names)
    second = "".join(tags[name][other] for name in names)
    return PairAgreement(
        one,
        other,
        len(names),
        exact.f1,
        partial.f1,
        _kappa(first, second),
    )


def _kappa(one: str, other: str) -> float | None:
    if not one or len({*one, *other}) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(list(one), list(other)))


def _alpha(tags: Mapping[str, Mapping[str, str]]) -> float | None:
    """Krippendorff's alpha; texts that somebody has not labeled are missing values."""
    if (
        not tags
        or len({mark for said in tags.values() for line in said.values() for mark in line}) < 2
    ):
        return None
    from nltk.metrics.agreement import AnnotationTask

    data = [
        (by, f"{number}:{place}", mark)
        for number, said in enumerate(tags.values())
        for by, line in said.items()
        for place, mark in enumerate(line)
    ]
    return float(AnnotationTask(data=data).alpha())


def _tags(text: str, spans: Spans) -> str:
    """B, I or O for every character but spaces; of overlapping spans the longer is marked."""
    marks = ["O"] * len(text)
    for start, end in sorted(spans, key=lambda span: (span[0] - span[1], span)):
        if all(mark == "O" for mark in marks[start:end]):
            marks[start:end] = ["B", *"I" * (end - start - 1)]
    return "".join(mark for mark, char in zip(marks, text, strict=True) if not char.isspace())


def disputes(corpus: Core) -> Iterator[Dispute]:
    """Texts whose labelings differ and that nobody has adjudicated, in the order of import."""
    for key, name, text in _contested(corpus, settled=False):
        labelings = _labelings(corpus, key)
        if len({one.spans for one in labelings.values()}) > 1:
            yield Dispute(name, text, labelings)


def _contested(corpus: Core, *, settled: bool) -> list[tuple[int, str, str]]:
    """Texts that several people labeled, by an index that holds no others."""
    with sentences(corpus.path):
        return corpus.db.execute(
            "SELECT key, id, text FROM texts WHERE labelers > 1"
            + ("" if settled else " AND status != 'adjudicated'")
            + " ORDER BY key"
        ).fetchall()


def _labelings(corpus: Core, key: int) -> dict[str, Labeling]:
    with sentences(corpus.path):
        return corpus.labelings_of(key, ("labeled",), but=ADJUDICATOR)
