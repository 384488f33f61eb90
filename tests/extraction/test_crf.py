"""The character CRF: what it learns, what it writes, and how its tags become keywords."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.extraction.crf import CharacterCRF, features, spans, tags
from engines.records import Example, Keyword, ground
from glossary.errors import UserError
from glossary.text import normalise

FORMS = ["파스", "시럽", "연고", "정제"]
GROUPS = ["노인", "임산부", "영아", "환아"]


def example(text: str, words: list[str]) -> Example:
    return Example("1", text, ground(text, words)[0])


TRAIN = [
    example(f"{form}형 의약품은 {group}에게 {verb}.", [form, group])
    for form in FORMS
    for group in GROUPS
    for verb in ("적합하다", "맞지 않다", "쓴다")
] + [example(text, []) for text in ("영업 시간은 아홉 시부터다.", "환불은 되지 않는다.")]


@pytest.fixture(scope="module")
def model() -> CharacterCRF:
    return CharacterCRF.train(TRAIN)


def test_it_finds_terms_that_it_never_saw_by_their_place(model: CharacterCRF) -> None:
    found = model.keywords("캡슐형 의약품은 소아에게 적합하다.")
    assert [keyword.surface for keyword in found] == ["캡슐", "소아"]


def test_it_answers_nothing_where_there_is_nothing(model: CharacterCRF) -> None:
    assert model.keywords("영업 시간은 아홉 시부터다.") == ()
    assert model.keywords("") == ()


def test_each_surface_comes_once_with_its_offsets(model: CharacterCRF) -> None:
    text = "파스형 의약품은 노인에게 쓴다. 파스형 의약품은 노인에게 쓴다."
    assert model.keywords(text) == (Keyword(0, 2, "파스"), Keyword(9, 11, "노인"))


def test_a_saved_model_answers_the_same(model: CharacterCRF, tmp_path: Path) -> None:
    path = tmp_path / "crf.model"
    model.save(path)
    again = CharacterCRF.load(path)
    for row in TRAIN[:10]:
        assert again.keywords(row.text) == model.keywords(row.text)
    predictions = list(again.extract(TRAIN[:2]))
    assert (predictions[0].strategy, predictions[0].text) == ("crf", TRAIN[0].text)


def test_what_is_no_model_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no CRF model"):
        CharacterCRF.load(tmp_path / "none")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(UserError, match="no CRF model"):
        CharacterCRF.load(tmp_path / "text")
    with pytest.raises(UserError, match="needs labeled texts"):
        CharacterCRF.train([example("글", [])])


def test_a_keyword_is_marked_where_it_stands_and_later_never_before() -> None:
    text = "파스타를 먹은 뒤 파스와 파스"
    row = Example("1", text, (Keyword(10, 12, "파스"),))
    assert list(spans(tags(row))) == [(10, 12), (14, 16)]


def test_of_overlapping_keywords_the_longer_is_marked() -> None:
    assert list(spans(tags(example("알레르기 비염", ["비염", "알레르기 비염"])))) == [(0, 7)]


@given(st.lists(st.sampled_from("BIO"), max_size=12))
def test_spans_cover_exactly_the_marked_characters(marks: list[str]) -> None:
    covered = [place for start, end in spans(marks) for place in range(start, end)]
    assert covered == [place for place, mark in enumerate(marks) if mark != "O"]


@given(st.text())
def test_every_character_has_features(text: str) -> None:
    text = normalise(text)
    assert len(features(text)) == len(text)
