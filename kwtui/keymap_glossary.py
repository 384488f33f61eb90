"""The keys of the glossary pane: the terms, the candidates, the changes."""

from __future__ import annotations

from glossary.i18n import _
from kwtui.keymap import Action


def glossary() -> tuple[Action, ...]:
    """Every action of the pane, those that are used most first."""
    return (*_terms(), *_many(), *_files(), *_changes(), *_views())


def _terms() -> tuple[Action, ...]:
    return (
        Action("glossary.edit", ("enter",), _("Edit")),
        Action("glossary.filter", ("slash",), _("Filter")),
        Action("glossary.add", ("a", "insert"), _("Add")),
        Action("glossary.form", ("e",), _("Form")),
        Action("glossary.delete", ("d", "delete"), _("Delete")),
        Action("glossary.undo", ("u", "ctrl+z"), _("Undo")),
        Action("glossary.merge", ("m",), _("Merge")),
        Action("glossary.history", ("h",), _("History")),
        Action("glossary.category", ("c",), _("Kind")),
        Action("glossary.redo", ("y", "ctrl+y"), _("Redo"), shown=False),
        Action("glossary.exclude", ("x",), _("Not a keyword")),
        Action("glossary.editor", ("v",), _("Definition in $EDITOR"), shown=False),
        Action("glossary.order", ("o",), _("Order"), shown=False),
        Action("glossary.which", ("k",), _("All, keywords, not-a-keyword list"), shown=False),
        Action("glossary.leave", ("escape",), _("Unmark, end the filter"), shown=False),
    )


def _many() -> tuple[Action, ...]:
    return (
        Action("glossary.mark", ("space",), _("Mark")),
        Action("glossary.mark-down", ("shift+down",), _("Mark and go down"), shown=False),
        Action("glossary.mark-up", ("shift+up",), _("Mark and go up"), shown=False),
        Action("glossary.mark-all", ("ctrl+a",), _("Mark all that are shown"), shown=False),
        Action("glossary.bulk", ("b",), _("Set a field of the marked terms"), shown=False),
    )


def _files() -> tuple[Action, ...]:
    return (
        Action("glossary.import", ("i",), _("Import")),
        Action("glossary.export", ("w",), _("Save as a file")),
        Action("glossary.embed", ("ctrl+e",), _("Make missing vectors, or stop that"), shown=False),
    )


def _changes() -> tuple[Action, ...]:
    return (
        Action("glossary.restore", ("r",), _("Restore")),
        Action("glossary.take-back", ("t",), _("Undo this one")),
        Action("glossary.snapshot", ("n",), _("Name this state")),
        Action("glossary.compare", ("c",), _("Compare with now")),
        Action("glossary.search", ("r", "ctrl+r"), _("Look again"), shown=False),
    )


def _views() -> tuple[Action, ...]:
    return (
        Action("glossary.next-view", ("tab",), _("Next view")),
        Action("glossary.previous-view", ("shift+tab",), _("Previous view"), shown=False),
    )
