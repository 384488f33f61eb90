"""A table for any number of rows: only those on the screen are fetched and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from glossary.text import printable

Cell = str | Content
Fetch = Callable[[int, int], Sequence[Sequence[Cell]]]
PAGE = 100


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `width` in terminal cells, 0 for a share of what is left; `right` aligned."""

    title: str
    width: int = 0
    right: bool = False


class RecordTable(ScrollView, can_focus=True):
    """Rows come from `fetch(offset, limit)`, a page at a time, when they are about to be seen.

    Strings are shown as they are, never as markup. `fetch` must be quick (a query by offset); for
    a service in another process fill a cache and call `reload`.
    """

    COMPONENT_CLASSES = {
        "record-table--header",
        "record-table--cursor",
        "record-table--cursor-away",
        "record-table--even",
    }
    # How many rows there are moves nothing else on the screen.
    virtual_size = Reactive(Size(0, 0), layout=False)
    BINDINGS = [
        Binding("up,k,ㅏ", "move(-1)", show=False),
        Binding("down,j,ㅓ", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("enter", "select", show=False),
    ]

    class Highlighted(Message):
        """The cursor has moved to `row`."""

        def __init__(self, table: RecordTable, row: int) -> None:
            super().__init__()
            self.table, self.row = table, row

        @property
        def control(self) -> RecordTable:
            """The table, for `@on` selectors."""
            return self.table

    class Selected(Highlighted):
        """Enter was pressed on `row`, or it was clicked twice."""

    def __init__(
        self,
        columns: Sequence[Column],
        fetch: Fetch,
        count: int = 0,
        *,
        id: str | None = None,
        empty: str = "",
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._fetch, self._count, self._empty = fetch, count, empty
        self._cursor = 0
        self._pages: dict[int, Sequence[Sequence[Cell]]] = {}

    @property
    def count(self) -> int:
        """Number of rows."""
        return self._count

    @property
    def cursor(self) -> int:
        """The row under the cursor, from 0; also for an empty table."""
        return self._cursor

    @cursor.setter
    def cursor(self, row: int) -> None:
        row = min(max(row, 0), max(self._count - 1, 0))
        moved, self._cursor = row != self._cursor, row
        self._show_cursor()
        self.refresh()
        if moved:
            self.post_message(self.Highlighted(self, row))

    def reload(self, count: int | None = None) -> None:
        """Forget the fetched rows; `count`: there are so many now."""
        if count is not None:
            self._count = count
        self._pages.clear()
        self._cursor = min(self._cursor, max(self._count - 1, 0))
        self._measure()
        self.refresh()

    def renew(self, rows: Sequence[int]) -> None:
        """Fetch anew, but draw only these rows: the others look as before."""
        self._pages.clear()
        for row in rows:
            y = row - self.scroll_offset.y + 1
            if 0 < y < self.size.height:
                self.refresh(Region(0, y, self.size.width, 1))

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns."""
        self.columns = tuple(columns)
        self.reload()

    def row(self, index: int) -> Sequence[Cell]:
        """The cells of one row, fetched with its page when they are not here yet."""
        page = index // PAGE
        if page not in self._pages:
            if len(self._pages) > 20:
                self._pages.clear()
            self._pages[page] = self._fetch(page * PAGE, PAGE)
        rows = self._pages[page]
        at = index % PAGE
        return rows[at] if at < len(rows) else ()

    def on_mount(self) -> None:
        """Know how tall it is."""
        self._measure()

    def on_resize(self) -> None:
        """Fit the columns and keep the cursor in sight."""
        self._measure()
        self._show_cursor()

    def on_focus(self) -> None:
        """Draw the cursor as the active one."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw the cursor as a mark only."""
        self.refresh()

    def _measure(self) -> None:
        self.virtual_size = Size(self.size.width, self._count + 1)
        self._scroll_update(self.virtual_size)

    def _scroll_update(self, virtual_size: Size) -> None:
        """Fit the bar beside the rows; Textual's draws it at each layout, changed or not."""
        self._refresh_scrollbars()
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = virtual_size.height
            self.vertical_scrollbar.window_size = self.container_size.height
        self.scroll_y = self.validate_scroll_y(self.scroll_y)

    def _show_cursor(self) -> None:
        self.scroll_to_region(
            Region(0, self._cursor, 1, 2), animate=False, force=True, immediate=True
        )

    def widths(self) -> list[int]:
        """The cells of each column: fixed ones first, the rest share what is left."""
        room = self.scrollable_content_region.width - (len(self.columns) - 1) - 1
        fixed = sum(column.width for column in self.columns)
        shares = [column for column in self.columns if not column.width]
        share = max(4, (room - fixed) // len(shares)) if shares else 0
        return [column.width or share for column in self.columns]

    def render_line(self, y: int) -> Strip:
        """The header, then a row a line."""
        width = self.scrollable_content_region.width
        if y == 0:
            header = [Content(column.title) for column in self.columns]
            return self._strip(header, self._style("record-table--header"), width)
        index = self.scroll_offset.y + y - 1
        if index >= self._count:
            words = self._empty.split("\n")[y - 1 : y] if not self._count else []
            return self._strip_text(" " + "".join(words), width)
        name = "record-table--even" if index % 2 == 0 else ""
        if index == self._cursor:
            name = "record-table--cursor" if self.has_focus else "record-table--cursor-away"
        cells = self.row(index)
        if index == self._cursor:
            # Colours of single cells would tear the bar.
            cells = [cell.plain if isinstance(cell, Content) else cell for cell in cells]
        return self._strip(cells, self._style(name), width)

    def _style(self, name: str) -> Style:
        """The style of a part; `get_visual_style` of Textual 8.2.8 forgets `reverse`."""
        if not name:
            return self.visual_style
        style = self.get_visual_style(name)
        if self.get_component_styles(name).text_style.reverse:
            style += Style(reverse=True)
        return style

    def _strip(self, cells: Sequence[Cell], style: Style, width: int) -> Strip:
        parts = [Content(" ")]
        for number, (cell, size) in enumerate(zip(cells, self.widths(), strict=False)):
            column = self.columns[number]
            content = (
                cell
                if isinstance(cell, Content)
                else Content(" ".join(printable(cell).split("\n")))
            )
            if content.cell_length > size:
                content = content.truncate(size, ellipsis=True)
            gap = " " * (size - content.cell_length)
            parts += [Content(gap), content] if column.right else [content, Content(gap)]
            parts.append(Content(" "))
        segments = Content("").join(parts).render_segments(style)
        return Strip(segments).adjust_cell_length(width, style.rich_style)

    def _strip_text(self, text: str, width: int) -> Strip:
        return Strip([Segment(text, self.rich_style)]).adjust_cell_length(width, self.rich_style)

    def action_move(self, rows: int) -> None:
        """Move the cursor by `rows`."""
        self.cursor = self._cursor + rows

    def action_page(self, pages: int) -> None:
        """Move the cursor by a screenful."""
        self.cursor = self._cursor + pages * max(1, self.size.height - 2)

    def action_edge(self, last: int) -> None:
        """Go to the first or the last row."""
        self.cursor = self._count - 1 if last else 0

    def action_select(self) -> None:
        """Tell that the row was chosen."""
        if self._count:
            self.post_message(self.Selected(self, self._cursor))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor under the pointer."""
        if event.y:
            self.cursor = self.scroll_offset.y + event.y - 1
            if event.chain == 2:
                self.action_select()
