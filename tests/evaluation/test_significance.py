"""The bootstrap: seeded, paired, and right about its own uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.evaluation.metrics import Counts
from engines.evaluation.significance import Interval, f1_difference, f1_interval, holm


def simulated(rng: np.random.Generator, texts: int, quality: float) -> list[Counts]:
    gold = rng.poisson(3, texts)
    tp = rng.binomial(gold, quality)
    fp = rng.poisson(1.2 * (1 - quality) * 3, texts)
    return [Counts(int(t), int(f), int(g - t)) for t, f, g in zip(tp, fp, gold, strict=True)]


def test_equal_seeds_give_equal_intervals() -> None:
    rows = simulated(np.random.default_rng(1), 80, 0.7)
    assert f1_interval(rows, seed=4) == f1_interval(rows, seed=4)
    assert f1_interval(rows, seed=4) != f1_interval(rows, seed=5)


def test_the_interval_equals_a_plain_bootstrap() -> None:
    rows = simulated(np.random.default_rng(2), 60, 0.6)
    table = np.array([(c.tp, c.fp, c.fn) for c in rows])
    rng = np.random.default_rng(9)
    drawn = table[rng.integers(0, len(rows), (20_000, len(rows)))].sum(axis=1)
    f1 = 2 * drawn[:, 0] / (2 * drawn[:, 0] + drawn[:, 1] + drawn[:, 2])
    low, high = np.quantile(f1, [0.025, 0.975])
    found = f1_interval(rows, samples=20_000)
    assert found.low == pytest.approx(low, abs=0.004)
    assert found.high == pytest.approx(high, abs=0.004)
    assert found.low <= found.value <= found.high


def test_intervals_hold_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(3)
    everything = sum(simulated(rng, 200_000, 0.7), Counts())
    hits = 0
    for trial in range(1000):
        found = f1_interval(simulated(rng, 200, 0.7), samples=600, seed=trial)
        hits += found.low <= everything.f1 <= found.high
    assert 930 <= hits <= 970


def width(interval: Interval) -> float:
    return interval.high - interval.low


def test_more_texts_make_a_narrower_interval() -> None:
    rng = np.random.default_rng(4)
    few, many = (f1_interval(simulated(rng, n, 0.7)) for n in (50, 5000))
    assert width(many) < width(few) / 5


def test_a_clear_gain_is_significant_and_an_equal_system_is_not() -> None:
    rng = np.random.default_rng(5)
    worse, better = simulated(rng, 400, 0.6), simulated(rng, 400, 0.8)
    gain = f1_difference(worse, better)
    assert gain.p_value < 0.001
    assert gain.interval.low > 0
    same = f1_difference(worse, worse)
    assert (same.value, same.p_value) == (0.0, 1.0)


def test_without_a_difference_p_values_are_small_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    small = 0
    for trial in range(400):
        rows = [simulated(rng, 150, 0.7) for _ in range(2)]
        small += f1_difference(*rows, samples=600, seed=trial).p_value < 0.05
    assert 0.02 <= small / 400 <= 0.085


def test_pairing_makes_use_of_common_texts() -> None:
    rng = np.random.default_rng(7)
    first = simulated(rng, 300, 0.6)
    second = [Counts(c.tp + 1, c.fp, c.fn - 1) if c.fn and n % 8 == 0 else c
              for n, c in enumerate(first)]  # fmt: skip
    paired = f1_difference(first, second).interval
    alone = f1_interval(first)
    assert paired.low > 0
    assert width(paired) < width(alone) / 2


def test_difference_is_antisymmetric() -> None:
    rng = np.random.default_rng(8)
    one, two = simulated(rng, 100, 0.6), simulated(rng, 100, 0.65)
    assert f1_difference(one, two).value == pytest.approx(-f1_difference(two, one).value)


def test_lists_that_cannot_be_paired_are_an_error() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        f1_difference([Counts(1)], [Counts(1), Counts(1)])
    with pytest.raises(ValueError, match="no texts"):
        f1_interval([])


def test_nothing_to_find_and_nothing_answered_is_certain() -> None:
    found = f1_interval([Counts()] * 5)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_holm_against_a_case_worked_by_hand() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_never_lowers_and_keeps_the_order(values: dict[str, float]) -> None:
    found = holm(values)
    assert list(found) == list(values)
    for one, p in values.items():
        assert p <= found[one] <= 1
        assert all(found[one] <= found[two] for two, q in values.items() if p <= q)
