"""The dataset pane: the texts of the corpus as a table."""

from __future__ import annotations

from textual.app import ComposeResult

from glossary.i18n import _
from kwtui.panes.base import Pane
from kwtui.widgets.record_table import Column, RecordTable


class DatasetPane(Pane):
    """The texts of the workspace."""

    pane_id = "dataset"

    def compose(self) -> ComposeResult:
        """One table."""
        columns = [Column(_("Split"), 8), Column(_("Status"), 12), Column(_("Text"))]
        yield RecordTable(columns, lambda offset, limit: [], empty=_("No texts yet."))

    def shown(self) -> None:
        """Focus the table."""
        self.query_one(RecordTable).focus()

    def help_text(self) -> str:
        """What the pane shows."""
        return _("The texts of this workspace with their keywords.")
