"""A table of terms is filtered as one types, sorted and counted, and shows each change at once."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glossary.haystack import Haystack
from glossary.listing import SORTS, Listing, View
from glossary.store import Glossary
from glossary.term import Term, key


def shown(listing: Listing, **view: str | None) -> list[str]:
    made = View(**view)  # type: ignore[arg-type]
    page = [term.canonical for term in listing.page(made, 0, 99)]
    assert listing.count(made) == len(page)
    return page


@pytest.fixture
def listing(glossary: Glossary) -> Listing:
    return Listing(glossary)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ㅍㅅ", ["파스"]),
        ("파ㅅ", ["파스"]),
        ("ㅂㅅ", []),
        ("ㅄ", []),
        ("ㅅㅂ", ["임산부"]),
        ("ㄱㅇㅌ", ["근육통"]),
        ("ㅊㅂㅈ", ["파스"]),
        ("통", ["근육통", "두통"]),
        ("IBU", ["이부프로펜"]),
        ("외용", ["파스"]),
        ("증상", ["근육통", "두통"]),
        ("알레르기 비", ["알레르기 비염"]),
        ("없음", []),
        ("  ", ["근육통", "두통", "알레르기 비염", "의약품", "이부프로펜", "임산부", "파스"]),
    ],
)
def test_a_filter_finds_parts_of_names_and_initial_consonants(
    listing: Listing, typed: str, found: list[str]
) -> None:
    assert shown(listing, filter=typed) == found


def test_a_pair_of_consonants_from_the_keyboard_is_two(glossary: Glossary) -> None:
    glossary.upsert([Term("", "가슴"), Term("", "비슷")], author="kim")
    listing = Listing(glossary)
    assert shown(listing, filter="ㄳ") == ["가슴"] and shown(listing, filter="ㅄ") == ["비슷"]


def test_rows_are_sorted_split_and_counted(listing: Listing) -> None:
    assert shown(listing, sort="-canonical")[:2] == ["파스", "임산부"]
    assert shown(listing, sort="category")[0] == "의약품"
    assert shown(listing, which="excluded") == ["의약품"]
    assert shown(listing, category="증상", which="keywords") == ["근육통", "두통"]
    assert shown(listing, category="없음") == []
    facets = listing.facets(View(category="증상"))
    assert next(iter(facets["category"].items())) == ("증상", 2) and facets["category"]["제형"] == 1
    assert facets["language"] == {"ko": 2}
    with pytest.raises(ValueError, match="sorted by"):
        View(sort="id")


def test_changes_are_laid_over_the_rows(glossary: Glossary, listing: Listing) -> None:
    pain = glossary.lookup("두통")
    assert pain
    glossary.upsert(
        [replace(pain, canonical="편두통", category="병"), Term("", "가려움")], author="k"
    )
    assert shown(listing)[:2] == ["가려움", "근육통"] and shown(listing)[-1] == "편두통"
    assert shown(listing, filter="ㄷㅌ") == ["편두통"] and shown(listing, filter="증상") == [
        "근육통"
    ]
    assert listing.place(View(), pain.id) == 7 and listing.place(View(filter="파"), pain.id) is None
    assert listing.facets(View())["category"]["병"] == 1
    glossary.delete([pain.id], author="k")
    assert "편두통" not in shown(listing) and listing.place(View(), pain.id) is None
    glossary.undo(author="k")
    assert shown(listing)[-1] == "편두통"


def test_who_needs_the_rows_while_they_are_read_reads_the_rest(glossary: Glossary) -> None:
    listing, seen = Listing(glossary, read=False), []

    def look() -> None:
        listing.read()
        seen.append(listing.count(View("통")))
        glossary.upsert([Term("", "치통")], author="kim")

    listing.read(look)
    assert seen == [2] and listing.count(View("통")) == 3 and listing.ready


@given(st.lists(st.text("가각나나ab", max_size=5), max_size=9), st.text("가나ㄱㄴab", max_size=4))
def test_letter_by_letter_the_same_rows_are_found_as_at_once(rows: list[str], typed: str) -> None:
    kept = Haystack()
    kept.add(rows)
    kept.done()
    for end in (*range(1, len(typed) + 1), *range(len(typed), 0, -1)):
        wanted = typed[:end].translate({ord("ㄱ"): "[가각ㄱ]", ord("ㄴ"): "[나ㄴ]"})
        assert kept.holding(typed[:end]).tolist() == [bool(re.search(wanted, r)) for r in rows]


words = st.text("가나다라각난ab ", min_size=1, max_size=4).filter(lambda w: w.strip() != "")


@given(st.lists(words, max_size=12, unique_by=key), st.text("가나ㄱㄴㅇab", max_size=2), st.data())
@settings(max_examples=12, deadline=None)
def test_rows_laid_over_are_as_rows_read_anew(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], typed: str, data: st.DataObject
) -> None:
    folder: Path = tmp_path_factory.mktemp("g") / "glossary.lance"
    with Glossary.open(folder, create=True) as glossary:
        glossary.journal.db.execute("PRAGMA synchronous = OFF")
        glossary.level = lambda **_: True  # type: ignore[method-assign,assignment,misc]
        rng = random.Random(data.draw(st.integers(0, 99)))
        first, later = names[::2], names[1::2]
        terms = [Term("", name, category=rng.choice("xyz")) for name in first]
        outcome = glossary.plan(terms)
        glossary.upsert(outcome.new, author="k")
        listing = Listing(glossary)
        glossary.upsert(glossary.plan([Term("", n) for n in later]).new, author="k")
        if present := glossary.terms():
            glossary.delete([rng.choice(present).id], author="k")
        anew = Listing(glossary)
        for sort in ("canonical", "-canonical", *SORTS[1:3]):
            view = View(typed, sort)
            assert sorted(map(key, shown(listing, filter=typed, sort=sort))) == sorted(
                map(key, shown(anew, filter=typed, sort=sort))
            )
            if sort.endswith("canonical"):
                assert listing.page(view, 0, 99) == anew.page(view, 0, 99)
            assert listing.facets(view) == anew.facets(view)


@pytest.mark.parametrize("seed", range(2))
def test_many_changes_taken_into_the_rows_are_as_rows_read_anew(
    glossary: Glossary, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    made = [
        Term(
            "", f"{rng.choice('가나다a')}{n}", (f"별명{n}",), rng.choice("뜻말 "), rng.choice("xyz")
        )
        for n in range(68)
    ]
    glossary.upsert(made[:60], author="kim")
    listing = Listing(glossary)
    for sort in SORTS:
        listing.count(View("", sort))
    monkeypatch.setattr("glossary.listing._OVERLAY", 0)
    there = rng.sample(glossary.terms(), 14)
    glossary.upsert([replace(t, category=rng.choice("wx")) for t in there[:7]], author="lee")
    glossary.delete([t.id for t in there[7:]], author="lee")
    glossary.upsert([*made[60:], replace(there[0], canonical="나나")], author="lee")
    rows, anew = listing._arrays.names, Listing(glossary)
    for wanted in ("", "ㄴ", "1", "말"):
        for sort in SORTS:
            view = View(wanted, sort)
            assert listing.page(view, 0, 99) == anew.page(view, 0, 99)
            assert listing.facets(view) == anew.facets(view)
    assert listing._arrays.names is not rows and not listing._changed


def test_who_is_patient_sees_the_rows_of_before_until_the_changes_are_read(
    glossary: Glossary, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = Listing(glossary, patient=True)
    monkeypatch.setattr("glossary.listing._OVERLAY", 2)
    glossary.upsert([Term("", "치통")], author="kim")
    assert not listing.behind and listing.count(View("통")) == 3
    glossary.upsert([Term("", f"용어{n}") for n in range(4)], author="kim")
    assert listing.behind and listing.count(View("용어")) == 0
    seen: list[int] = []

    def ask() -> None:
        seen.append(listing.count(View("통")))

    listing.read(ask)
    assert seen and set(seen) == {3}
    assert not listing.behind and listing.count(View("용어")) == 4
    glossary.upsert([Term("", f"낱말{n}") for n in range(4)], author="kim")
    assert len(listing.keys(View("낱말"))) == 4


def test_an_order_that_takes_long_comes_later_and_keys_are_answered_meanwhile(
    glossary: Glossary,
) -> None:
    listing, other = Listing(glossary, patient=True), Listing(glossary)
    view = View("", "-updated")
    assert listing.page(view, 0, 99) == other.page(View("", "-canonical"), 0, 99)
    assert listing.behind and not listing.outdated
    seen: list[int] = []
    listing.read(lambda: seen.append(listing.count(View("통"))))
    assert set(seen) == {2} and not listing.behind
    for sort in SORTS:
        listing.count(View("", sort))
        listing.read()
        assert listing.page(View("", sort), 0, 99) == other.page(View("", sort), 0, 99)
        values = [getattr(t, sort) for t in other.page(View("", sort), 0, 99)]
        assert sort == "canonical" or values == sorted(values)


def test_a_part_of_a_name_is_found_beginnings_first(glossary: Glossary) -> None:
    glossary.upsert([Term("", "통증"), Term("", "Mg 통")], author="kim")
    assert [t.canonical for t in glossary.named("통", 9)] == ["통증", "두통", "근육통", "Mg 통"]
    assert [t.canonical for t in glossary.named("IBUP", 1)] == ["이부프로펜"]
    assert [t.canonical for t in glossary.named("mG", 2)] == ["Mg 통"]
    assert glossary.named("%_'", 9) == glossary.named(" ", 9) == []
