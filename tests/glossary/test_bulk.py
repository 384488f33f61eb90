"""Edits by people who see the terms: what others changed stays; what stands everywhere is left."""

from dataclasses import replace

import pytest

from glossary.bulk import MOST, altered, refuse_too_many, revised, taken
from glossary.common import CommonPairs
from glossary.errors import UserError
from glossary.term import Term

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


def test_many_terms_get_the_same_value_and_no_name() -> None:
    other = replace(SEEN, id="2", canonical="연고", aliases=(), category="약")
    assert [t.id for t in altered([SEEN, other], {"category": "약"})] == ["1"]
    with pytest.raises(UserError, match="'canonical' cannot be set"):
        altered([SEEN], {"canonical": "가"})
    refuse_too_many(MOST)
    with pytest.raises(UserError, match="narrow the filter"):
        refuse_too_many(MOST + 1)


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
