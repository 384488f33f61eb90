"""The advice follows from the rules of docs/ladder.md, one test a rule."""

from __future__ import annotations

import pytest

from engines.evaluation.advice import Facts, advise, choose
from engines.evaluation.curve import Curve, Gain
from engines.evaluation.metrics import Counts, Overlap, Scores, Share
from engines.evaluation.results import Delta, RungResult
from engines.records import Example, ground


def scores(f1: float, *, seen: Share | None = None, unseen: Share | None = None) -> Scores:
    counts = Counts(round(1000 * f1), 1000 - round(1000 * f1), 1000 - round(1000 * f1))
    share = Share()
    return Scores(
        (counts,), counts, f1, counts, Overlap(), share, share, share, share, seen, unseen
    )


def row(name: str, rung: int, f1: float, **more: object) -> RungResult:
    values: dict[str, object] = {
        "strategy": name, "rung": rung, "label": name, "model": "m", "split": "dev", "texts": 400,
        "scores": scores(f1), "f1_low": f1 - 0.02, "f1_high": f1 + 0.02, "delta": None,
        "texts_per_second": 1.0, "latency_p50": 0.1, "latency_p95": 0.2, "peak_bytes": 1,
        "gpu_peak_bytes": None, "training_seconds": 0.0, "gpu_hours": 0.0, "labeled_examples": 0,
        "epochs": 0.0, "prompt_tokens": 0.0, "effort": 1, "seeds": 1, "key": name,
        "predictions": "", **more,
    }  # fmt: skip
    return RungResult(**values)  # type: ignore[arg-type]


def facts(rows: list[RungResult], p: float = 0.0001, **more: object) -> Facts:
    f1 = {one.strategy: one.scores.f1 for one in rows}

    def gain(one: str, other: str) -> Delta:
        return Delta(one, f1[other] - f1[one], 0.0, 0.0, p, p)

    return Facts(texts=(), gain=gain, **more)  # type: ignore[arg-type]


ROWS = [row("prompt", 1, 0.4), row("rag", 2, 0.6), row("lora", 3, 0.61), row("sft", 4, 0.9)]


def said(rows: list[RungResult], *words: str, p: float = 0.0001, **more: object) -> str:
    found = "\n".join(advise(rows, facts(rows, p, **more)))
    for word in words:
        assert word in found
    return found


def test_a_higher_rung_is_chosen_for_a_gain_that_is_real_and_worth_it() -> None:
    choice = choose(ROWS, facts(ROWS))
    assert choice is not None
    # From rag on, lora brings one point of two, full fine-tuning thirty.
    assert choice.row.strategy == "sft"
    assert [step.against for step in choice.steps] == ["prompt", "rag"]
    assert choice.refused == ()


def test_a_gain_that_is_not_significant_does_not_pay_however_large() -> None:
    choice = choose(ROWS, facts(ROWS, p=0.2))
    assert choice is not None
    assert choice.row.strategy == "prompt"
    said(ROWS, "no sure gain", "no rung above it pays", p=0.2)


def test_a_significant_gain_smaller_than_worth_does_not_pay() -> None:
    rows = ROWS[:3]
    choice = choose(rows, facts(rows))
    assert choice is not None
    assert choice.row.strategy == "rag"
    said(rows, "Stand on glossary retrieval", "gains less over rag", "+1.0 points of 2")
    larger = choose(rows, facts(rows, worth=0.005))
    assert larger is not None
    assert larger.row.strategy == "lora"


def test_p_values_are_corrected_over_all_pairs() -> None:
    # Six pairs: 0.01 alone is significant, 0.06 corrected is not.
    choice = choose(ROWS, facts(ROWS, p=0.01))
    assert choice is not None
    assert choice.row.strategy == "prompt"


def test_the_usual_recommendation_stands_beside_the_measured_one() -> None:
    said(ROWS[:2], "also what is usually recommended")
    said(ROWS, "Usually glossary retrieval is recommended", "here full fine-tuning stands above")
    said(ROWS, "suffices", p=0.5)


def test_a_control_that_beats_a_model_is_named() -> None:
    crf = row("crf", 0, 0.95)
    said([crf, *ROWS], "The control crf (F1 0.950) beats sft (F1 0.900)")
    said([row("crf", 0, 0.7), *ROWS], "beats prompt, rag, lora, without a language model")
    assert "control" not in said([row("crf", 0, 0.1), *ROWS])


def test_too_few_texts_are_said_with_how_many_would_do() -> None:
    wide = row("rag", 2, 0.6, f1_low=0.54, f1_high=0.66, texts=100)
    said([wide], "± 6 points with 100 texts", "about 140 would give ± 5")
    assert "Too few" not in said(ROWS)


def test_more_labels_are_wanted_where_new_terms_are_missed() -> None:
    taught = scores(0.8, seen=Share(90, 100), unseen=Share(30, 100))
    rows = [row("lora", 3, 0.8, scores=taught, labeled_examples=500)]
    said(rows, "Label 300 more texts", "30%", "90%")
    fine = scores(0.8, seen=Share(90, 100), unseen=Share(80, 100))
    assert "Label" not in said([row("lora", 3, 0.8, scores=fine, labeled_examples=500)])


def test_a_curve_goes_over_the_rule_of_thumb() -> None:
    gains = (Gain(2000, 0.05, 0.02, 0.08), Gain(5000, 0.07, 0.03, 0.11))
    curve = Curve("lora", (), (), gains, 0.9)
    said(ROWS, "2,000 more labeled texts would bring +5.0 points", "Label more", curve=curve)


@pytest.mark.parametrize("sealed", [False, True])
def test_terms_that_the_glossary_lacks_are_named_on_dev_and_counted_on_test(sealed: bool) -> None:
    text = "임산부는 파스를 붙이고 임산부는 쉽니다."
    example = Example("1", text, ground(text, ["임산부", "파스"])[0])
    rows = [row("rag", 2, 0.6)]
    known = facts(
        rows,
        missed={"rag": {"임산부", "파스"}},
        lacking=lambda words: words - {"파스"},
        sealed=sealed,
    )
    found = "\n".join(advise(rows, Facts((example,), *[getattr(known, n) for n in (
        "gain", "missed", "lacking", "worth", "sealed",
    )])))  # fmt: skip
    assert "Your glossary lacks 1 term" in found
    assert ("임산부" in found) is not sealed
