"""A text to read, with its keywords standing out; lines break by the width of the letters."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widgets import Static

from engines.records import Keyword
from kwtui.themes import KEYWORD


def highlighted(text: str, keywords: Iterable[Keyword], style: str = KEYWORD) -> Content:
    """`text` with every keyword in `style`."""
    content = Content(text)
    for keyword in keywords:
        content = content.stylize(style, keyword.start, keyword.end)
    return content


class KeywordText(Static):
    """Shows one text at a time."""

    def show(self, text: str, keywords: Iterable[Keyword] = ()) -> None:
        """Show `text` with its keywords; it may hold anything, it is never markup."""
        self.update(highlighted(text, keywords))
