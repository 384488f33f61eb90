"""A window to choose a text of the corpus, however many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from engines.corpus.listing import Listing, TextRow
from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import normalise, printable
from kwtui.themes import MUTED, WRONG
from kwtui.widgets.record_table import Cell, Column, RecordTable


class PickText(ModalScreen[str | None]):
    """The texts of a corpus with a line to search them; the result is the text, or None."""

    BINDINGS = [
        Binding("escape", "close", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False, priority=True),
        Binding("pageup", "page(-1)", show=False, priority=True),
    ]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._listing: Listing | None = None

    def compose(self) -> ComposeResult:
        """The search and the rows under it."""
        columns = [Column(_("Text")), Column(_("Split"), 6), Column(_("Keywords"), 8, right=True)]
        with Vertical(classes="window tall") as window:
            window.border_title = Content(_("Text of the corpus"))
            window.border_subtitle = Content(_("Enter chooses, Esc closes"))
            yield Input(placeholder=_("a piece of the text, or its id"), compact=True)
            yield RecordTable(columns, self._fetch, empty=_("No text holds that."))

    async def on_mount(self) -> None:
        """Show every text."""
        self.query_one(RecordTable).can_focus = False
        self.query_one(Input).focus()
        await self._open("")

    def on_unmount(self) -> None:
        """Close the file."""
        if self._listing is not None:
            self._listing.close()

    @on(Input.Changed)
    async def _typed(self, event: Input.Changed) -> None:
        await asyncio.sleep(0.15)
        if event.value == self.query_one(Input).value:
            await self._open(normalise(event.value).strip())

    async def _open(self, wanted: str) -> None:
        window = self.query_one(".window")
        try:
            listing = Listing(self._path, filter=wanted)
            count = listing.count()
        except UserError as error:
            window.border_title = Content.styled(printable(error.sentence), WRONG)
            return
        if self._listing is not None:
            self._listing.close()
        self._listing = listing
        title = ngettext_("{count} text of the corpus", "{count} texts of the corpus", count)
        window.border_title = Content(title.format(count=f"{count:,}"))
        self.query_one(RecordTable).reload(count)

    def _rows(self, offset: int, limit: int) -> list[TextRow]:
        return self._listing.rows(offset, limit) if self._listing else []

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        return [
            (printable(row.text), Content.styled(row.split, MUTED), str(row.keywords or ""))
            for row in self._rows(offset, limit)
        ]

    @on(Input.Submitted)
    @on(RecordTable.Selected)
    def _chosen(self) -> None:
        rows = self._rows(self.query_one(RecordTable).cursor, 1)
        if rows:
            self.dismiss(rows[0].text)

    def action_move(self, rows: int) -> None:
        """Move the cursor of the table."""
        self.query_one(RecordTable).action_move(rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a screenful."""
        self.query_one(RecordTable).action_page(pages)

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
