"""The Extract pane: a text, a strategy, the keywords it finds."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import TextArea

from glossary.i18n import _
from kwtui.panes.base import Pane


class ExtractPane(Pane):
    """Type or paste a text and see its keywords."""

    pane_id = "extract"

    def compose(self) -> ComposeResult:
        """The text."""
        yield TextArea(classes="box")

    def shown(self) -> None:
        """Focus the text."""
        self.query_one(TextArea).focus()

    def help_text(self) -> str:
        """What the pane is for."""
        return _("Type or paste a text and extract its keywords.")
