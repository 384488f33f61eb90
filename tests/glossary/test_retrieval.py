"""A text gets the terms that stand in it, then those that nearly do, and no others."""

from __future__ import annotations

from pathlib import Path

from glossary.retrieval import excluded_in, retrieve
from glossary.store import Glossary
from glossary.term import Term


def names(glossary: Glossary, text: str, limit: int = 8) -> list[tuple[str, str]]:
    return [(r.name, r.how) for r in retrieve(glossary, text, limit=limit)]


def test_exact_terms_come_first_in_order_of_appearance(glossary: Glossary) -> None:
    text = "임신부는 파스형 의약품과 Ibuprofen을"
    found = retrieve(glossary, text, limit=8)
    assert [(r.name, r.how) for r in found] == [
        ("임산부", "exact"),
        ("파스", "exact"),
        ("이부프로펜", "exact"),
    ]
    assert all(r.score == 1.0 and r.match and text[r.match.start : r.match.end] for r in found)
    assert found[0].match and found[0].match.surface == "임신부"


def test_a_near_term_is_found_by_ngrams_with_its_share(glossary: Glossary) -> None:
    found = retrieve(glossary, "이부프로핀을 먹고 파스를 붙였다", limit=8)
    assert [(r.name, r.how) for r in found] == [("파스", "exact"), ("이부프로펜", "ngram")]
    assert 0.5 <= found[1].share < 1.0 and found[1].match is None
    assert found[0].reason == "stands in the text as '파스'"
    assert found[1].reason.startswith("n-grams 0.")
    assert names(glossary, "알레르기비염이 심하다") == [("알레르기 비염", "exact")]


def test_letters_inside_other_words_are_not_near(glossary: Glossary) -> None:
    assert names(glossary, "파스타를 먹고 모두 통과했다") == []
    glossary.upsert([Term("", "자가 격리"), Term("", "격리")], author="kim")
    assert names(glossary, "자가 격리를 마쳤다") == [("자가 격리", "exact")]


def test_the_limit_holds_and_exact_terms_go_before_near_ones(glossary: Glossary) -> None:
    text = "이부프로핀과 두통으로 파스를 임산부에게"
    assert names(glossary, text, 2) == [("두통", "exact"), ("파스", "exact")]
    assert [how for _name, how in names(glossary, text, 4)] == ["exact"] * 3 + ["ngram"]
    assert names(glossary, text, 0) == []


def test_the_not_a_keyword_list_is_separate(glossary: Glossary) -> None:
    assert names(glossary, "의약품입니다") == []
    assert [m.surface for m in excluded_in(glossary, "파스 의약품입니다")] == ["의약품"]


def test_odd_texts_and_new_terms(glossary: Glossary, folder: Path) -> None:
    assert names(Glossary.open(folder.parent / "empty.lance", create=True), "파스") == []
    for text in ("", " ", "가", '" AND ( OR * -', "\x1b[31m", "파스" * 5000):
        retrieve(glossary, text, limit=3)
    glossary.upsert([Term("", "관절염")], author="kim")
    assert names(glossary, "관절 염증이") == [("관절염", "ngram")]


def test_ngram_search_reaches_the_end_of_long_texts(glossary: Glossary) -> None:
    text = "가나다라 " * 4000 + "근육통"
    assert [t.canonical for t, _score in glossary.ngram_search(text, 5)] == ["근육통"]
