"""Edits by people who see the terms: what others changed stays; what stands everywhere is left."""

from dataclasses import replace

import pytest

from glossary.bulk import alter, remove, revised, taken
from glossary.common import CommonPairs
from glossary.errors import UserError
from glossary.listing import Listing, View
from glossary.store import Glossary
from glossary.term import Term
from glossary.validation import MAX_TEXT

SEEN = Term("1", "파스", ("첩부제",), "뜻", "제형", author="lee")


def test_only_what_a_person_changed_is_changed() -> None:
    now = replace(SEEN, category="외용제", notes="메모")
    made = revised(now, SEEN, replace(SEEN, definition="다른 뜻"))
    assert (made.category, made.notes, made.definition) == ("외용제", "메모", "다른 뜻")
    same = revised(replace(SEEN, definition="다른 뜻"), SEEN, replace(SEEN, definition="다른 뜻"))
    assert same.definition == "다른 뜻"


def test_a_field_that_both_changed_is_refused_with_both_values() -> None:
    now = replace(SEEN, definition="남의 뜻")
    with pytest.raises(UserError, match="by lee: definition is now '남의 뜻', not '뜻'"):
        revised(now, SEEN, replace(SEEN, definition="내 뜻"))
    with pytest.raises(UserError, match="removed meanwhile"):
        revised(None, SEEN, SEEN)


def test_any_number_of_terms_change_piece_by_piece_as_one_change(
    glossary: Glossary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glossary.bulk._PIECE", 2)
    listing, before, seen = Listing(glossary), glossary.terms(), list[tuple[int, int]]()
    keys, pain = listing.keys(View()), glossary.lookup("두통")
    assert pain is not None and glossary.count() == 7
    done = alter(
        glossary,
        keys,
        {"category": " 증상 "},
        author="kim",
        on_progress=lambda *at: seen.append(at),
    )
    changed = [t for t, old in zip(glossary.terms(), before, strict=True) if t != old]
    assert done == len(changed) == 5 and seen[-1] == (14, 14)
    assert {t.category for t in glossary.terms()} == {"증상"} and glossary.get(pain.id) == pain
    assert {t.author for t in changed} == {"kim"} and listing.count(View(category="증상")) == 7
    assert alter(glossary, keys, {"category": "증상"}, author="kim") == 0
    glossary.undo(author="kim")
    assert [t.category for t in glossary.terms()] == [t.category for t in before]
    assert remove(glossary, keys[1:], author="kim") == 6 == 7 - glossary.count()
    assert glossary.lookup("두통") is None and glossary.matcher().find("두통") == []
    glossary.undo(author="kim")
    assert [t.surfaces for t in glossary.terms()] == [t.surfaces for t in before]
    for values, words in (
        ({"canonical": "가"}, "'canonical' cannot be set"),
        ({"definition": "가" * (MAX_TEXT + 1)}, "longer than"),
        ({"category": "가" * 201}, "kind of .* longer than 200"),
    ):
        with pytest.raises(UserError, match=words):
            alter(glossary, keys, values, author="kim")
    assert alter(glossary, [10**9], {"notes": "메모"}, author="kim") == 0


def test_a_new_term_of_a_known_name_is_told_of_it() -> None:
    assert taken(Term("", "파스"), None) is None
    refusal = taken(Term("", "첩부제"), SEEN)
    assert refusal is not None
    assert refusal.other == "1"
    assert "'첩부제' is in the glossary already, as '파스' (뜻)" in refusal.reason


def test_words_are_cut_where_a_pair_stands_everywhere() -> None:
    terms = [Term(str(n), f"노인{chr(0xAC00 + 7 * n)}증") for n in range(300)]
    common = CommonPairs(terms)
    assert common.rare(["노인성질환", "발진", "가"]) == ["인성질환", "발진"]
    assert CommonPairs([]).rare(["두통"]) == ["두통"]
