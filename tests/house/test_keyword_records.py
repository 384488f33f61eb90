"""Records keep their offsets through normalisation, and nothing a record says is dropped."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.records import (
    Example,
    FeedbackNote,
    Keyword,
    Prediction,
    RecordError,
    ground,
    occurrences,
    parse_record,
)
from glossary.text import normalise

TEXT = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."


def test_the_mission_sentence_is_grounded() -> None:
    keywords, ungrounded = ground(
        TEXT, ["임산부", "진통", "해열", "파스", "노인", "진통", "없음", " "]
    )
    assert [k.surface for k in keywords] == ["진통", "해열", "파스", "임산부", "노인"]
    assert all(TEXT[k.start : k.end] == k.surface for k in keywords)
    assert ungrounded == ("없음",)


@given(st.text("가나다 ab", max_size=40), st.lists(st.text("가나다 ab", max_size=4), max_size=6))
def test_grounding_loses_no_surface(text: str, surfaces: list[str]) -> None:
    text = normalise(text)
    keywords, ungrounded = ground(text, surfaces)
    wanted = {s.strip() for s in surfaces if s.strip()}
    assert {k.surface for k in keywords} | set(ungrounded) == wanted
    assert all(text.index(k.surface) == k.start for k in keywords)
    assert [k.start for k in keywords] == sorted(k.start for k in keywords)


def test_every_occurrence_is_found() -> None:
    assert occurrences("약과 약을 약", "약") == [(0, 1), (3, 4), (6, 7)]
    assert occurrences("약", "") == []


@pytest.mark.parametrize("key", ["keywords", "labels", "output"])
@pytest.mark.parametrize("given", [["진통", "파스"], '["진통","파스"]'])
def test_keywords_come_under_three_names(key: str, given: object) -> None:
    example = parse_record({"text": TEXT, key: given}, 3)
    assert [k.surface for k in example.keywords] == ["진통", "파스"]
    assert (example.id, example.labeled) == ("3", True)


def test_instruction_records_carry_their_text_in_input() -> None:
    record = {"instruction": "키워드를 찾으세요.", "input": TEXT, "output": '["해열"]'}
    assert parse_record(record).text == TEXT
    alone = parse_record({"instruction": TEXT, "input": "", "output": []})
    assert (alone.text, alone.labeled, alone.keywords) == (TEXT, True, ())


def test_a_text_without_keywords_is_not_an_empty_answer() -> None:
    assert not parse_record({"text": TEXT}).labeled
    assert parse_record({"text": TEXT, "keywords": []}).labeled


def test_spans_move_with_the_text_that_is_normalised() -> None:
    raw = unicodedata.normalize("NFD", "파스를 붙인 뒤 파스를")
    second = raw.rindex(unicodedata.normalize("NFD", "파스"))
    span = {"surface": raw[second : second + 5], "start": second, "end": second + 5}
    span["surface"] = unicodedata.normalize("NFD", "파스")
    example = parse_record({"text": raw, "keywords": [span | {"category": "제형"}]})
    assert example.keywords == (Keyword(9, 11, "파스", category="제형"),)


def test_a_keyword_that_the_text_lacks_is_kept_beside_it() -> None:
    example = parse_record({"text": TEXT, "keywords": ["근육통", {"surface": "파스", "start": 0}]})
    assert example.meta["ungrounded"] == ("근육통",)
    assert example.keywords == (Keyword(14, 16, "파스"),)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"text": 3},
        {"text": "가", "keywords": 3},
        {"text": "가", "keywords": "가, 나"},
        {"text": "가", "keywords": [3]},
        {"text": "가", "keywords": [{"surface": "가", "start": 9}]},
        ["가"],
    ],
)
def test_a_broken_record_is_a_sentence_with_its_line(record: object) -> None:
    with pytest.raises(RecordError) as refused:
        parse_record(record, 7)  # type: ignore[arg-type]
    assert refused.value.line == 7
    assert refused.value.sentence.startswith("Line 7: ")


def test_predictions_and_examples_survive_json() -> None:
    prediction = Prediction(
        id="a",
        text=TEXT,
        keywords=(Keyword(0, 2, "진통", "효능", "진통 작용", "t1"),),
        strategy="rag",
        model="kw-mini",
        ungrounded=("없음",),
        rounds=2,
        feedback=(FeedbackNote("missed", "파스", "'파스' 빠졌습니다. 다시 답하세요."),),
        template="chat",
        new_tokens=5,
        seconds=0.25,
    )
    assert Prediction.from_json(json.loads(json.dumps(prediction.to_json()))) == prediction
    example = Example("b", TEXT, (Keyword(0, 2, "진통"),), "train", {"trap": True})
    assert parse_record(json.loads(json.dumps(example.to_json()))) == example
    assert Keyword.from_json(example.keywords[0].to_json()) == example.keywords[0]


@pytest.mark.parametrize(
    "values",
    [
        {"feedback": [{"source": "missed"}]},
        {"feedback": [5]},
        {"feedback": 5},
        {"entries": [{"kind": "term"}]},
        {"ungrounded": [1]},
        {"rounds": "two"},
        {"template": 1},
    ],
)
def test_a_line_that_only_looks_like_an_answer_is_a_sentence(values: dict[str, object]) -> None:
    with pytest.raises(RecordError, match=f"Line 7.*{next(iter(values))} is not what"):
        Prediction.from_json({"text": TEXT, "keywords": [], **values}, 7)


def test_how_sure_a_model_was_is_kept() -> None:
    sure = Prediction("1", TEXT, (), "rag", "kw-mini", confidence=0.25)
    assert Prediction.from_json(json.loads(json.dumps(sure.to_json()))).confidence == 0.25
    assert "confidence" not in Prediction("1", TEXT, (), "rag", "kw-mini").to_json()
