"""A text while it is labeled, without a screen: labels, cursor, numbers, hints, lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from engines.corpus.statistics import Progress
from engines.extraction.candidates import Candidate, Prepared, Trust, merge, words
from engines.extraction.offering import Offering, read_morphemes, without_josa
from engines.records import Keyword
from glossary.text import normalise
from kwtui.keymap import actions, keys_in_use
from kwtui.panes.dataset_offers import progress_lines
from kwtui.widgets.draft import LETTERS, LIKELY, Draft, codes
from kwtui.widgets.lines import differing
from kwtui.widgets.span_editor import letter_of, wrapped
from tests.annotator import Ways, chosen, keys_for

TEXT = "진통과 해열 효과가 있는 파스형 의약품"


def draft(*surfaces: str, score: float = 0.3) -> Draft:
    made = Draft.of("t", TEXT)
    found = [
        Candidate(TEXT.index(s), TEXT.index(s) + len(s), s, ("kiwi",), score) for s in surfaces
    ]
    made.offer(Prepared("t", tuple(words(TEXT)), tuple(found)))
    return made


def test_a_label_takes_the_place_of_those_it_overlaps() -> None:
    made = draft()
    made.put(made.toggled((14, 16)))
    assert [k.surface for k in made.keywords] == ["파스"]
    made.put(made.toggled((14, 17)))
    assert [k.surface for k in made.keywords] == ["파스형"]
    made.put(made.toggled((14, 17)))
    assert made.keywords == ()


def test_spaces_at_the_ends_of_a_span_are_no_part_of_the_label() -> None:
    made = draft()
    made.put(made.toggled((3, 7)))
    assert [(k.start, k.end, k.surface) for k in made.keywords] == [(4, 6, "해열")]
    assert made.toggled((6, 7)) == made.labels


def test_likely_candidates_are_labeled_and_nothing_changes_once_a_key_was_pressed() -> None:
    made = draft("진통", "파스", score=0.9)
    assert [k.surface for k in made.keywords] == ["진통", "파스"]
    made.put(made.toggled((0, 2)))
    numbered = made.numbered
    better = Candidate(4, 6, "해열", ("crf",), 0.99)
    made.offer(Prepared("t", made.pieces, (better,)))
    assert [k.surface for k in made.keywords] == ["파스"]
    assert made.numbered == numbered


def test_ten_candidates_have_numbers_and_they_are_the_likeliest() -> None:
    text = " ".join(f"말{n}" for n in range(12))
    made = Draft.of("t", text)
    spans = [(piece.start, piece.end) for piece in words(text)]
    found = tuple(
        Candidate(a, b, text[a:b], ("kiwi",), 0.1 + 0.02 * n) for n, (a, b) in enumerate(spans)
    )
    made.offer(Prepared("t", tuple(words(text)), found))
    assert [c.surface for c in made.numbered] == [f"말{n}" for n in range(2, 12)]


@given(st.integers(0, len(LETTERS) ** 2))
def test_codes_are_different_and_none_begins_another(count: int) -> None:
    made = codes(count)
    assert len(set(made)) == count
    single = {code for code in made if len(code) == 1}
    assert not any(code[0] in single for code in made if len(code) == 2)
    assert set("".join(made)) <= set(LETTERS)


@given(st.text(alphabet=st.sampled_from("가각a b,\n힣🙂e\u0301"), max_size=80), st.integers(2, 30))
def test_lines_hold_every_letter_in_order_and_fit(text: str, width: int) -> None:
    clean = normalise(text)
    rows = wrapped(clean, width)
    assert "".join(clean[row.start : row.end] for row in rows) == clean.replace("\n", "")
    for row in rows:
        assert len(row.cells) == row.end - row.start
        assert cell_len(clean[row.start : row.end].rstrip(" ")) <= width


@given(
    st.lists(st.sampled_from(["가", "a", "힣", "b", " "]), max_size=30),
    st.lists(st.sampled_from(["가", "a", "힣", "b", " "]), max_size=30),
)
def test_painting_the_runs_that_differ_gives_the_new_line(one: list[str], other: list[str]) -> None:
    width = 60
    before, after = (_strip("".join(letters), width) for letters in (one, other))
    line = _flat(before)
    for start, end in differing(before, after):
        line[start:end] = _flat(after)[start:end]
        piece = after.crop(start, end)
        assert piece.cell_length == end - start
        assert "".join(s.text for s in piece) == "".join(c for c in _flat(after)[start:end])
    assert line == _flat(after)


def _strip(text: str, width: int) -> Strip:
    return Strip([Segment(text, Style(bold=True))]).adjust_cell_length(width)


def _flat(strip: Strip) -> list[str]:
    cells: list[str] = []
    for segment in strip:
        for letter in segment.text:
            cells += [letter, *([""] * (cell_len(letter) - 1))]
    return cells


def test_an_end_inside_a_morpheme_has_a_letter_after_those_of_whole_ones() -> None:
    made = Draft.of("t", "해열진통제 드세요")
    assert made.ends(0) == {"f": 5, "j": 9, "d": 1, "k": 2, "s": 3, "a": 4, "l": 7, "g": 8}
    assert list(made.ends(6).values()) == [9, 7, 8]


def test_letters_and_their_jamo_are_the_same_hint() -> None:
    assert letter_of("f") == letter_of("ㄹ") == "f"
    assert letter_of("enter") == letter_of("1") == letter_of("ㅆ") == ""


def test_every_key_of_the_pane_can_be_changed() -> None:
    own = [action.id for action in actions() if action.pane == "dataset"]
    assert len(own) > 40
    keys = keys_in_use({"dataset": {"approve": "f9", "candidate-1": "q"}})
    assert keys["dataset.approve"] == ("f9",)
    assert keys["dataset.candidate-1"] == ("q",)


def test_what_was_accepted_before_is_likelier_and_what_was_not_is_less() -> None:
    trust = Trust()
    taken, left = (Candidate(0, 2, s, ("kiwi",), shape="plain1") for s in ("파스", "효과"))
    before = trust.score(taken)
    for _text in range(3):
        trust.observe([(taken, None), (left, None)], ["파스"])
    assert trust.score(taken) > 0.5 > before > trust.score(left)


def test_sources_that_agree_are_believed_more_than_either() -> None:
    trust = Trust()
    nouns = Candidate(0, 3, "힘줄염", ("kiwi",), shape="plain2")
    model = Candidate(0, 3, "힘줄염", ("crf",))
    both = Candidate(0, 3, "힘줄염", ("crf", "kiwi"), shape="plain2")
    alone = max(trust.score(nouns), trust.score(model, 0.3))
    assert alone < LIKELY < trust.score(both, 0.3)
    assert trust.score(model, 0.0) == 0.0


@pytest.mark.parametrize(
    ("text", "found", "offered"),
    [
        ("면역저하자에게는 산제를 권합니다.", "면역저하자에게", "면역저하자"),
        ("횡문근융해증으로 인한 인후통", "횡문근융해증으", "횡문근융해증"),
        ("가려움을 추가합니다.", "가려움", "가려움"),
        ("에서 나온 파스", "에서", "에서"),
    ],
)
def test_the_quick_models_spans_lose_their_josa(text: str, found: str, offered: str) -> None:
    start = text.index(found)
    keyword = Keyword(start, start + len(found), found)
    cut = without_josa(keyword, text, read_morphemes(text))
    assert (cut.surface, text[cut.start : cut.end]) == (offered, offered)


def test_one_candidate_a_surface_with_all_its_sources() -> None:
    found = [
        (Candidate(9, 11, "파스", ("glossary",), category="form"), None),
        (Candidate(2, 4, "파스", ("kiwi",)), None),
        (Candidate(5, 7, "약물", ("glossary",), barred=True), None),
        (Candidate(5, 7, "약물", ("kiwi",)), None),
    ]
    ((only, _confidence),) = merge(found, lambda candidate, confidence: 0.5)
    assert (only.span, only.sources, only.category) == ((2, 4), ("glossary", "kiwi"), "form")


def test_the_annotator_model_reaches_the_gold_from_anywhere() -> None:
    text = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."
    gold = chosen(text, ["진통", "해열", "파스", "임산부", "노인", "통과"])
    assert "통과" not in gold
    prepared = Offering(("kiwi",)).prepare("t", text)
    made = Draft.of("t", text)
    made.offer(prepared)
    assert len(keys_for(made, gold, Ways())) <= 7
    assert keys_for(made, {}, Ways()) == (["ctrl+x"] if made.labels else ["enter"])
    assert len(keys_for(made, gold, Ways(digits=False, hints=False))) == 12


@pytest.mark.parametrize(
    ("labeled", "left", "rest", "line"),
    [
        (24, 3000, 3952.0, "24 of 2,000 labeled | 9 done by you | 3,000 left | 2.0 s a text"),
        (2800, 200, 400.0, "2,800 labeled, goal of 2,000 reached | 9 done by you | 200 left"),
        (24, 10, 20.0, "24 of 2,000 labeled | 9 done by you | 10 left | 1,966 more texts needed"),
    ],
)
def test_progress_tells_one_story_and_all_of_it_at_80_columns(
    labeled: int, left: int, rest: float, line: str
) -> None:
    done = Progress(9, labeled, left, 2000, 2.5, 2.0, rest)
    lines = [content.plain for content in progress_lines(done, 0.93, 80)]
    assert lines[0].startswith(f" {line}")
    assert all(cell_len(text) <= 80 for text in lines)
    told = " | ".join(text.strip() for text in lines)
    time = {24: "1 h 6 min to the goal" if left > 10 else "20 s for the rest"}
    assert time.get(labeled, "7 min for the rest") in told
    assert told.endswith("2.5 keywords a text | agreement 0.93")
    assert [c.plain for c in progress_lines(done, 0.93, 200)] == [f" {told}"]
