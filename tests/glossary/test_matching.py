"""What the matcher promises beside word boundaries: offsets, longest first, case, any input."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from glossary.matching import Matcher
from glossary.term import Term, fold
from glossary.text import normalise

WORDS = ["파스", "진통", "진통제", "제산제", "산제", "비타민 C", "COX-2", "Mg", "이부프로펜", "약"]
MATCHER = Matcher([*(Term(w, w) for w in WORDS), Term("x", "제품", keyword=False)])


def test_offsets_are_code_points_of_the_text_and_the_term_comes_along() -> None:
    text = "💊 이부프로펜과 비타민 C를 먹고\n파스형 제품"
    found = MATCHER.find(text)
    assert [text[m.start : m.end] for m in found] == ["이부프로펜", "비타민 C", "파스"]
    assert all(m.surface == text[m.start : m.end] and m.surface in m.term.surfaces for m in found)


def test_longest_first_without_overlap_and_all_on_request() -> None:
    assert [m.surface for m in MATCHER.find("진통제와 제산제")] == ["진통제", "제산제"]
    everything = [m.surface for m in MATCHER.find_all("진통제와 제산제")]
    assert everything == ["진통", "진통제", "제산제", "산제"]


def test_the_not_a_keyword_list_is_left_out_unless_asked_for() -> None:
    assert MATCHER.find("제품을") == []
    assert [m.term.keyword for m in MATCHER.find("제품을", keywords=False)] == [False]


def test_latin_names_match_in_any_case_from_three_letters_on() -> None:
    found = [m.surface for m in MATCHER.find("cox-2 COX-20 mg Mg 500Mg xCOX-2")]
    assert found == ["cox-2", "Mg"]


def test_an_alias_leads_to_its_term() -> None:
    matcher = Matcher([Term("1", "아세트아미노펜", aliases=("AAP", "파라세타몰"))])
    assert {m.term.id for m in matcher.find("파라세타몰(aap)은")} == {"1"}
    assert [m.surface for m in matcher.find("파라세타몰(aap)은")] == ["파라세타몰", "aap"]


def test_no_term_and_no_text_are_no_error() -> None:
    assert Matcher([]).find("파스") == [] and MATCHER.find("") == [] == MATCHER.find_all("")


def test_long_text_without_spaces_is_read() -> None:
    assert len(MATCHER.find("진통제" * 3000)) == 3000
    text = "가나다" * 400 + " 파스를 붙였다. " + "라" * 1000
    assert [m.start for m in MATCHER.find(text)] == [1201]


@given(st.text(alphabet=st.sampled_from("진통제산파스타 를형.\nCOXcox-2İßMgm약"), max_size=60))
@settings(max_examples=150, deadline=None)
def test_matches_are_true_substrings_in_order(raw: str) -> None:
    text = normalise(raw)
    found = MATCHER.find(text)
    assert all(fold(m.surface) == fold(text[m.start : m.end]) for m in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    raw_hits = {(m.start, m.end) for m in MATCHER.find_all(text)}
    assert {(m.start, m.end) for m in found} <= raw_hits
