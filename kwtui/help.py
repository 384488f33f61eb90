"""The help page of F1: what the pane and the view are for, the keys there, the keys everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from glossary.i18n import _
from kwtui import keymap
from kwtui.help_actions import sentences
from kwtui.help_views import view_help
from kwtui.themes import KEY

if TYPE_CHECKING:
    from kwtui.app import Workbench

_LABEL = "b"
_KEYS_AT_MOST = 14


@dataclass(frozen=True, slots=True)
class HelpKey:
    """One line of the help: keys, the word of the footer, a sentence."""

    keys: str
    label: str
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Some keys under a heading."""

    title: str
    keys: Sequence[HelpKey]


def common() -> tuple[HelpKey, ...]:
    """What these keys mean wherever they do anything."""
    return (
        HelpKey("Tab, Shift+Tab", _("the next view, the one before")),
        HelpKey("Esc", _("back; ends what is typed, stops what is being worked out")),
        HelpKey("Enter", _("opens or changes what is under the cursor")),
        HelpKey("Space", _("marks what is under the cursor")),
        HelpKey("/", _("filters or searches while you type")),
        HelpKey("^R", _("runs what the pane is for, or looks again")),
        HelpKey("^Z, ^Y", _("undo, redo: terms and labels")),
        HelpKey("d, Del", _("deletes, or takes off")),
        HelpKey("w", _("writes a file")),
        HelpKey("g, l, t", _("sends to the glossary, to labeling, to training")),
    )


def sections(bench: Workbench) -> tuple[Section, ...]:
    """The keys of the view in front, those of the pane's other views, those of every pane."""
    here, other, always = list[HelpKey](), list[HelpKey](), list[HelpKey]()
    for action in keymap.actions():
        if not keymap.keys_in_use(bench.choices.keys)[action.id]:
            continue
        if action.pane == "":
            always.append(_line(bench, action))
        elif action.pane == bench.current:
            works = bench.pane.check_action(action.verb, ()) is not False
            (here if works else other).append(_line(bench, action))
    tabs = [HelpKey(keymap.display(spec.key), spec.title) for spec in bench.specs]
    made = (
        Section(_("Keys here"), here),
        Section(_("Keys of the other views"), other),
        Section(_("The same in every pane"), (*common(), *always)),
        Section(_("Panes"), tabs),
    )
    return tuple(section for section in made if section.keys)


def words(bench: Workbench) -> str:
    """What the pane in front is for, and the view that it shows."""
    parts = (bench.pane.help_text(), view_help(bench.current, bench.pane.view_name))
    return "\n\n".join(part for part in parts if part)


def _line(bench: Workbench, action: keymap.Action) -> HelpKey:
    keys = keymap.keys_in_use(bench.choices.keys)[action.id]
    shown = ", ".join(keymap.display(key) for key in keys)
    return HelpKey(shown, action.description, sentences().get(action.id, ""))


def page(text: str, parts: Sequence[Section], width: int) -> Content:
    """The page for a window of so many columns: keys in one column, words wrapped beside it."""
    lines = [Content(text)]
    for part in parts:
        lines += [Content(""), Content.styled(part.title, _LABEL)]
        column = min(_KEYS_AT_MOST, max(Content(key.keys).cell_length for key in part.keys))
        for key in part.keys:
            lines += _wrapped(key, column, width)
    return Content("\n").join(lines)


def _wrapped(key: HelpKey, column: int, width: int) -> list[Content]:
    tail = ((": ", ""), (key.sentence, "")) if key.sentence else ()
    meaning = Content.assemble((key.label, _LABEL if tail else ""), *tail)
    return hanging(key.keys, meaning, column, width)


def hanging(key: str, meaning: Content | str, column: int, width: int) -> list[Content]:
    """A key in its column and what it does beside it, on as many lines as that takes."""
    rows = (Content(meaning) if isinstance(meaning, str) else meaning).wrap(
        max(20, width - column - 2)
    )
    room = column - Content(key).cell_length
    head = Content.assemble((key, KEY), " " * max(0, room), "  ")
    indent = Content(" " * (column + 2))
    if room < 0:
        return [head, *(indent + row for row in rows)]
    return [head + rows[0], *(indent + row for row in rows[1:])]
