"""Bars in one line: a gauge of shares, and a row of little bars."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from kwtui.themes import MUTED

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LEVELS = " .:-=+*#"


def gauge(shares: Sequence[tuple[float, str]], width: int, ascii_only: bool = False) -> Content:
    """Shares of a whole (0 to 1) one after another, each in its style; the rest stays empty.

    Each share has a letter of its own too, so that the bar is read without colours: the first is
    what is taken, the second what comes on top.
    """
    letters = "#+=" if ascii_only else "█▓▒"
    empty = "." if ascii_only else "░"
    left, parts = width, list[tuple[str, str]]()
    for number, (share, style) in enumerate(shares):
        cells = min(left, round(width * max(0.0, share)))
        if share > 0 and not cells and left:
            cells = 1
        parts.append((letters[min(number, len(letters) - 1)] * cells, style))
        left -= cells
    return Content.assemble(*parts, (empty * left, MUTED))


def sparks(counts: Sequence[float], ascii_only: bool = False) -> str:
    """One letter a count, the higher the fuller; a count above nothing is never blank."""
    levels = _LEVELS if ascii_only else _EIGHTHS
    most = max(counts, default=0)
    if not most:
        return levels[0] * len(counts)
    top = len(levels) - 1
    return "".join(levels[max(1, round(top * n / most)) if n > 0 else 0] for n in counts)
