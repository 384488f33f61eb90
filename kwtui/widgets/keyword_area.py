"""A text area in which keywords stand out; text that comes in is normalised at the door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import TextArea

from glossary.text import normalise

LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class Mark:
    """Code points `start` to `end` of the text, drawn as `kind`: keyword, wrong, missed, current.

    Later marks are drawn over earlier ones.
    """

    start: int
    end: int
    kind: str


class KeywordArea(TextArea):
    """Marks are drawn until the text changes."""

    COMPONENT_CLASSES = {
        "keyword-area--keyword",
        "keyword-area--wrong",
        "keyword-area--missed",
        "keyword-area--current",
    }

    class TooLong(Message):
        """A paste was refused; `length` in characters."""

        def __init__(self, length: int) -> None:
            super().__init__()
            self.length = length

    def __init__(self, *, id: str, placeholder: str = "") -> None:
        super().__init__(
            id=id,
            classes="box",
            placeholder=placeholder,
            soft_wrap=True,
            highlight_cursor_line=False,
        )
        self.match_cursor_bracket = False
        self.cursor_blink = False
        self._marks: dict[int, list[tuple[int, int, str]]] = {}

    def show_marks(self, marks: Sequence[Mark]) -> None:
        """Draw these marks and no others."""
        starts = self._line_starts()
        found: dict[int, list[tuple[int, int, str]]] = {}
        for mark in marks:
            for line, (start, end) in enumerate(starts):
                if mark.start < end and start < mark.end:
                    place = (max(mark.start, start) - start, min(mark.end, end) - start)
                    found.setdefault(line, []).append((*place, mark.kind))
        if found != self._marks:
            self._marks = found
            self._line_cache.clear()
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        """A line with its marks."""
        line = super().get_line(line_index)
        for start, end, kind in self._marks.get(line_index, ()):
            line.stylize(self.get_component_rich_style(f"keyword-area--{kind}"), start, end)
        return line

    def offset_of(self, location: tuple[int, int]) -> int:
        """The code point at a row and column."""
        row, column = location
        return sum(len(self.document.get_line(line)) + 1 for line in range(row)) + column

    def location_of(self, offset: int) -> tuple[int, int]:
        """The row and column of a code point."""
        for line, (start, end) in enumerate(self._line_starts()):
            if offset <= end:
                return line, max(0, offset - start)
        return self.document.end

    def scroll_to_offset(self, offset: int) -> None:
        """Bring a code point into view and put the cursor there."""
        self.move_cursor(self.location_of(offset))

    def selected_span(self) -> tuple[int, int]:
        """The selected code points; an empty span when nothing is selected."""
        start, end = sorted(self.selection)
        return self.offset_of(start), self.offset_of(end)

    def set_text(self, text: str) -> None:
        """Replace the whole text, as one change that can be undone."""
        self.replace(normalise(text), self.document.start, self.document.end)
        self.move_cursor((0, 0))

    def tidy(self) -> str:
        """The text as it travels; what is shown becomes that too."""
        clean = normalise(self.text)
        if clean != self.text:
            at = self.cursor_location
            self.replace(clean, self.document.start, self.document.end)
            self.move_cursor(at)
        return clean

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        text = normalise(event.text)
        if len(text) + len(self.text) > LIMIT:
            self.post_message(self.TooLong(len(text)))
        elif result := self._replace_via_keyboard(text, *self.selection):
            self.move_cursor(result.end_location)
            self.focus()

    def _line_starts(self) -> list[tuple[int, int]]:
        """Start and end of each line, in code points of the whole text."""
        spans, at = [], 0
        for line in self.document.lines:
            spans.append((at, at + len(line)))
            at += len(line) + 1
        return spans
