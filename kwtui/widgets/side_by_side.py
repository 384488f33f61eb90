"""Labelings of one text beside each other, wrapped by cells, with differences standing out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from kwtui.themes import KEY, MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.span_editor import LABEL, OFFERED, drawn, wrapped

Span = tuple[int, int]
DIFFERENT = "b u reverse $accent"
_LEAST = 24


@dataclass(frozen=True, slots=True)
class Side:
    """One labeling: whose, by which key it is taken, and its spans."""

    name: str
    key: str
    spans: frozenset[Span]


class SideBySide(Lines):
    """Shows the sides in columns, or one under the other where they are too narrow."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = ""
        self._sides: Sequence[Side] = ()
        self._shared: frozenset[Span] = frozenset()
        self._cursor: Span | None = None

    def open(self, text: str, sides: Sequence[Side], cursor: Span | None = None) -> None:
        """Show these labelings of `text`; `cursor`: the span that is being decided."""
        self._text, self._sides, self._cursor = text, sides, cursor
        spans = [side.spans for side in sides]
        self._shared = frozenset.intersection(*spans) if spans else frozenset()
        self._lay_out()

    def on_resize(self) -> None:
        """Lay out anew."""
        super().on_resize()
        self._lay_out()

    def _lay_out(self) -> None:
        if not self._sides or not self.size.width:
            self.show([])
            return
        count = len(self._sides)
        width = (self.size.width - 1) // count - 2
        if width < _LEAST:
            lines: list[Content] = []
            for side in self._sides:
                lines += [*self._column(side, self.size.width - 2), Content("")]
            self.show([Content.assemble(" ", line) for line in lines])
            return
        columns = [self._column(side, width) for side in self._sides]
        made = []
        for number in range(max(map(len, columns))):
            parts: list[Content | str] = [" "]
            for column in columns:
                line = column[number] if number < len(column) else Content("")
                parts += [line, " " * (width - line.cell_length + 2)]
            made.append(Content.assemble(*parts))
        self.show(made)

    def _column(self, side: Side, width: int) -> list[Content]:
        lines = [Content.assemble((side.key, KEY), " ", (drawn(side.name), MUTED)), Content("")]
        for row in wrapped(self._text, width):
            line = Content(drawn(self._text[row.start : row.end]))
            for start, end in sorted(side.spans):
                first, last = max(start, row.start) - row.start, min(end, row.end) - row.start
                if first < last:
                    style = LABEL if (start, end) in self._shared else DIFFERENT
                    line = line.stylize(style, first, last)
            if self._cursor is not None and self._cursor not in side.spans:
                first = max(self._cursor[0], row.start) - row.start
                last = min(self._cursor[1], row.end) - row.start
                if first < last:
                    line = line.stylize(OFFERED, first, last)
            lines += [line.rstrip(), Content("")]
        return lines
