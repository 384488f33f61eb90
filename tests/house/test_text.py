"""Text enters through one door and comes out NFC, visible and harmless."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glossary.text import normalise, printable

ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
ODD = st.text(
    st.sampled_from("a가ᄀ\u1161\u11a8 \t\r\n\x1b\x85\u200b\u202e\u3000\ufeff\ud800\u0301")
)


@given(ANY | ODD)
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)


@given(ANY | ODD)
def test_no_control_bidi_or_zero_width_character_is_left(text: str) -> None:
    for char in normalise(text):
        assert char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"}
        assert char == " " or unicodedata.category(char) != "Zs"
        assert char not in "\u200b\u200c\u200d\u2060\ufeff\u202a\u202e\u2066\u2069\u061c"
        assert char not in "\v\f\u2028\u2029\t\r"


@given(ANY | ODD)
def test_normalised_text_can_be_written(text: str) -> None:
    assert normalise(text).encode("utf-8").decode("utf-8") == normalise(text)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (unicodedata.normalize("NFD", "파스형 임산부"), "파스형 임산부"),
        ("한\r\n줄\r또\n한", "한\n줄\n또\n한"),
        ("가\u3000나\u00a0다\t라", "가 나 다 라"),
        ("진\u200b통\ufeff", "진통"),
        ("\x1b[31m빨강\x1b[0m", "[31m빨강[0m"),
        ("\u202e거꾸로\u202c", "거꾸로"),
        ("쪽\f쪽\u2028줄", "쪽\n쪽\n줄"),
        ("하늘\ud800", "하늘\ufffd"),
        ("a\u3164b", "a b"),
    ],
)
def test_each_kind_of_oddity(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


def test_plain_korean_is_left_as_it_is() -> None:
    text = "진통·소염 효과가 있는 ‘파스’형 (Ibuprofen 200㎎) — 하루 3회, 38.5℃ 이상일 때 …"
    assert normalise(text) == text


@given(ANY | ODD)
def test_nothing_that_steers_a_terminal_is_printed(text: str) -> None:
    shown = printable(text)
    assert all(char.isprintable() or char == "\n" for char in shown)


def test_printable_shows_what_is_there() -> None:
    assert printable("\x1b]0;제목\x07") == "\\x1b]0;제목\\x07"
    assert printable("[bold]굵게[/bold]") == "[bold]굵게[/bold]"
