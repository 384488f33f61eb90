"""Plain tables on a terminal where Hangul takes two columns a letter."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal: wide letters, such as Hangul, take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shortened(text: str, width: int) -> str:
    """The beginning of `text` in at most `width` columns, with a mark where something is left out.

    A path keeps its end, which tells it from others.
    """
    if cells(text) <= width:
        return text
    kept = text[::-1] if "/" in text else text
    while kept and cells(kept) > max(0, width - 1):
        kept = kept[:-1]
    return "…" + kept[::-1] if "/" in text else kept + "…"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns of equal width, the first left-aligned, the others right-aligned."""
    widths = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    gaps = [" " * (width - cells(cell)) for cell, width in zip(row, widths, strict=True)]
    return [
        gap + cell if column else cell + gap
        for column, (cell, gap) in enumerate(zip(row, gaps, strict=True))
    ]
