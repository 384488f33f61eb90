"""What the matcher promises beside word boundaries: offsets, longest first, case, any input."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from glossary.matching import Matcher
from glossary.term import Term
from glossary.text import normalise
from glossary.variants import skeleton

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


def test_overlapping_terms_come_on_request_and_still_are_words() -> None:
    text = "해열·진통·소염제는 제산제나 파스타와 다르다"
    matcher = Matcher(Term(w, w) for w in ("해열·진통·소염제", "진통", "산제", "제산제", "파스"))
    assert [m.surface for m in matcher.find(text)] == ["해열·진통·소염제", "제산제"]
    overlapping = [m.surface for m in matcher.find(text, overlaps=True)]
    assert overlapping == ["해열·진통·소염제", "진통", "제산제"]


def test_variants_keep_the_spelling_of_the_text() -> None:
    matcher = Matcher(
        [Term("1", "근육통"), Term("2", "해열·진통"), Term("3", "코로나19", ("SARS-CoV-2",))]
    )
    text = "근육 통과 해열.진통, 코로나 19와 sars cov 2 모두 통과"
    assert [(m.surface, m.term.id) for m in matcher.find(text)] == [
        ("근육 통", "1"),
        ("해열.진통", "2"),
        ("코로나 19", "3"),
        ("sars cov 2", "3"),
    ]
    assert all(text[m.start : m.end] == m.surface for m in matcher.find(text))


def test_the_nearest_spelling_of_a_term_counts() -> None:
    matcher = Matcher(
        [Term("1", "1.5"), Term("2", "15"), Term("3", "알레르기비염", ("알레르기 비염",))]
    )
    found = matcher.find("15와 1.5, 알레르기 비염")
    assert [(m.surface, m.term.id) for m in found] == [
        ("15", "2"),
        ("1.5", "1"),
        ("알레르기 비염", "3"),
    ]


def test_what_only_meaning_can_decide_is_kept_and_marked() -> None:
    matcher = Matcher(
        [Term("1", "진통", ambiguous=("진통 끝에",)), Term("2", "배", ambiguous=("배",))]
    )
    found = matcher.find("오랜 진통 끝에 타결되었다. 진통 효과가 있다. 배가 아프다")
    assert [(m.surface, m.ambiguous) for m in found] == [
        ("진통", True),
        ("진통", False),
        ("배", True),
    ]


def test_a_changed_matcher_finds_what_changed_and_leaves_the_old_one_alone() -> None:
    old = Matcher([Term("1", "파스"), Term("2", "연고", ("크림",)), Term("3", "두통")])
    new = old.changed([Term("2", "연고", ("겔",)), Term("4", "복통")], gone=["3"])
    text = "파스와 연고, 크림과 겔, 두통과 복통"
    assert [m.surface for m in new.find(text)] == ["파스", "연고", "겔", "복통"]
    assert [m.surface for m in old.find(text)] == ["파스", "연고", "크림", "두통"]
    assert [m.surface for m in new.changed(gone=["4"]).find(text)] == ["파스", "연고", "겔"]
    back = new.changed([Term("3", "두통")])
    assert "두통" in [m.surface for m in back.find(text)] and not back.worn


def test_terms_may_stay_elsewhere() -> None:
    asked: list[int] = []
    held = {7: Term("7", "파스"), 9: Term("9", "연고")}

    def term_of(number: int) -> Term | None:
        asked.append(number)
        return held.get(number)

    matcher = Matcher.over(((n, t.surfaces) for n, t in held.items()), term_of)
    del held[9]
    assert [m.term.id for m in matcher.find("파스와 연고")] == ["7"] and set(asked) == {7, 9}


ALPHABET = st.sampled_from("진통제산파스타 를형.\nCOXcox-2İßMgm약·19B")


@given(st.text(alphabet=ALPHABET, max_size=60))
@settings(max_examples=150, deadline=None)
def test_matches_are_true_substrings_in_order(raw: str) -> None:
    text = normalise(raw)
    found = MATCHER.find(text)
    assert all(m.surface == text[m.start : m.end] for m in found)
    assert all(skeleton(m.surface) in map(skeleton, m.term.surfaces) for m in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    wider = {(m.start, m.end) for m in MATCHER.find(text, overlaps=True)}
    assert {(m.start, m.end) for m in found} <= wider
    raw_hits = {(m.start, m.end) for m in MATCHER.find_all(text)}
    assert {(m.start, m.end) for m in found} <= raw_hits
