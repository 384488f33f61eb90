"""Bytes become text strictly; what fits no encoding is refused with the place and the cure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glossary.encoding import decode, detect
from glossary.errors import UserError

TEXT = "파스를 붙였다\r\n해열·진통 Ibuprofen"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949", "utf-32"])
def test_every_promised_encoding_is_found(encoding: str) -> None:
    text, used = decode(TEXT.encode(encoding))
    assert (text, used) == (TEXT, encoding)


def test_euc_kr_is_read_as_cp949_and_ascii_as_utf_8() -> None:
    assert decode("뷁 똠방각하".encode("cp949"))[0] == "뷁 똠방각하"
    assert decode("진통".encode("euc-kr")) == ("진통", "cp949")
    assert decode(b"plain") == ("plain", "utf-8")


def test_a_named_encoding_overrides_and_a_mark_goes_all_the_same() -> None:
    assert decode("가".encode("utf-16-le"), "utf-16-le") == ("가", "utf-16-le")
    assert decode("\ufeff가".encode(), "UTF-8")[0] == "가"


@pytest.mark.parametrize(
    ("data", "encoding", "words"),
    [
        ("진통".encode("cp949") + b"\xff\xff", None, "neither UTF-8 (byte 1) nor cp949 (byte 5)"),
        (b"a\x00b", None, "zero bytes"),
        ("가".encode("cp949"), "utf-8", "not valid utf-8: byte 1"),
        ("가나".encode()[:-1], "utf-8", "not valid utf-8: byte"),
        ("가".encode("utf-16") + b"a", None, "not valid utf-16"),
        (b"a", "klingon", "'klingon' is unknown"),
        (b"a", "base64", "'base64' is unknown"),
        (b"%PDF-1.7", None, "PDF"),
        (b"PK\x03\x04....", None, "zip container"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...", None, "HWP"),
    ],
)
def test_refusals_name_file_and_cause(data: bytes, encoding: str | None, words: str) -> None:
    with pytest.raises(UserError) as caught:
        decode(data, encoding, where="a.csv")
    assert words in caught.value.sentence
    assert "a.csv" in caught.value.sentence or "unknown" in caught.value.sentence


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.integers(1, 9))
def test_reading_in_pieces_finds_the_same_encoding(text: str, size: int) -> None:
    data = text.encode("utf-8")
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff") and not data.startswith((b"%PDF", b"PK\x03\x04")):
        assert detect(chunks) == decode(data)[1]
