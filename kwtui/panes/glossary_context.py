"""The context records of the glossary: searched, and opened with the terms they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.panes.glossary_preview import wrapped
from kwtui.panes.glossary_view import GlossaryView
from kwtui.themes import KEY, MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import PAGE, Cell, Column, RecordTable
from kwtui.widgets.sparing import Line

if TYPE_CHECKING:
    from glossary.records import Record
    from glossary.term import Term
    from kwtui.panes.glossary import GlossaryPane


class ContextView(GlossaryView):
    """A table of records with its search above and the chosen one beneath."""

    view_id: ClassVar[str] = "records"

    def __init__(self, pane: GlossaryPane) -> None:
        super().__init__(pane)
        self._wanted = ""
        self._kinds: dict[str, int] = {}
        self._pages: dict[int, tuple[Record, ...]] = {}
        self._asked: set[int] = set()

    def compose(self) -> ComposeResult:
        """The line to search, the records, what the chosen one says."""
        words = _("/ looks for records by title and text, the best first")
        line = Line("", placeholder=words, id="record-filter", compact=True)
        line.cursor_blink = False
        yield line
        columns = [
            Column(_("Title"), 22), Column(_("Text")), Column(_("File"), 14),
            Column(_("Row"), 6, right=True),
        ]  # fmt: skip
        yield RecordTable(columns, self._fetch, id="records", empty=_("No record holds that."))
        yield Lines(id="record-about")

    @property
    def table(self) -> RecordTable:
        """The records."""
        return self.query_one(RecordTable)

    @property
    def current(self) -> Record | None:
        """The record under the cursor."""
        row = self.table.cursor
        page = self._pages.get(row // PAGE, ())
        return page[row % PAGE] if row % PAGE < len(page) else None

    @property
    def busy(self) -> bool:
        """Whether records are on their way."""
        return any(not worker.is_finished for worker in self.workers if worker.node is self)

    def about(self) -> Sequence[str]:
        """How many records, and of which presets."""
        count = ngettext_("{count} record", "{count} records", self.table.count)
        kinds = (f"{name} {number:,}" for name, number in self._kinds.items())
        return [count.format(count=f"{self.table.count:,}"), *([] if self._wanted else kinds)]

    async def opened(self) -> None:
        """Show the records as they are now."""
        self.table.focus()
        await self.changed()

    async def changed(self, term_id: str = "") -> None:
        """Read the records anew, if they are looked at; else that is done when they are."""
        if self.pane.view is not self:
            return
        kinds = await self.ask("record_kinds")
        if kinds is not None:
            self._kinds = kinds
            await self._use(self._wanted)

    async def _use(self, wanted: str) -> None:
        """Show the records for what was typed, none: all of them."""
        self._wanted = wanted
        found = await self.ask("records", text=wanted, offset=0, limit=PAGE)
        if found is None or wanted != self._wanted:
            return
        self._pages, self._asked = {0: found.records}, {0}
        self.table.reload(found.total)
        self._draw()
        self.pane.draw_head()

    async def _read(self, page: int) -> None:
        wanted = self._wanted
        found = await self.ask("records", text=wanted, offset=page * PAGE, limit=PAGE)
        if found is not None and wanted == self._wanted:
            self._pages[page] = found.records
            self.table.reload()
            self._draw()

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        page = offset // PAGE
        if page not in self._asked:
            self._asked.add(page)
            self.run_worker(self._read(page), group="records")
        return [
            (
                printable(record.title),
                printable(record.text),
                Content.styled(printable(record.source), MUTED),
                f"{record.row:,}",
            )
            for record in self._pages.get(page, ())
        ]

    @on(RecordTable.Highlighted, "#records")
    def _draw(self) -> None:
        lines, record = self.query_one("#record-about", Lines), self.current
        lines.show(described(record, lines.size.width)[: lines.size.height] if record else [])

    def on_resize(self) -> None:
        """Fit the lines to the new width."""
        self.call_after_refresh(self._draw)

    # Keys

    def action_filter(self) -> None:
        """Type what the records shall be about."""
        self.screen.set_focus(self.query_one("#record-filter", Input))

    @on(Input.Changed, "#record-filter")
    def _typed(self, event: Input.Changed) -> None:
        if event.value != self._wanted:
            self.run_worker(self._use(event.value), group="record-filter")

    @on(Input.Submitted, "#record-filter")
    def _filtered(self) -> None:
        self.table.focus()

    def on_key(self, event: events.Key) -> None:
        """From the line to the table."""
        if self.query_one("#record-filter", Input).has_focus and event.key in ("down", "pagedown"):
            event.stop()
            event.prevent_default()
            self.table.focus()

    @on(RecordTable.Selected, "#records")
    async def _opened(self) -> None:
        record = self.current
        if record is None:
            return
        terms = await self.ask("terms_of", ids=list(record.terms))
        if terms is not None:
            self.app.push_screen(RecordScreen(record, terms), self._term_chosen)

    async def _term_chosen(self, term: Term | None) -> None:
        if term is not None:
            await self.pane.open_form(term)

    async def action_leave(self) -> None:
        """Leave the line; then show every record; then back to the terms."""
        line = self.query_one("#record-filter", Input)
        if line.has_focus:
            self.table.focus()
        elif self._wanted:
            line.value = ""
        else:
            await self.pane.show_view("terms")


class RecordScreen(ModalScreen["Term | None"]):
    """A whole record, and the terms it names; the result: the one to be opened, or None."""

    BINDINGS = [
        Binding("escape,q,ㅂ", "close", show=False),
        Binding("pageup", "turn(-1)", show=False, priority=True),
        Binding("pagedown", "turn(1)", show=False, priority=True),
    ]

    def __init__(self, record: Record, terms: Sequence[Term]) -> None:
        super().__init__()
        self._record, self._terms = record, terms

    def compose(self) -> ComposeResult:
        """The record; its terms beneath."""
        columns = [Column(_("Term"), 20), Column(_("Kind"), 12), Column(_("Definition"))]
        with Vertical(classes="window tall") as window:
            window.border_title = Content(printable(self._record.title))
            window.border_subtitle = Content(_("Enter opens the term, Esc closes"))
            with VerticalScroll(id="record-text", can_focus=False):
                yield Static(Content("\n").join(whole(self._record)))
            empty = _("It names no term of the glossary.")
            yield RecordTable(columns, self._fetch, len(self._terms), id="linked", empty=empty)

    def on_mount(self) -> None:
        """Choose among the terms at once."""
        self.query_one(RecordTable).focus()

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        return [
            (
                printable(term.canonical),
                Content.styled(printable(term.category), MUTED),
                " ".join(printable(term.definition).split()),
            )
            for term in self._terms[offset : offset + limit]
        ]

    @on(RecordTable.Selected)
    def _selected(self, event: RecordTable.Selected) -> None:
        self.dismiss(self._terms[event.row])

    def action_turn(self, pages: int) -> None:
        """Turn over a page of a long record."""
        text = self.query_one("#record-text", VerticalScroll)
        text.scroll_relative(y=pages * max(text.size.height - 1, 1), animate=False)

    def action_close(self) -> None:
        """Back to the records."""
        self.dismiss(None)


def described(record: Record, width: int) -> list[Content]:
    """A record in short lines: where it is from, its text, its fields."""
    head = Content.assemble(" ", (printable(record.title), KEY), "  ", (_origin(record), MUTED))
    fields = "; ".join(f"{name}: {value}" for name, value in record.fields)
    return [head, *wrapped(record.text, width, 5), *(wrapped(fields, width, 2) if fields else [])]


def whole(record: Record) -> list[Content]:
    """Everything that a record says."""
    lines = [Content.styled(_origin(record), MUTED), Content(""), Content(printable(record.text))]
    if record.fields:
        lines.append(Content(""))
    for name, value in record.fields:
        lines.append(Content.assemble((printable(name), KEY), "  ", printable(value)))
    return lines


def _origin(record: Record) -> str:
    words = _("{kind}, {file} row {row}, names {count} terms")
    return words.format(
        kind=printable(record.kind), file=printable(record.source), row=f"{record.row:,}",
        count=len(record.terms),
    )  # fmt: skip
