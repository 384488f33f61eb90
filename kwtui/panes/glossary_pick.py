"""A window to look for one term."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from glossary.i18n import _
from glossary.term import Term
from glossary.text import printable
from kwtui.themes import MUTED
from kwtui.widgets.record_table import Cell, Column, RecordTable

Search = Callable[[str], Awaitable[Iterable[Term]]]


class PickTerm(ModalScreen[Term | None]):
    """Terms that hold what is typed; the result is the chosen one, or None."""

    BINDINGS = [
        Binding("escape", "close", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
    ]

    def __init__(self, title: str, search: Search, *, without: str = "") -> None:
        super().__init__()
        self._title, self._search, self._without = title, search, without
        self._found: list[Term] = []

    def compose(self) -> ComposeResult:
        """The line and what was found under it."""
        columns = [Column(_("Term"), 20), Column(_("Kind"), 12), Column(_("Definition"))]
        with Vertical(classes="window tall") as window:
            window.border_title = Content(printable(self._title))
            window.border_subtitle = Content(_("Enter chooses, Esc closes"))
            yield Input(placeholder=_("a part of its name"), compact=True)
            yield RecordTable(columns, self._fetch)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(RecordTable).can_focus = False
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.run_worker(self._look(event.value), exclusive=True)

    async def _look(self, text: str) -> None:
        found = await self._search(text) if text.strip() else ()
        self._found = [term for term in found if term.id != self._without]
        self.query_one(RecordTable).reload(len(self._found))

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        return [
            (
                ", ".join(term.surfaces),
                Content.styled(printable(term.category), MUTED),
                " ".join(term.definition.split()),
            )
            for term in self._found[offset : offset + limit]
        ]

    @on(Input.Submitted)
    @on(RecordTable.Selected)
    def _chosen(self) -> None:
        row = self.query_one(RecordTable).cursor
        if row < len(self._found):
            self.dismiss(self._found[row])

    def action_move(self, rows: int) -> None:
        """Move the cursor of the table."""
        self.query_one(RecordTable).action_move(rows)

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
