"""Intervals hold the truth as often as they say, on texts whose true F1 is known."""

from __future__ import annotations

import numpy as np
import pytest

from engines.evaluation.curve import Point, fit_curve
from engines.evaluation.curving import made
from engines.evaluation.metrics import Counts
from engines.evaluation.significance import (
    f1_difference,
    f1_interval,
    seeded_difference,
    seeded_interval,
)
from engines.records import Example
from kwtui.commands._ladder_more import curve_lines

SIMULATIONS = 1000
TEXTS = 120


def drawn(generator: np.random.Generator, right: float, texts: int = TEXTS) -> list[Counts]:
    """Texts with 0 to 6 keywords each; as hard texts differ, so does the chance to be right."""
    wanted = generator.integers(0, 7, texts)
    chance = np.clip(generator.beta(8 * right, 8 * (1 - right), texts), 0.0, 1.0)
    tp = generator.binomial(wanted, chance)
    fp = generator.poisson(0.6, texts)
    return [Counts(int(t), int(f), int(w - t)) for t, f, w in zip(tp, fp, wanted, strict=True)]


def truth(right: float) -> float:
    """2 tp / (2 tp + fp + fn) of infinitely many texts: 3 keywords and 0.6 extra words a text."""
    return 6 * right / (6 * right + 0.6 + 3 * (1 - right))


def test_95_percent_intervals_hold_the_truth_in_93_to_97_percent() -> None:
    generator = np.random.default_rng(5)
    hits = 0
    for number in range(SIMULATIONS):
        found = f1_interval(drawn(generator, 0.7), samples=400, seed=number)
        hits += found.low <= truth(0.7) <= found.high
    assert 0.93 * SIMULATIONS <= hits <= 0.97 * SIMULATIONS


def test_paired_differences_cover_as_they_say_and_p_is_rarely_small_without_a_gain() -> None:
    generator = np.random.default_rng(6)
    hits = false_alarms = 0
    for number in range(SIMULATIONS):
        found = f1_difference(
            drawn(generator, 0.7), drawn(generator, 0.7), samples=400, seed=number
        )
        hits += found.interval.low <= 0.0 <= found.interval.high
        false_alarms += found.p_value < 0.05
    assert 0.93 * SIMULATIONS <= hits <= 0.97 * SIMULATIONS
    assert false_alarms <= 0.07 * SIMULATIONS


def test_several_trainings_widen_the_interval_by_training_chance() -> None:
    generator = np.random.default_rng(7)
    good, bad = drawn(generator, 0.8), drawn(generator, 0.5)
    one = seeded_interval([good])
    both = seeded_interval([good, bad])
    assert one == f1_interval(good)
    assert both.high - both.low > 2 * (one.high - one.low)
    assert both.value == pytest.approx((f1_interval(good).value + f1_interval(bad).value) / 2)
    gain = seeded_difference([bad, good], [good, bad])
    assert gain.value == pytest.approx(0.0, abs=1e-12)
    assert gain.p_value > 0.5
    sure = seeded_difference([bad, bad], [good, good])
    assert sure.p_value < 0.001
    assert sure.interval.low > 0


def test_a_curve_finds_the_law_that_made_its_points_and_says_how_unsure_it_is() -> None:
    generator = np.random.default_rng(8)
    points = [
        Point(n, 0.9 - 2.0 * n**-0.5 + float(generator.normal(0, 0.005)))
        for n in (200, 500, 1000, 2000)
        for _repeat in range(3)
    ]
    curve = fit_curve("lora", points)
    assert curve.ceiling == pytest.approx(0.9, abs=0.05)
    first, last = curve.gains
    true = 2.0 * (2000**-0.5 - 4000**-0.5)
    assert first.low <= true <= first.high
    assert first.gain < last.gain <= 0.1
    assert "2,000 more labeled texts" in curve.sentence()
    assert fit_curve("lora", points) == curve


def test_a_flat_curve_promises_nothing() -> None:
    points = [Point(n, 0.8) for n in (100, 200, 400, 800)]
    curve = fit_curve("crf", points)
    assert abs(curve.gains[0].gain) < 0.01
    with pytest.raises(ValueError, match="three sizes"):
        fit_curve("crf", points[:2])


def test_texts_that_a_machine_made_are_counted_apart() -> None:
    origins = ["", "draft", "synthetic", "", "draft"]
    texts = [Example(str(n), "글", meta={"origin": o} if o else {}) for n, o in enumerate(origins)]
    assert [made(texts[:n]) for n in range(6)] == [0, 0, 1, 2, 2, 3]
    points = [Point(n, 0.5 + n / 1000, n // 4) for n in (100, 200, 400) for _repeat in range(2)]
    shown = curve_lines(fit_curve("crf", points))
    assert "of them by machine" in shown[0]
    assert [line.split()[:2] for line in shown[1:4]] == [
        ["100", "25"],
        ["200", "50"],
        ["400", "100"],
    ]
    nobody = curve_lines(fit_curve("crf", [Point(p.examples, p.f1) for p in points]))
    assert "by machine" not in nobody[0]
