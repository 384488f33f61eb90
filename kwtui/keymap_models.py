"""The keys of the models pane."""

from __future__ import annotations

from glossary.i18n import _
from kwtui.keymap import Action


def models() -> tuple[Action, ...]:
    """Every action of the pane, those that are used most first."""
    return (
        Action("models.export", ("e",), _("Export")),
        Action("models.card", ("c",), _("Card")),
        Action("models.search", ("slash",), _("Search")),
        Action("models.refresh", ("r", "ctrl+r"), _("Look again")),
        Action("models.stop", ("escape",), _("Stop, or show all"), shown=False),
    )
