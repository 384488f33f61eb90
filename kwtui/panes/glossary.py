"""The glossary pane: the terms as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult

from glossary.errors import UserError
from glossary.i18n import _
from kwtui.panes.base import Pane
from kwtui.widgets.record_table import Cell, Column, RecordTable

PAGE = 200


class GlossaryPane(Pane):
    """The terms of the workspace; pages come from the glossary's process."""

    pane_id = "glossary"

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[int, tuple[str, ...]] = {}
        self._asked: set[int] = set()
        self._at = 0

    def compose(self) -> ComposeResult:
        """One table."""
        columns = [
            Column(_("Term"), 20),
            Column(_("Kind"), 14),
            Column(_("Aliases")),
            Column(_("Definition")),
        ]
        yield RecordTable(columns, self._fetch, empty=_("No terms yet."))

    def shown(self) -> None:
        """Read the terms anew and focus the table."""
        self.query_one(RecordTable).focus()
        self._rows.clear()
        self._asked.clear()
        self._ask(0)

    def help_text(self) -> str:
        """What the pane shows."""
        return _("The terms of this workspace; `kwtui glossary` adds, changes and imports them.")

    @property
    def busy(self) -> bool:
        """Whether a page is still on its way."""
        return any(worker.group == "terms" for worker in self.workers if not worker.is_finished)

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        for page in {offset // PAGE, (offset + limit - 1) // PAGE} - self._asked:
            self._ask(page)
        return [self._rows.get(row, ("...",)) for row in range(offset, offset + limit)]

    def _ask(self, page: int) -> None:
        self._asked.add(page)
        self.run_worker(self._read(page), group="terms")

    async def _read(self, page: int) -> None:
        await self.bench.settings()
        host = self.bench.host("glossary")
        try:
            found = await host.request("rows", offset=page * PAGE, limit=PAGE)
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        for row, term in enumerate(found.terms, start=page * PAGE):
            aliases = ", ".join(term.aliases)
            self._rows[row] = (term.canonical, term.category, aliases, term.definition)
        table = self.query_one(RecordTable)
        table.reload(found.total)
        if page == 0:
            table.cursor = self._at

    def state(self) -> dict[str, Any]:
        """The row under the cursor."""
        return {"cursor": self.query_one(RecordTable).cursor}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to that row once the terms are there."""
        cursor = state.get("cursor")
        self._at = cursor if isinstance(cursor, int) else 0
