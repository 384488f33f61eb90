"""The keys of the train and the monitor pane."""

from __future__ import annotations

from glossary.i18n import _
from kwtui.keymap import Action


def training() -> tuple[Action, ...]:
    """Every action of both panes, those that are used most first."""
    return (*_train(), *_proposals(), *_monitor(), *_queue())


def _train() -> tuple[Action, ...]:
    return (
        Action("train.start", ("ctrl+r",), _("Start")),
        Action("train.preset", ("p",), _("Recipe")),
        Action("train.model", ("m",), _("Model")),
        Action("train.measure", ("t",), _("Time")),
        Action("train.reset", ("backspace", "delete"), _("Default")),
        Action("train.next-view", ("tab",), _("Next view")),
        Action("train.open", ("o",), _("Open file")),
        Action("train.write", ("w",), _("Write file")),
        Action("train.apply", ("ctrl+s",), _("Take the text")),
        Action("train.previous-view", ("shift+tab",), _("Previous view"), shown=False),
        Action("train.leave", ("escape",), _("To the form, or stop"), shown=False),
    )


def _proposals() -> tuple[Action, ...]:
    words = _("Proposal {number} that saves memory")
    return tuple(
        Action(f"train.proposal-{n}", (str(n),), words.format(number=n), False) for n in range(1, 7)
    )


def _monitor() -> tuple[Action, ...]:
    rows = (
        ("stop", ("s",), _("Stop"), True),
        ("resume", ("r",), _("Resume"), True),
        ("mark", ("space",), _("Compare"), True),
        ("figure", ("f",), _("Figure"), True),
        ("next-view", ("tab",), _("Next view"), True),
        ("zoom-in", ("plus", "equals_sign"), _("Zoom"), True),
        ("zoom-out", ("minus",), _("Zoom out"), False),
        ("smooth", ("m",), _("Smooth"), True),
        ("search", ("slash",), _("Search the log"), True),
        ("remove", ("d", "delete"), _("Remove"), True),
        ("bell", ("b",), _("Bell at the end"), True),
        ("older", ("left",), _("Earlier steps, or a page back"), False),
        ("newer", ("right",), _("Later steps, or a page on"), False),
        ("attach", ("o",), _("Watch a folder"), False),
        ("again", ("n",), _("Next place found"), False),
        ("previous-view", ("shift+tab",), _("Previous view"), False),
    )
    return tuple(Action(f"monitor.{verb}", keys, words, on) for verb, keys, words, on in rows)


def _queue() -> tuple[Action, ...]:
    rows = (
        ("enqueue", ("a",), _("Into the queue"), True),
        ("earlier", ("shift+up", "left_square_bracket"), _("Earlier in the queue"), False),
        ("later", ("shift+down", "right_square_bracket"), _("Later in the queue"), False),
        ("hold", ("h",), _("Hold back, or let go on"), False),
        ("hold-all", ("H",), _("Hold the whole queue, or let it go on"), False),
        ("unqueue", ("x",), _("Out of the queue"), True),
    )
    return tuple(Action(f"monitor.{verb}", keys, words, on) for verb, keys, words, on in rows)
