"""Feedback says what the glossary and a person know, in the sentences the model was trained on."""

import pytest

from engines.extraction.feedback import (
    Complaint,
    excluded_words,
    feedback_turn,
    marked_by_person,
    missed_terms,
)
from glossary.matching import Match
from glossary.term import Term


def hit(text: str, surface: str, *, keyword: bool = True) -> Match:
    at = text.index(surface)
    term = Term(id=surface, canonical=surface, keyword=keyword)
    return Match(at, at + len(surface), surface, term)


@pytest.mark.parametrize(
    ("fault", "language", "said"),
    [
        ("missed", "ko", "'임산부' 빠졌습니다. 다시 답하세요."),
        ("wrong", "ko", "'임산부' 키워드가 아닙니다. 다시 답하세요."),
        ("missed", "en", "You missed '임산부'. Please retry."),
        ("wrong", "en", "'임산부' is not a keyword. Please retry."),
    ],
)
def test_one_word_is_said_as_trained(fault: str, language: str, said: str) -> None:
    source = "missed" if fault == "missed" else "excluded"
    turn, notes = feedback_turn([Complaint(source, fault, "임산부")], language)  # type: ignore[arg-type]
    assert turn == said
    assert [(n.source, n.word, n.sentence) for n in notes] == [(source, "임산부", said)]


def test_several_words_share_a_turn() -> None:
    said = [
        Complaint("missed", "missed", "가"),
        Complaint("person", "missed", "나"),
        Complaint("excluded", "wrong", "약"),
    ]
    turn, notes = feedback_turn(said, "ko")
    assert turn == "'가', '나' 빠졌습니다. '약' 키워드가 아닙니다. 다시 답하세요."
    assert [note.source for note in notes] == ["missed", "person", "excluded"]


def test_a_term_inside_an_answered_word_is_not_missed() -> None:
    text = "진통제와 파스를 노인에게"
    hits = [hit(text, "진통"), hit(text, "파스"), hit(text, "노인")]
    assert [c.word for c in missed_terms(text, ["진통제", "노인"], hits)] == ["파스"]
    assert missed_terms(text, ["진통제", "노인", "파스"], hits) == []


def test_the_not_a_keyword_list_speaks_only_of_answered_words() -> None:
    assert excluded_words(["약", "파스"], {"약", "제품"}) == [Complaint("excluded", "wrong", "약")]
    assert missed_terms("약 하나", [], [hit("약 하나", "약", keyword=False)]) == []


def test_a_persons_marks_count_while_they_hold() -> None:
    marks = marked_by_person("파스와 노인", ["파스"], ["노인", "파스", "임산부"], ["파스", "약"])
    assert marks == [Complaint("person", "missed", "노인"), Complaint("person", "wrong", "파스")]
