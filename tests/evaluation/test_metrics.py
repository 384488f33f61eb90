"""The scores: hand-worked cases, an independent count, and nervaluate on random spans."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.evaluation.metrics import Counts, Overlap, Share, overlap, score
from engines.evaluation.pairing import align
from engines.records import Example, Keyword, Prediction, ground
from glossary.errors import UserError

TEXT = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."
LETTERS = "가나다라"


def example(text: str, words: list[str], id: str = "1", **meta: object) -> Example:
    found, outside = ground(text, words)
    return Example(id, text, found, meta={**meta, **({"ungrounded": outside} if outside else {})})


def prediction(text: str, words: list[str], id: str = "1", *, valid: bool = True) -> Prediction:
    found, outside = ground(text, words)
    return Prediction(id, text, found, "s", "m", valid=valid, ungrounded=outside)


def test_keyword_sets_are_compared_not_lists() -> None:
    gold = [example(TEXT, ["진통", "해열", "파스", "임산부", "노인"])]
    pred = [prediction(TEXT, ["파스", "파스", "진통", "의약품"])]
    scores = score(gold, pred)
    assert (scores.tp, scores.fp, scores.fn) == (2, 1, 3)
    assert scores.precision == pytest.approx(2 / 3)
    assert scores.recall == pytest.approx(2 / 5)
    assert scores.f1 == pytest.approx(0.5)


def test_decomposed_hangul_is_the_same_keyword() -> None:
    decomposed = unicodedata.normalize("NFD", "파스")
    pred = Prediction("1", TEXT, (), "s", "m", ungrounded=(decomposed,))
    assert score([example(TEXT, ["파스"])], [pred]).f1 == 1.0


def test_micro_adds_up_counts_and_macro_averages_texts() -> None:
    gold = [example("가나다", ["가", "나", "다"], "1"), example("라", ["라"], "2")]
    pred = [prediction("가나다", ["가", "나", "다"], "1"), prediction("라", [], "2")]
    scores = score(gold, pred)
    assert scores.f1 == pytest.approx(6 / 7)
    assert scores.macro_f1 == pytest.approx(0.5)


def test_an_empty_answer_to_a_text_without_keywords_is_perfect() -> None:
    gold = [example("안내", [], "1"), example("안내", [], "2")]
    pred = [prediction("안내", [], "1"), prediction("안내", ["안내"], "2")]
    scores = score(gold, pred)
    assert [counts.f1 for counts in scores.per_text] == [1.0, 0.0]
    assert scores.empty_exact == Share(1, 2)
    assert score(gold[:1], pred[:1]).f1 == 1.0


def test_the_right_word_at_the_wrong_place_fails_the_span_only() -> None:
    text = "파스타를 먹은 뒤 파스를 붙였다"
    gold = [Example("1", text, (Keyword(10, 12, "파스"),))]
    pred = [Prediction("1", text, (Keyword(0, 2, "파스"),), "s", "m")]
    scores = score(gold, pred)
    assert (scores.f1, scores.span_f1, scores.partial.f1) == (1.0, 0.0, 0.0)


def test_overlapping_spans_count_one_half() -> None:
    pred = [prediction(TEXT, ["파스형", "진통"])]
    scores = score([example(TEXT, ["파스", "진통"])], pred)
    assert scores.partial == Overlap(exact=1, partial=1, predicted=2, gold=2)
    assert scores.partial.f1 == pytest.approx(0.75)


def test_invented_words_are_wrong_and_counted_as_hallucinations() -> None:
    scores = score([example(TEXT, ["파스"])], [prediction(TEXT, ["파스", "두통", "발진"])])
    assert (scores.fp, scores.hallucinated) == (2, Share(2, 3))
    assert scores.hallucination_rate == pytest.approx(2 / 3)


def test_invalid_answers_are_counted() -> None:
    gold = [example("가", [], "1"), example("나", [], "2")]
    pred = [prediction("가", [], "1", valid=False), prediction("나", [], "2")]
    assert score(gold, pred).invalid_rate == 0.5


def test_gold_outside_its_text_is_missed_not_forgotten() -> None:
    scores = score([example(TEXT, ["파스", "습포제"])], [prediction(TEXT, ["파스"])])
    assert (scores.fn, scores.gold_grounded) == (1, Share(1, 2))


def test_recall_of_seen_and_unseen_terms_adds_up() -> None:
    gold = [example(TEXT, ["진통", "해열", "파스"])]
    scores = score(gold, [prediction(TEXT, ["진통", "파스"])], seen=["진통", "해열"])
    assert (scores.seen, scores.unseen) == (Share(1, 2), Share(1, 1))


def test_recall_by_category_of_the_gold() -> None:
    keywords = (Keyword(0, 2, "진통", "effect"), Keyword(14, 16, "파스", "form"))
    scores = score([Example("1", TEXT, keywords)], [prediction(TEXT, ["진통"])])
    assert scores.categories == {"effect": Share(1, 1), "form": Share(0, 1)}


words = st.lists(st.text(LETTERS, min_size=1, max_size=2), max_size=5)
texts = st.lists(st.tuples(st.text(LETTERS, min_size=1, max_size=8), words, words), min_size=1)


def test_recall_by_category_of_the_glossary_where_the_gold_has_none() -> None:
    gold = [example(TEXT, ["진통", "파스", "임산부"])]
    pred = [prediction(TEXT, ["진통", "파스"])]
    known = {"진통": "effect", "임산부": "group", "해열": "effect"}
    found = score(gold, pred, categories=known).categories
    assert found == {"effect": Share(1, 1), "group": Share(0, 1)}
    (keyword,) = ground(TEXT, ["진통"])[0]
    own = [Example("1", TEXT, (replace(keyword, category="own"),))]
    assert score(own, pred, categories=known).categories == {"own": Share(1, 1)}


@given(texts)
def test_micro_counts_equal_an_independent_count(
    rows: list[tuple[str, list[str], list[str]]],
) -> None:
    gold = [example(text, wanted, str(n)) for n, (text, wanted, _) in enumerate(rows)]
    pred = [prediction(text, given, str(n)) for n, (text, _, given) in enumerate(rows)]
    scores = score(gold, pred)
    wanted = {(n, word) for n, (_, wanted, _) in enumerate(rows) for word in wanted}
    answered = {(n, word) for n, (_, _, given) in enumerate(rows) for word in given}
    assert scores.tp == len(wanted & answered)
    assert scores.fp == len(answered - wanted)
    assert scores.fn == len(wanted - answered)


@given(texts, st.randoms(use_true_random=False))
def test_the_order_of_texts_changes_nothing(
    rows: list[tuple[str, list[str], list[str]]], random: object
) -> None:
    gold = [example(text, wanted, str(n)) for n, (text, wanted, _) in enumerate(rows)]
    pred = [prediction(text, given, str(n)) for n, (text, _, given) in enumerate(rows)]
    before = score(gold, pred)
    random.shuffle(gold)  # type: ignore[attr-defined]
    after = score(gold, pred)
    assert before.keywords == after.keywords
    assert before.partial == after.partial
    assert before.macro_f1 == pytest.approx(after.macro_f1)


@given(texts)
def test_gold_as_prediction_is_perfect(rows: list[tuple[str, list[str], list[str]]]) -> None:
    gold = [example(text, wanted, str(n)) for n, (text, wanted, _) in enumerate(rows)]
    scores = score(gold, [prediction(text, w, str(n)) for n, (text, w, _) in enumerate(rows)])
    assert scores.f1 == scores.macro_f1 == scores.span_f1 == scores.partial.f1 == 1.0


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_f1_is_the_harmonic_mean(tp: int, fp: int, fn: int) -> None:
    counts = Counts(tp, fp, fn)
    p, r = counts.precision, counts.recall
    assert counts.f1 == pytest.approx(2 * p * r / (p + r) if p + r else 0.0)


@st.composite
def apart(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Spans that do not overlap each other."""
    edges = sorted(draw(st.sets(st.integers(0, 60), max_size=12)))
    return list(zip(edges[::2], edges[1::2], strict=False))


