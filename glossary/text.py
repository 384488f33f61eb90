"""The only door for text: what enters through `normalise` is NFC, visible and without controls."""

import re
import sys
import unicodedata
from functools import cache

_NEWLINES = "\v\f\x85\u2028\u2029"
# Letters that show as nothing: the grapheme joiner, Hangul fillers, inherent vowels of Khmer.
_INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5"
_BLANK_LETTERS = "\u3164\uffa0"
_VARIATION_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
# Visible although in category Cf: Arabic number signs and their relatives.
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")


def normalise(text: str) -> str:
    """`text` in the one form that offsets are counted in (code points, end exclusive).

    Unicode NFC; CRLF, CR and other line ends become one newline each; a tab and every other kind
    of space becomes one plain space; controls, escape characters, bidi controls, zero-width
    characters and variation selectors go; a lone surrogate becomes U+FFFD. Idempotent.
    """
    if _odd().search(text):
        text = text.replace("\r\n", "\n").translate(_table())
    return unicodedata.normalize("NFC", text)


def printable(text: str) -> str:
    """`text` for a terminal: every character that could steer it is shown as its escape.

    Newlines stay; nothing is removed, so that a person sees what is really there.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    if unicodedata.category(char) == "Zs":
        return " "
    return char.encode("unicode_escape").decode("ascii")


@cache
def _table() -> dict[int, str | None]:
    """What becomes of single code points, from the blocks of Unicode that hold such characters."""
    table: dict[int, str | None] = {}
    for code in _candidates():
        char, category = chr(code), unicodedata.category(chr(code))
        if category == "Zs" and char != " ":
            table[code] = " "
        elif category == "Cs":
            table[code] = "\ufffd"
        elif category == "Cc" or (category == "Cf" and char not in _VISIBLE_FORMAT):
            table[code] = None
    table |= dict.fromkeys(map(ord, _INVISIBLE), None)
    table |= dict.fromkeys(map(ord, _BLANK_LETTERS), " ")
    for first, last in _VARIATION_SELECTORS:
        table |= dict.fromkeys(range(first, last + 1), None)
    table |= dict.fromkeys(map(ord, _NEWLINES), "\n")
    table |= {ord("\t"): " ", ord("\r"): "\n"}
    del table[ord("\n")]
    return table


def _candidates() -> list[int]:
    blocks = [(0, 0x2FFF), (0x3000, 0x3000), (0xD800, 0xDFFF), (0xFE00, 0xFFFF)]
    blocks += [(0x110B0, 0x110DF), (0x13430, 0x1345F), (0x1BCA0, 0x1BCAF), (0x1D170, 0x1D17F)]
    blocks += [(0xE0000, 0xE01FF)]
    return [c for first, last in blocks for c in range(first, min(last, sys.maxunicode) + 1)]


@cache
def _odd() -> re.Pattern[str]:
    """One pattern that finds any character the table changes, as ranges."""
    codes = sorted(_table())
    parts: list[str] = []
    start = previous = codes[0]
    for code in [*codes[1:], -1]:
        if code == previous + 1:
            previous = code
            continue
        parts.append(f"\\U{start:08x}-\\U{previous:08x}")
        start = previous = code
    return re.compile("[" + "".join(parts) + "]")
