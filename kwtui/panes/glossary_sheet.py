"""A table of which one cell is chosen, and can be changed where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from glossary.text import printable
from kwtui.widgets.record_table import Cell, Column, Fetch, RecordTable
from kwtui.widgets.sparing import Line

if TYPE_CHECKING:
    from textual import events

_LEAST_EDITOR = 24


class Sheet(RecordTable, inherit_bindings=False):
    """A table with a cursor for cells; its first column is for marks and never chosen."""

    DEFAULT_CSS = "Sheet > .sheet--row { background: $panel; text-style: bold; }"
    COMPONENT_CLASSES = {"sheet--row"}
    BINDINGS = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("left", "aside(-1)", show=False),
        Binding("right", "aside(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
    ]

    def __init__(self, columns: Sequence[Column], fetch: Fetch, *, id: str, empty: str) -> None:
        super().__init__(columns, fetch, id=id, empty=empty)
        self.chosen = 1

    def when_empty(self, words: str) -> None:
        """What to say where there are no rows."""
        self._empty = words

    def choose(self, column: int) -> None:
        """Put the cursor on another column, 1 is the first that can be chosen."""
        self.chosen = min(max(column, 1), len(self.columns) - 1)
        self.refresh()

    def action_aside(self, step: int) -> None:
        """Go to the next cell on either side."""
        self.choose(self.chosen + step)

    def cell(self) -> Region:
        """Where the chosen cell stands on the screen, wide enough to type in."""
        widths = self.widths()
        x = 1 + sum(widths[: self.chosen]) + self.chosen
        y = 1 + self.cursor - self.scroll_offset.y
        width = max(widths[self.chosen], _LEAST_EDITOR)
        x = max(min(x, self.size.width - width - 1), 0)
        return Region(x, y, width, 1)

    def render_line(self, y: int) -> Strip:
        """As any table, but in the row of the cursor one cell stands out."""
        index = self.scroll_offset.y + y - 1
        if y == 0 or index != self.cursor or index >= self.count or not self.has_focus:
            return super().render_line(y)
        cells = [self._plain(cell) for cell in self.row(index)]
        widths = self.widths()
        for number, text in enumerate(cells):
            content = Content(text)
            if number == self.chosen:
                if content.cell_length > widths[number]:
                    content = content.truncate(widths[number], ellipsis=True)
                padding = " " * (widths[number] - content.cell_length)
                cells[number] = Content.styled(content.plain + padding, "reverse")  # type: ignore[call-overload]
        width = self.scrollable_content_region.width
        return self._strip(cells, self._style("sheet--row"), width)

    @staticmethod
    def _plain(cell: Cell) -> str:
        text = cell.plain if isinstance(cell, Content) else printable(cell)
        return " ".join(text.split("\n"))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the cell under the pointer."""
        at = 1
        for number, width in enumerate(self.widths()):
            if number and at <= event.x <= at + width:
                self.chosen = number
            at += width + 1
        super().on_click(event)


class CellInput(Line):
    """The line in which a cell is typed; it says how it was left."""

    BINDINGS = [
        Binding("escape", "leave(0,0)", show=False),
        Binding("tab", "leave(1,1)", show=False, priority=True),
        Binding("shift+tab", "leave(1,-1)", show=False, priority=True),
        Binding("ctrl+g", "merge", show=False),
    ]

    class Left(Message):
        """Typing has ended: whether what was typed counts, and how many cells to go on by."""

        def __init__(self, keep: bool, step: int) -> None:
            super().__init__()
            self.keep, self.step = keep, step

    class Merge(Message):
        """The term that has the typed name already is to be merged with this one."""

    def action_leave(self, keep: int, step: int) -> None:
        """End typing."""
        self.post_message(self.Left(bool(keep), step))

    def action_merge(self) -> None:
        """Ask for the merge that was offered."""
        self.post_message(self.Merge())

    async def action_submit(self) -> None:
        """Keep what was typed."""
        self.post_message(self.Left(True, 0))
