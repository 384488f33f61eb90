"""The advice follows from the rules of docs/ladder.md, one test a rule."""

from __future__ import annotations

from typing import Any

import pytest

from engines.evaluation.advice import Facts, advise, choose, swept
from engines.evaluation.curve import Curve, Gain
from engines.evaluation.metrics import Counts, Overlap, Scores, Share
from engines.evaluation.results import Delta, LadderResult, RungResult
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


def test_a_rung_that_loses_is_said_to_lose() -> None:
    rows = [row("sft", 4, 0.68), row("tokenizer", 5, 0.63)]
    found = said(rows, "tokenizer loses against sft: -5.0 points, p < 0.001")
    assert "than a rung is to bring" not in found


def test_the_usual_recommendation_stands_beside_the_measured_one() -> None:
    usual = "What is usually recommended: prompt: try it first; glossary retrieval: recommended;"
    said(ROWS[:2], usual, "Measured here: the same")
    said(ROWS, usual, "Measured here: full fine-tuning pays, so the two differ")
    said(ROWS, usual, "Measured here: prompt suffices, so the two differ", p=0.5)
    rows = [row("crf", 0, 0.95), *ROWS]
    said(rows, usual, "Measured here: a control suffices, so the two differ")
    said(
        [ROWS[0], ROWS[3]], "Measured here: full fine-tuning; the recommended rung was not measured"
    )
    # One rung alone says nothing about a recommendation.
    assert "usually" not in said(ROWS[:1])


def test_a_control_that_no_model_beats_leads_the_advice() -> None:
    rows = [row("dictionary", 0, 0.7), row("crf", 0, 0.95), *ROWS]
    found = advise(rows, facts(rows))
    assert found[0].startswith("Use the control crf (F1 0.950): it needs no language model")
    assert "; sft -5.0, p 0.001)" in found[0]
    assert found[1] == "If it has to be a language model: full fine-tuning (sft, F1 0.900)."
    assert not any(line.startswith("Stand on") for line in found)


def test_a_model_that_is_no_sure_gain_over_a_control_does_not_pay_either() -> None:
    rows = [row("crf", 0, 0.88), *ROWS]
    # Two points above the control and sure: it pays. Not sure, or one point only: it does not.
    assert advise(rows, facts(rows))[0].startswith("Stand on full fine-tuning (sft, F1 0.900)")
    assert advise(rows, facts(rows, p=0.2))[0].startswith("Use the control crf")
    assert advise(rows, facts(rows, worth=0.03))[0].startswith("Use the control crf")


def test_a_control_that_beats_some_models_is_named_with_them() -> None:
    rows = [row("crf", 0, 0.7), *ROWS]
    found = advise(rows, facts(rows))
    assert found[0].startswith("Stand on full fine-tuning (sft, F1 0.900): +20.0 points over crf")
    said(rows, "The control crf (F1 0.700) beats prompt, rag, lora, without a language model.")
    assert "control" not in said([row("crf", 0, 0.1), *ROWS])


def test_controls_alone_ask_for_a_model() -> None:
    said([row("crf", 0, 0.7)], "Only control was measured (crf, F1 0.700)")


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


def test_nothing_is_said_of_terms_without_a_glossary_and_of_what_it_knows() -> None:
    missed: dict[str, Any] = {"missed": {"rag": {"파스"}}}
    assert "glossary lacks" not in said(ROWS, **missed)
    assert "glossary lacks" not in said(ROWS, lacking=lambda words: set(), **missed)
    said(ROWS, "Your glossary lacks 1 term", lacking=lambda words: words, **missed)


def test_the_audit_is_told_until_a_tokenizer_rung_was_measured() -> None:
    audit = "Leave the vocabulary as it is."
    said(ROWS, audit, tokens=audit)
    rows = [row("sft", 4, 0.9, prompt_tokens=150.0), row("tokenizer", 5, 0.9, prompt_tokens=135.0)]
    found = said(
        rows, "Tokens are no problem here: tokenizer needs 10% fewer prompt tokens than sft",
        "moves F1 by +0.0 points", p=0.9, tokens=audit,
    )  # fmt: skip
    assert audit not in found
    rows[1] = row("tokenizer", 5, 0.95, prompt_tokens=75.0)
    said(rows, "Tokens are a problem here", "50% fewer", "+5.0 points")


def test_a_note_that_holds_for_several_strategies_is_said_once() -> None:
    rows = (row("lora", 3, 0.6, note="a."), row("sft", 4, 0.9, note="a."), row("crf", 0, 0.5))
    assert LadderResult("dev", 10, rows).notes() == ["lora, sft: a."]


def test_a_sweep_names_the_best_value_or_says_that_none_is_sure() -> None:
    def gain(points: float, p: float) -> Delta:
        return Delta("r=4", points / 100, 0.0, 0.0, p, p)

    first, high = row("r=4", 3, 0.6), row("r=16", 3, 0.7, delta=gain(9, 0.2))
    rows = [first, row("r=8", 3, 0.63, delta=gain(3, 0.01)), high]
    assert swept(rows) == ["The best is r=8: +3.0 points over r=4, corrected p 0.010."]
    rows[1] = row("r=8", 3, 0.57, delta=gain(-3, 0.01))
    none = "No value is a sure gain over r=4; the best other one is r=16: +9.0, p 0.200."
    assert swept(rows) == [none]
    assert swept([first]) == []
