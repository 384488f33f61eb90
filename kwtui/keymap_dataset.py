"""The keys of the dataset pane: labeling, list, adjudication, checks."""

from __future__ import annotations

from glossary.i18n import _
from kwtui.keymap import Action


def dataset() -> tuple[Action, ...]:
    """Every action of the pane, those that are used most first."""
    return (*_labels(), *_moves(), *_candidates(), *_views())


def _labels() -> tuple[Action, ...]:
    return (
        Action("dataset.approve", ("enter",), _("Approve")),
        Action("dataset.mark", ("space",), _("Label")),
        Action("dataset.undo", ("backspace", "ctrl+z"), _("Undo")),
        Action("dataset.hints", ("h",), _("Hints")),
        Action("dataset.reject", ("x", "ctrl+x"), _("None")),
        Action("dataset.skip", ("s",), _("Skip")),
        Action("dataset.flag", ("f",), _("Flag")),
        Action("dataset.glossary", ("g",), _("To glossary")),
        Action("dataset.guideline", ("f2", "question_mark"), _("Guideline")),
        Action("dataset.redo", ("ctrl+y",), _("Redo"), shown=False),
        Action("dataset.clear", ("c", "delete"), _("Take every label off"), shown=False),
        Action("dataset.note", ("n",), _("Pin a note to the term"), shown=False),
        Action("dataset.bar", ("b",), _("To the not-a-keyword list"), shown=False),
        Action("dataset.suggest", ("t",), _("Strategy that suggests"), shown=False),
        Action("dataset.preselect", ("p",), _("Likely candidates labeled or not"), shown=False),
        Action("dataset.order", ("o",), _("Order of work"), shown=False),
        Action("dataset.filter", ("i",), _("Filter"), shown=False),
        Action("dataset.search", ("slash",), _("Search"), shown=False),
        Action("dataset.jump", ("j",), _("Go to a text by its id"), shown=False),
    )


def _moves() -> tuple[Action, ...]:
    rows = (
        ("right", ("right",), _("Next morpheme")),
        ("left", ("left",), _("Previous morpheme")),
        ("next-candidate", ("down",), _("Next candidate")),
        ("previous-candidate", ("up",), _("Previous candidate")),
        ("next-character", ("ctrl+right",), _("Next character")),
        ("previous-character", ("ctrl+left",), _("Previous character")),
        ("longer", ("shift+right",), _("Longer by a morpheme")),
        ("shorter", ("shift+left",), _("Shorter by a morpheme")),
        ("longer-by-character", ("ctrl+shift+right", "shift+down"), _("Longer by a character")),
        ("shorter-by-character", ("ctrl+shift+left", "shift+up"), _("Shorter by a character")),
        ("unit", ("u",), _("Arrows by character or morpheme")),
        ("leave", ("escape",), _("End hints, close")),
    )
    return tuple(Action(f"dataset.{verb}", keys, words, False) for verb, keys, words in rows)


def _candidates() -> tuple[Action, ...]:
    words = _("Candidate {number}")
    return tuple(
        Action(
            f"dataset.candidate-{number}", (str(number % 10),), words.format(number=number), False
        )
        for number in range(1, 11)
    )


def _views() -> tuple[Action, ...]:
    return (
        Action("dataset.next-view", ("tab",), _("Next view")),
        Action("dataset.previous-view", ("shift+tab",), _("Previous view"), shown=False),
        Action("dataset.work", ("l",), _("Label these texts")),
        Action("dataset.both", ("b",), _("All of both sides")),
        Action("dataset.run", ("r", "ctrl+r"), _("Check again")),
        Action("dataset.everywhere", ("a",), _("Label everywhere")),
        Action("dataset.nowhere", ("d",), _("Label nowhere")),
    )