def most_overlaps(gold: list[tuple[int, int]], pred: list[tuple[int, int]]) -> int:
    """The most one-to-one overlapping pairs, by trying every order of the shorter list."""
    short, long = sorted([gold, pred], key=len)
    return max(
        sum(a[0] < b[1] and b[0] < a[1] for a, b in zip(short, order, strict=True))
        for order in permutations(long, len(short))
    )


@given(apart(), apart())
def test_partial_spans_never_exceed_the_best_matching(
    gold: list[tuple[int, int]], pred: list[tuple[int, int]]
) -> None:
    gold, pred = gold[:4], pred[:4]
    found = overlap(gold, pred)
    exact = set(gold) & set(pred)
    left = [[s for s in spans if s not in exact] for spans in (gold, pred)]
    assert found.exact == len(exact)
    assert found.partial == most_overlaps(*left)


@given(st.lists(st.tuples(apart(), apart()), min_size=1, max_size=6))
def test_span_scores_agree_with_nervaluate(
    rows: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]],
) -> None:
    nervaluate = pytest.importorskip("nervaluate")
    strict, partial = Counts(), Overlap()
    for gold, pred in rows:
        wanted, given = set(gold), set(pred)
        strict += Counts(len(wanted & given), len(given - wanted), len(wanted - given))
        partial += overlap(gold, pred)
    # nervaluate cannot start with an empty document and counts inclusive ends.
    head = [(100, 101)]
    sides = [
        [
            [{"label": "KW", "start": a, "end": b - 1} for a, b in sorted(spans)]
            for spans in [head, *side]
        ]
        for side in zip(*rows, strict=True)
    ]
    found = nervaluate.Evaluator(*sides, tags=["KW"], loader="dict").evaluate()["overall"]
    assert found["exact"].correct == strict.tp + 1
    assert found["exact"].precision == pytest.approx((strict + Counts(1)).precision)
    assert found["exact"].recall == pytest.approx((strict + Counts(1)).recall)
    assert found["partial"].partial == partial.partial
    assert found["partial"].f1 == pytest.approx((partial + Overlap(1, 0, 1, 1)).f1)


