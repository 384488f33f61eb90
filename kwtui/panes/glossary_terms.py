"""The terms as a sheet: filtered as one types, edited where they stand, previewed in the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input

from glossary.i18n import _, ngettext_
from glossary.listing import WHICH, View
from kwtui.panes.glossary_cell import CellEditing
from kwtui.panes.glossary_choices import ChoiceActions, orders, shown_kinds
from kwtui.panes.glossary_form import FormActions
from kwtui.panes.glossary_keys import TypedAhead
from kwtui.panes.glossary_many import ManyActions
from kwtui.panes.glossary_preview import Previewer, describe, matched, refused
from kwtui.panes.glossary_rows import Rows
from kwtui.panes.glossary_sheet import Sheet
from kwtui.panes.glossary_view import GlossaryView
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable
from kwtui.widgets.sparing import Line

if TYPE_CHECKING:
    from glossary.term import Term
    from kwtui.panes.glossary import GlossaryPane

NARROW = ("canonical", "category", "aliases", "definition")
WIDE = (*NARROW, "source", "notes")
WIDEST = (*NARROW, "ambiguous", "source", "notes")
_WIDE_FROM, _WIDEST_FROM = 100, 180


class TermsView(TypedAhead, CellEditing, FormActions, ManyActions, ChoiceActions, GlossaryView):
    """The sheet with its filter above and the chosen term beneath or beside it."""

    view_id: ClassVar[str] = "terms"

    def __init__(self, pane: GlossaryPane) -> None:
        super().__init__(pane)
        self.rows = Rows(self, self._page_came)
        self.fields: tuple[str, ...] = NARROW
        self.preview = Previewer(self, lambda: self.bench, self.draw_about)
        self.trouble = ("", "")
        kept = pane.restored
        self.wanted = _view_of(kept)
        row = kept.get("row")
        self._row = row if isinstance(row, int) and row >= 0 else 0
        self._using = 0

    def compose(self) -> ComposeResult:
        """The line to filter, the sheet, what the chosen term says and matches."""
        placeholder = _("/ filters by name, kind or definition; ㅍㅅ finds 파스")
        line = Line(self.wanted.filter, placeholder=placeholder, id="term-filter", compact=True)
        line.cursor_blink = False
        yield line
        with Container(id="terms-body"):
            with Container(id="sheet-area"):
                yield Sheet(self._columns(), self._fetch, id="sheet", empty=self._empty())
            yield Lines(id="term-about")

    @property
    def sheet(self) -> Sheet:
        """The table."""
        return self.query_one(Sheet)

    @property
    def current(self) -> Term | None:
        """The term under the cursor."""
        return self.rows.term(self.sheet.cursor) if self.sheet.count else None

    @property
    def field(self) -> str:
        """The field of the chosen cell."""
        return self.fields[self.sheet.chosen - 1]

    @property
    def busy(self) -> bool:
        """Whether rows or a preview are on their way."""
        return self.rows.busy or self._using > 0 or self.preview.busy

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key of the sheet while a cell is being typed."""
        return self.editor is None

    def about(self) -> Sequence[str]:
        """How many terms are shown, and which."""
        view = self.wanted
        count = ngettext_("{count} term", "{count} terms", self.rows.total)
        parts = [count.format(count=f"{self.rows.total:,}")]
        if view.category is not None:
            parts.append(view.category or _("no kind"))
        if view.which != "all":
            parts.append(shown_kinds()[view.which])
        if view.sort != "canonical":
            parts.append(orders()[view.sort])
        if self.marks.count(self.rows.total):
            parts.append(_("{count} marked").format(count=f"{self.marks.count(self.rows.total):,}"))
        return parts

    # Rows

    def on_mount(self) -> None:
        """Go on in the column of the last time."""
        super().on_mount()
        column = self.pane.restored.get("column")
        if isinstance(column, int):
            self.sheet.choose(column)

    async def opened(self) -> None:
        """Show the terms as they are now."""
        self.preview.forget()
        if self.editor is None:
            self.sheet.focus()
        await self.use(self.wanted, self._row)

    async def changed(self, term_id: str = "") -> None:
        """Show what was changed, the cursor on the term it was on, or on that with the id."""
        if self.editor is not None:
            self._kept = self._kept or term_id or (self.current.id if self.current else "")
            return
        current = self.current
        wanted = term_id or (current.id if current else "")
        row = await self.place(wanted)
        await self.use(self.wanted, self.sheet.cursor if row is None else row)

    async def place(self, term_id: str) -> int | None:
        """The row of a term in the view."""
        if not term_id:
            return None
        view = self.wanted
        found: int | None = await self.ask(
            "place", term_id=term_id, filter=view.filter, sort=view.sort, which=view.which,
            category=view.category,
        )  # fmt: skip
        return found

    async def use(self, view: View, row: int = 0) -> None:
        """Show these terms, the cursor in this row."""
        self.wanted = view
        self._using += 1
        try:
            if not await self.rows.use(view, row):
                return
            if row and row >= self.rows.total:
                row = max(self.rows.total - 1, 0)
                await self.rows.use(view, row)
        finally:
            self._using -= 1
        if self.rows.behind:
            self.pane.catch_up()
        self.sheet.when_empty(self._empty())
        self.sheet.reload(self.rows.total)
        self.sheet.cursor = self._row = row
        self._moved()
        self.pane.draw_head()

    def _page_came(self, first: int, last: int) -> None:
        """Draw what is on the screen of these rows; those beside it wait until they are."""
        top = self.sheet.scroll_offset.y
        shown = range(max(first, top), min(last, top + self.sheet.size.height))
        self.sheet.renew(shown)
        if first <= self.sheet.cursor < last:
            self._moved()

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        self.rows.want(offset, limit)
        found: list[Sequence[Cell]] = []
        for row in range(offset, min(offset + limit, self.rows.total)):
            term = self.rows.term(row)
            found.append(self._cells(term) if term is not None else ("", "…"))
        return found

    def _cells(self, term: Term) -> Sequence[Cell]:
        mark = "?" if term.ambiguous else ""
        mark = "*" if self.marks.has(term.id) else mark if term.keyword else "x"
        return (mark, *(shown_value(term, name) for name in self.fields))

    def _columns(self) -> list[Column]:
        titles = field_titles()
        roomy = len(self.fields) > len(NARROW)
        widths = {"canonical": 26 if roomy else 20, "category": 13, "source": 12}
        return [Column("", 1), *(Column(titles[n], widths.get(n, 0)) for n in self.fields)]

    def _empty(self) -> str:
        keys = self.bench.key_names("glossary.add", "glossary.import", "glossary.next-view")
        if self.wanted != View():
            return _("No term passes the filter.")
        sentence = _(
            "No terms yet: {add} adds one, {bring} imports, {view} looks in the corpus.\n"
            "From a command: `kwtui glossary import FILE`."
        )
        return sentence.format(add=keys[0], bring=keys[1], view=keys[2])

    def on_resize(self, event: events.Resize) -> None:
        """More fields where there is room."""
        width = event.size.width
        fields = WIDEST if width >= _WIDEST_FROM else WIDE if width >= _WIDE_FROM else NARROW
        if fields != self.fields:
            self.fields = fields
            self.sheet.set_columns(self._columns())
            self.sheet.choose(self.sheet.chosen)
        self.call_after_refresh(self.draw_about)

    # What stands beneath

    @on(RecordTable.Highlighted, "#sheet")
    def _highlighted(self) -> None:
        self._row = self.sheet.cursor
        self._moved()

    def _moved(self) -> None:
        if self.editor is None:
            self.preview.of(self.current)

    def draw_about(self) -> None:
        """What the chosen term says, why an edit is refused, what it matches."""
        if not self.is_mounted:
            return
        lines = self.query_one("#term-about", Lines)
        width, height = lines.size.width, lines.size.height
        sentence, offer = self.trouble
        found: list[Content] = []
        if sentence:
            found += refused(sentence, width, offer)
        term = self.preview.term
        if term is not None:
            roomy = height > 9
            found += describe(term, width, roomy=roomy)
            found += [Content("")] if roomy else []
            found += matched(self.preview.found, height - len(found))
        lines.show(found[:height])

    # Filter

    def action_filter(self) -> None:
        """Type what the terms shall hold."""
        self.screen.set_focus(self.query_one("#term-filter", Input))
        self.release()

    async def action_edit(self) -> None:
        """Type in the chosen cell, or in the form."""
        await super().action_edit()
        self.release()

    async def action_add(self) -> None:
        """A form for a new term."""
        await super().action_add()
        self.release()

    async def action_form(self) -> None:
        """Every field of the term."""
        await super().action_form()
        self.release()

    @on(Input.Changed, "#term-filter")
    async def _typed(self, event: Input.Changed) -> None:
        if event.value != self.wanted.filter:
            self.run_worker(self.use(replace(self.wanted, filter=event.value)), group="filter")

    @on(Input.Submitted, "#term-filter")
    def _filtered(self) -> None:
        self.screen.set_focus(self.sheet)

    def on_key(self, event: events.Key) -> None:
        """From the filter to the sheet; what is typed ahead goes to where it belongs."""
        if self.typed_ahead(event):
            return
        line = self.query_one("#term-filter", Input)
        if line.has_focus and event.key in ("down", "tab", "pagedown"):
            event.stop()
            event.prevent_default()
            self.sheet.focus()

    async def action_leave(self) -> None:
        """Unmark; then leave the filter; then show everything."""
        line = self.query_one("#term-filter", Input)
        if line.has_focus:
            self.sheet.focus()
        elif self.marks.count(self.rows.total):
            self.marks.clear()
            self.show_marks()
        elif self.wanted != View():
            line.value = ""
            current = self.current
            self.wanted = View()
            row = await self.place(current.id) if current else None
            await self.use(self.wanted, row or 0)

    # State

    def kept_state(self) -> dict[str, Any]:
        """What is shown, for the next start."""
        view = self.wanted
        return {
            "filter": view.filter, "sort": view.sort, "which": view.which,
            "category": view.category, "row": self._row, "column": self.sheet.chosen,
        }  # fmt: skip


def _view_of(kept: dict[str, Any]) -> View:
    """The view of the last time, as far as it makes sense."""
    sort, which, category = kept.get("sort"), kept.get("which"), kept.get("category")
    return View(
        filter=kept["filter"] if isinstance(kept.get("filter"), str) else "",
        sort=sort if isinstance(sort, str) and sort in orders() else "canonical",
        which=which if which in WHICH else "all",
        category=category if isinstance(category, str) else None,
    )


def field_titles() -> dict[str, str]:
    """The fields of a term as a person reads them."""
    return {
        "canonical": _("Term"),
        "category": _("Kind"),
        "aliases": _("Aliases"),
        "definition": _("Definition"),
        "language": _("Language"),
        "source": _("Source"),
        "notes": _("Notes"),
        "ambiguous": _("Ambiguous"),
        "keyword": _("Keyword"),
    }


def shown_value(term: Term, name: str) -> str:
    """A field of a term in one line."""
    value = getattr(term, name)
    if isinstance(value, tuple):
        return ", ".join(value)
    return " ".join(str(value).split("\n"))
