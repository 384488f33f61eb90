"""The panes in the order of their tabs; a pane's module is imported when it is first shown."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glossary.i18n import _

if TYPE_CHECKING:
    from kwtui.panes.base import Pane


@dataclass(frozen=True, slots=True)
class PaneSpec:
    """One pane: its id, the title of its tab, the key that shows it, and where its class is.

    `short`: the title where the window is too narrow for all of them, "" for the same.
    """

    id: str
    title: str
    key: str
    module: str
    class_name: str
    short: str = ""

    def load(self) -> type[Pane]:
        """The class; imports its module."""
        found: type[Pane] = getattr(importlib.import_module(self.module), self.class_name)
        return found


def panes() -> tuple[PaneSpec, ...]:
    """Every pane, titles in the language in use."""
    return (
        PaneSpec("extract", _("Extract"), "f2", "kwtui.panes.extract", "ExtractPane"),
        PaneSpec(
            "glossary", _("Glossary"), "f3", "kwtui.panes.glossary", "GlossaryPane", _("Terms")
        ),
        PaneSpec("dataset", _("Dataset"), "f4", "kwtui.panes.dataset", "DatasetPane", _("Labels")),
        PaneSpec("train", _("Train"), "f5", "kwtui.panes.train", "TrainPane"),
        PaneSpec("monitor", _("Monitor"), "f6", "kwtui.panes.monitor", "MonitorPane", _("Runs")),
        PaneSpec(
            "tokenizer", _("Tokenizer"), "f7", "kwtui.panes.tokenizer", "TokenizerPane", _("Tokens")
        ),
        PaneSpec("compare", _("Compare"), "f8", "kwtui.panes.compare", "ComparePane"),
        PaneSpec("models", _("Models"), "f9", "kwtui.panes.models", "ModelsPane"),
    )