def test_predictions_are_paired_by_id_in_any_order() -> None:
    gold = [example("가", ["가"], "a"), example("나", ["나"], "b")]
    pred = [prediction("나", ["나"], "b"), prediction("가", ["가"], "a")]
    assert score(gold, pred).f1 == 1.0


def test_predictions_without_matching_ids_are_paired_by_order() -> None:
    gold = [example("가", ["가"], "x"), example("나", ["나"], "y")]
    pred = [prediction("가", ["가"], "1"), prediction("나", ["나"], "2")]
    assert [p.id for _e, p in align(gold, pred)] == ["1", "2"]


@pytest.mark.parametrize(
    ("gold", "pred", "words"),
    [
        ([], [], "holds no texts"),
        ([example("가", [], "a"), example("나", [], "b")], [prediction("가", [], "a")], "id 'b'"),
        ([example("가", [], "a")], [prediction("나", [], "a")], "another text"),
        (
            [example("가", [], "a")],
            [prediction("가", [], "x"), prediction("가", [], "y")],
            "2 pred",
        ),
        ([example("가", [], "a")], [prediction("나", [], "x")], "Record 1"),
    ],
)
def test_lists_that_do_not_belong_together_are_refused(
    gold: list[Example], pred: list[Prediction], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        score(gold, pred)


def test_missing_predictions_may_count_as_empty() -> None:
    gold = [example("가", ["가"], "a"), example("나", ["나"], "b")]
    scores = score(gold, [prediction("가", ["가"], "a")], allow_missing=True)
    assert (scores.tp, scores.fn) == (1, 1)
