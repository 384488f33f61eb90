"""The log of a run in the monitor: its end followed, words looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.widget import Widget

from glossary.i18n import _
from kwtui.panes.monitor_feed import folded
from kwtui.widgets.record_table import Cell, RecordTable

if TYPE_CHECKING:
    from kwtui.app import Workbench
    from kwtui.panes.monitor_feed import View, Wish


class LogActions(Widget):
    """Keys of the log, and the table that shows it."""

    found: View
    wish: Wish
    words = ""
    _log: tuple[str, ...] = ()

    if TYPE_CHECKING:

        def look(self) -> None:
            """Read what is new."""

        def show_view(self, view: str) -> None:
            """Bring a view to the front."""

    @property
    def _bench(self) -> Workbench:
        return cast("Workbench", self.app)

    def log_lines(self, offset: int, limit: int) -> list[tuple[Cell, ...]]:
        """Lines for the table."""
        return [(line,) for line in self._log[offset : offset + limit]]

    def draw_log(self) -> None:
        """Show what is new; the end of the log stays in sight when it was."""
        table = self.query_one("#view-log", RecordTable)
        found = self.found.chosen.log if self.found.chosen else ()
        lines = tuple(folded(found, table.scrollable_content_region.width - 3))
        follow = table.cursor >= table.count - 1
        if lines != self._log:
            self._log = lines
            table.reload(len(lines))
            if follow:
                table.cursor = len(lines) - 1

    def action_search(self) -> None:
        """Look for words in the log, from its end."""
        from kwtui.widgets.dialogs import AskScreen

        def accepted(typed: str | None) -> None:
            if typed:
                self.words = typed
                self._find(len(self._log))

        self.show_view("log")
        self.query_one("#view-log").focus()
        self.look()
        self.app.push_screen(AskScreen(_("Search the log"), self.words), accepted)

    def action_again(self) -> None:
        """The place found before this one."""
        if self.words and self.wish.view == "log":
            self._find(self.query_one("#view-log", RecordTable).cursor)

    def _find(self, before: int) -> None:
        wanted = self.words.casefold()
        for at in range(before - 1, -1, -1):
            if wanted in self._log[at].casefold():
                self.query_one("#view-log", RecordTable).cursor = at
                return
        self._bench.say(_("'{words}' is not in the log.").format(words=self.words))
