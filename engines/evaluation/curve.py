"""F1 against the number of labeled texts, and what more labels would likely bring.

The curve is an inverse power law, f(n) = a - b n^-c, the usual shape of learning curves (Hestness
et al. 2017, arXiv:1712.00409; for language tasks Cortes et al. 1994). Its uncertainty comes from
drawing the measured trainings again (bootstrap within each size), so it covers the choice of
texts to learn from and training chance, but not another shape of the curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glossary.i18n import _

SHARES = (0.1, 0.25, 0.5, 1.0)
MORE = (2000, 5000)
SAMPLES = 500
_EXPONENTS = np.linspace(0.05, 2.0, 40)
_GRID = 40

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One training: labeled texts learnt from, and its F1.

    `made`: how many of the texts a machine wrote or labeled first.
    """

    examples: int
    f1: float
    made: int = 0


@dataclass(frozen=True, slots=True)
class Gain:
    """What so many more labeled texts would bring in F1, with a 95 % interval."""

    more: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A fitted learning curve of one strategy.

    `fit` holds (labeled texts, F1, low, high), up to where the forecasts end.
    """

    strategy: str
    points: tuple[Point, ...]
    fit: tuple[tuple[float, float, float, float], ...]
    gains: tuple[Gain, ...]
    ceiling: float

    def sentence(self, worth: float = 0.0) -> str:
        """What more labels would likely bring, as a sentence of the advice."""
        first, last = self.gains[0], self.gains[-1]
        sentence = _(
            "By the curve of {strategy}, {first} more labeled texts would bring {gain} points "
            "({low} to {high}), {last} more {more} ({from_} to {to})."
        )
        said = sentence.format(
            strategy=self.strategy,
            first=f"{first.more:,}",
            gain=_points(first.gain),
            low=_points(first.low),
            high=_points(first.high),
            last=f"{last.more:,}",
            more=_points(last.gain),
            from_=_points(last.low),
            to=_points(last.high),
        )
        if first.gain >= worth > 0:
            return said + " " + _("Label more before you climb higher.")
        return said

    def to_json(self) -> dict[str, Any]:
        """The curve as the report and the compare pane read it."""
        by_size: dict[int, list[float]] = {}
        made: dict[int, list[int]] = {}
        for point in self.points:
            by_size.setdefault(point.examples, []).append(point.f1)
            made.setdefault(point.examples, []).append(point.made)
        points = [
            {
                **{"examples": n, "made": round(sum(made[n]) / len(made[n]))},
                **{"f1": sum(f) / len(f), "low": min(f), "high": max(f), "runs": len(f)},
            }
            for n, f in sorted(by_size.items())
        ]
        return {
            "strategy": self.strategy,
            "points": points,
            "fit": [list(row) for row in self.fit],
            "gains": [[g.more, g.gain, g.low, g.high] for g in self.gains],
            "ceiling": self.ceiling,
            "words": self.sentence(),
        }


def _points(gain: float) -> str:
    return f"{100 * gain:+.1f}"


def fit_curve(strategy: str, points: Sequence[Point], *, seed: int = 0) -> Curve:
    """Fit the curve through these trainings; equal points give an equal curve.

    Raises ValueError for fewer than three different numbers of labeled texts.
    """
    by_size: dict[int, list[float]] = {}
    for point in points:
        by_size.setdefault(point.examples, []).append(point.f1)
    if len(by_size) < 3:
        raise ValueError("a curve needs three sizes")
    sizes = np.array(sorted(by_size), dtype=np.float64)
    now = float(sizes[-1])
    ahead = np.concatenate([np.geomspace(sizes[0], now + MORE[-1], _GRID), now + np.array(MORE)])
    ahead = np.concatenate([ahead, [now]])
    (middle,), (ceiling,) = _predicted(sizes, _means(by_size)[None, :], ahead)
    generator = np.random.default_rng(seed)
    scores = np.stack([_drawn(by_size, generator) for _n in range(SAMPLES)])
    drawn, _ceilings = _predicted(sizes, scores, ahead)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    fit = tuple(
        (float(n), float(m), float(a), float(b))
        for n, m, a, b in zip(ahead[:_GRID], middle, low, high, strict=False)
    )
    gains = []
    for at, more in enumerate(MORE, start=_GRID):
        change = drawn[:, at] - drawn[:, -1]
        ends = np.quantile(change, [0.025, 0.975])
        gains.append(Gain(more, float(middle[at] - middle[-1]), float(ends[0]), float(ends[1])))
    return Curve(strategy, tuple(points), fit, tuple(gains), float(ceiling))


def _means(by_size: Mapping[int, Sequence[float]]) -> _Floats:
    return np.array([float(np.mean(by_size[n])) for n in sorted(by_size)])


def _drawn(by_size: Mapping[int, Sequence[float]], generator: np.random.Generator) -> _Floats:
    """Means of each size's trainings drawn again; a single one moves by the others' spread."""
    spread = [float(np.std(f, ddof=1)) for f in by_size.values() if len(f) > 1]
    noise = float(np.mean(spread)) if spread else 0.01
    found = []
    for size in sorted(by_size):
        values = np.array(by_size[size])
        if len(values) > 1:
            found.append(float(generator.choice(values, len(values)).mean()))
        else:
            found.append(float(values[0] + generator.normal(0.0, noise)))
    return np.array(found)


def _predicted(sizes: _Floats, scores: _Floats, ahead: _Floats) -> tuple[_Floats, _Floats]:
    """f at `ahead` and its ceiling a for each row of scores, by least squares over exponents."""
    rows = len(scores)
    best = np.full(rows, np.inf)
    values, ceilings = np.zeros((rows, len(ahead))), np.zeros(rows)
    for exponent in _EXPONENTS:
        x = sizes**-exponent
        slope, ceiling = _lines(x, scores)
        errors = np.sum((ceiling[:, None] - slope[:, None] * x - scores) ** 2, axis=1)
        better = errors < best - 1e-12
        best[better], ceilings[better] = errors[better], ceiling[better]
        values[better] = ceiling[better, None] - slope[better, None] * ahead**-exponent
    return values, ceilings


def _lines(x: _Floats, y: _Floats) -> tuple[_Floats, _Floats]:
    """b and a of y = a - b x by least squares for each row of y, with b >= 0 and a <= 1."""
    across = x - x.mean()
    slope = np.maximum(0.0, -(y @ across) / np.sum(across**2))
    ceiling = y.mean(axis=1) + slope * x.mean()
    high = ceiling > 1.0
    slope[high] = np.maximum(0.0, ((1.0 - y[high]) @ x) / np.sum(x * x))
    ceiling[high] = 1.0
    return slope, ceiling
