"""The keys of the tokenizer pane."""

from __future__ import annotations

from glossary.i18n import _
from kwtui.keymap import Action


def tokenizer() -> tuple[Action, ...]:
    """Every action of the pane, those that are used most first."""
    return (
        Action("tokenizer.measure", ("r", "ctrl+r"), _("Measure")),
        Action("tokenizer.model", ("m",), _("Model")),
        Action("tokenizer.other", ("c",), _("Compare with")),
        Action("tokenizer.build", ("e",), _("New vocabulary")),
        Action("tokenizer.try", ("t",), _("Split a text")),
        Action("tokenizer.search", ("slash",), _("Search")),
        Action("tokenizer.stop", ("escape",), _("Stop, or show all terms"), shown=False),
    )
