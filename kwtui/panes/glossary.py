"""The glossary pane: the terms as a table."""

from __future__ import annotations

from textual.app import ComposeResult

from glossary.i18n import _
from kwtui.panes.base import Pane
from kwtui.widgets.record_table import Column, RecordTable


class GlossaryPane(Pane):
    """The terms of the workspace."""

    pane_id = "glossary"

    def compose(self) -> ComposeResult:
        """One table."""
        columns = [
            Column(_("Term"), 20),
            Column(_("Kind"), 10),
            Column(_("Aliases")),
            Column(_("Definition")),
        ]
        yield RecordTable(columns, lambda offset, limit: [], empty=_("No terms yet."))

    def shown(self) -> None:
        """Focus the table."""
        self.query_one(RecordTable).focus()

    def help_text(self) -> str:
        """What the pane shows."""
        return _("The terms of this workspace.")
