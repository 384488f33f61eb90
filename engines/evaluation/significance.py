"""How far a score would move with other texts: bootstrap over texts, paired for differences.

Texts are drawn with replacement (Efron 1979; for differences of F1 between two systems Berg-
Kirkpatrick, Burkett and Klein 2012). The intervals cover the choice of texts, not the chance of
training. Texts with equal counts are drawn together as one multinomial, which is the same
distribution and makes the cost independent of the number of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.evaluation.metrics import Counts

LEVEL = 0.95
SAMPLES = 10_000
_CHUNK_CELLS = 4_000_000

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its percentile bootstrap interval at `level`, from `texts` texts."""

    value: float
    low: float
    high: float
    texts: int
    level: float = LEVEL

    def to_json(self) -> dict[str, float]:
        """The fields as one object."""
        names = ("value", "low", "high", "texts", "level")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first system on the same texts: interval and two-sided p-value."""

    interval: Interval
    p_value: float

    @property
    def value(self) -> float:
        """F1 of the second system minus F1 of the first."""
        return self.interval.value

    def to_json(self) -> dict[str, float]:
        """The fields as one object."""
        return {**self.interval.to_json(), "p_value": self.p_value}


def f1_interval(
    per_text: Sequence[Counts], *, samples: int = SAMPLES, seed: int = 0, level: float = LEVEL
) -> Interval:
    """The micro F1 of these texts with its bootstrap interval over texts.

    `samples`: number of resamples; equal seeds give equal results. Raises ValueError when there
    are no texts.
    """
    table = _table(per_text)
    drawn = _resampled(table, samples, seed)
    low, high = _percentiles(_f1(drawn), level)
    return Interval(_f1_of(table), low, high, len(table), level)


def f1_difference(
    first: Sequence[Counts],
    second: Sequence[Counts],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Difference:
    """Micro F1 of `second` minus `first` on the same texts in the same order, paired bootstrap.

    The p-value is two-sided: twice the smaller share of resamples on either side of zero, with
    one added to both counts so that it is never 0 (Davison and Hinkley 1997, 4.2). Raises
    ValueError when the lists differ in length or are empty.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} texts cannot be paired")
    one, two = _table(first), _table(second)
    drawn = _resampled(np.hstack([one, two]), samples, seed)
    gaps = _f1(drawn[:, 3:]) - _f1(drawn[:, :3])
    return _difference(gaps, _f1_of(two) - _f1_of(one), len(one), level)


def seeded_interval(
    seeds: Sequence[Sequence[Counts]], *, samples: int = SAMPLES, seed: int = 0
) -> Interval:
    """The mean micro F1 of several trainings on the same texts, with its interval.

    `seeds` holds the counts of each training. Every resample draws texts and, apart from them,
    trainings, so the interval covers both chances; with one training it is `f1_interval`.
    """
    if len(seeds) == 1:
        return f1_interval(seeds[0], samples=samples, seed=seed)
    tables = [_table(one) for one in seeds]
    drawn = _over_seeds(_resampled(np.hstack(tables), samples, seed), len(tables), seed + 1)
    low, high = _percentiles(drawn, LEVEL)
    value = float(np.mean([_f1_of(table) for table in tables]))
    return Interval(value, low, high, len(tables[0]))


def seeded_difference(
    first: Sequence[Sequence[Counts]],
    second: Sequence[Sequence[Counts]],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Difference:
    """Mean micro F1 of the trainings `second` minus that of `first`, on the same texts.

    Texts are drawn paired, trainings of both sides apart. Raises ValueError as `f1_difference`.
    """
    if len(first) == len(second) == 1:
        return f1_difference(first[0], second[0], samples=samples, seed=seed)
    if len({len(one) for one in (*first, *second)}) != 1:
        raise ValueError("the trainings were not scored on the same texts")
    tables = [_table(one) for one in (*first, *second)]
    drawn = _resampled(np.hstack(tables), samples, seed)
    edge = 3 * len(first)
    one = _over_seeds(drawn[:, :edge], len(first), seed + 1)
    two = _over_seeds(drawn[:, edge:], len(second), seed + 2)
    value = float(
        np.mean([_f1_of(t) for t in tables[len(first) :]])
        - np.mean([_f1_of(t) for t in tables[: len(first)]])
    )
    return _difference(two - one, value, len(tables[0]), LEVEL)


def _over_seeds(sums: _Ints, seeds: int, seed: int) -> _Floats:
    """The mean F1 of as many trainings, drawn with replacement for each resample."""
    scores = np.stack([_f1(sums[:, 3 * n : 3 * n + 3]) for n in range(seeds)], axis=1)
    if seeds == 1:
        return scores[:, 0]
    drawn = np.random.default_rng(seed).integers(0, seeds, size=scores.shape)
    means: _Floats = np.take_along_axis(scores, drawn, axis=1).mean(axis=1)
    return means


def _difference(gaps: _Floats, value: float, texts: int, level: float) -> Difference:
    low, high = _percentiles(gaps, level)
    tail = min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
    p_value = min(1.0, 2 * (tail + 1) / (len(gaps) + 1))
    return Difference(Interval(value, low, high, texts, level), p_value)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Family-wise corrected p-values by name (Holm 1979), in the order given."""
    ordered = sorted(p_values, key=p_values.__getitem__)
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ordered) - rank) * p_values[name]))
        corrected[name] = highest
    return {name: corrected[name] for name in p_values}


def _table(per_text: Sequence[Counts]) -> _Ints:
    if not per_text:
        raise ValueError("no texts to draw from")
    return np.array([(c.tp, c.fp, c.fn) for c in per_text], dtype=np.int64)


def _resampled(table: _Ints, samples: int, seed: int) -> _Ints:
    """Sums of the columns over `samples` draws of all rows with replacement: (samples, columns)."""
    rows, times = np.unique(table, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    shares = times / times.sum()
    step = max(1, _CHUNK_CELLS // len(rows))
    parts = []
    for start in range(0, samples, step):
        size = min(step, samples - start)
        parts.append(generator.multinomial(len(table), shares, size=size) @ rows)
    return np.concatenate(parts).astype(np.int64)


def _f1(sums: _Ints) -> _Floats:
    tp, fp, fn = (sums[:, column].astype(np.float64) for column in range(3))
    total = 2 * tp + fp + fn
    return np.where(total > 0, 2 * tp / np.maximum(total, 1), 1.0)


def _f1_of(table: _Ints) -> float:
    return float(_f1(table.sum(axis=0, keepdims=True))[0])


def _percentiles(values: _Floats, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
