"""Every key of the screen in one registry; config.toml may give an action other keys.

    [keys]
    quit = "ctrl+x"
    extract.run = "f9, ctrl+r"

In Hangul mode a terminal sends the letter that stands on the same key of the Korean layout, so
each letter key works as its jamo too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from textual.binding import Binding

# The Korean layout (두벌식) of the letter keys; the second line is what Shift gives.
JAMO = dict(
    zip(
        "qwertyuiopasdfghjklzxcvbnm",
        "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ",
        strict=True,
    )
)
JAMO |= dict(zip("QWERTOP", "ㅃㅉㄸㄲㅆㅒㅖ", strict=True))

MODIFIERS = frozenset({"ctrl", "shift", "alt", "super", "hyper", "meta"})
_NAMED = """
    up down left right home end pageup pagedown insert delete backspace enter tab space escape
    comma full_stop slash backslash question_mark exclamation_mark colon semicolon minus plus
    equals_sign underscore left_square_bracket right_square_bracket number_sign asterisk at
    f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12
"""


@dataclass(frozen=True, slots=True)
class Action:
    """Something a key does: `id` is "pane.verb", or "verb" for what works in every pane.

    The method called is `action_verb` of the pane or the app. `shown`: in the footer. `early`:
    before the focused widget sees the key. Not for what works on a text that is being typed: the
    letters before such a key may still be on their way to the widget.
    """

    id: str
    keys: tuple[str, ...]
    description: str
    shown: bool = True
    early: bool = False

    @property
    def pane(self) -> str:
        """The id of the pane it belongs to, "" for every pane."""
        return self.id.rpartition(".")[0]

    @property
    def verb(self) -> str:
        """The name of the method without `action_`."""
        return self.id.rpartition(".")[2].replace("-", "_")


def actions() -> tuple[Action, ...]:
    """Every action, in the order of the footer and of the help, in the language in use."""
    return (
        *_everywhere(),
        *_extract(),
        *_glossary(),
        *_dataset(),
        *_training(),
        *_tokenizer(),
        *_compare(),
        *_models(),
    )


def _everywhere() -> tuple[Action, ...]:
    return (
        Action("help", ("f1",), _("Help"), early=True),
        Action("palette", ("ctrl+p",), _("Commands"), early=True),
        Action("contrast", ("f12",), _("High contrast"), False, True),
        Action("tour", (), _("The tour: six screens on what there is"), shown=False),
        Action("next-pane", ("ctrl+right_square_bracket",), _("Next pane"), False, True),
        Action("quit", ("ctrl+q",), _("Quit"), early=True),
        Action("how-to-quit", ("ctrl+c",), _("How to quit"), shown=False),
    )


def _extract() -> tuple[Action, ...]:
    return (
        Action("extract.run", ("ctrl+r",), _("Extract")),
        Action("extract.strategy", ("ctrl+t",), _("Strategy")),
        Action("extract.pick", ("ctrl+o",), _("From corpus")),
        Action("extract.view", ("ctrl+g",), _("Prompt")),
        Action("extract.missed", ("m", "ctrl+l"), _("Missed")),
        Action("extract.wrong", ("x", "delete"), _("Wrong")),
        Action("extract.retry", ("r",), _("Retry")),
        Action("extract.keep-note", ("n",), _("Keep note")),
        Action("extract.send", ("s", "ctrl+s"), _("To corpus")),
        Action("extract.write", ("w",), _("Write file")),
        Action("extract.copy", ("c",), _("Copy")),
        Action("extract.cancel", ("escape",), _("Text/list"), shown=False),
    )


def _glossary() -> tuple[Action, ...]:
    from kwtui.keymap_glossary import glossary

    return glossary()


def _dataset() -> tuple[Action, ...]:
    from kwtui.keymap_dataset import dataset

    return dataset()


def _training() -> tuple[Action, ...]:
    from kwtui.keymap_training import training

    return training()


def _tokenizer() -> tuple[Action, ...]:
    from kwtui.keymap_tokenizer import tokenizer

    return tokenizer()


def _compare() -> tuple[Action, ...]:
    from kwtui.keymap_compare import compare

    return compare()


def _models() -> tuple[Action, ...]:
    from kwtui.keymap_models import models

    return models()


def keys_in_use(overrides: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The keys of each action: its own, or those of the table `keys` of config.toml.

    Raises UserError for an unknown action and for what is no key.
    """
    chosen = {action.id: action.keys for action in actions()}
    for name, value in _flat(overrides):
        if name not in chosen:
            near = difflib.get_close_matches(name, chosen, n=1)
            sentence = _("config.toml: there is no action keys.{name}; did you mean {near}?")
            if not near:
                sentence = _("config.toml: there is no action keys.{name}; F1 lists them.")
            raise UserError(sentence.format(name=name, near=next(iter(near), "")))
        chosen[name] = tuple(_checked(name, key) for key in _split(name, value))
    return chosen


def bindings_for(pane: str, overrides: Mapping[str, object]) -> list[Binding]:
    """The bindings of a pane ("": of the app), each letter with its jamo."""
    from textual.binding import Binding

    keys = keys_in_use(overrides)
    made = []
    for action in actions():
        if action.pane != pane:
            continue
        for key in keys[action.id]:
            for alias in aliases(key):
                made.append(
                    Binding(
                        alias,
                        action.verb,
                        action.description,
                        show=action.shown and alias == key,
                        key_display=display(key),
                        # A letter must reach the text area first.
                        priority=action.early and len(alias) > 1,
                        id=f"{action.id}:{alias}",
                    )
                )
    return made


def aliases(key: str) -> Iterator[str]:
    """The key and, for a letter, the jamo on the same key."""
    yield key
    *modifiers, letter = key.split("+")
    if letter in JAMO:
        yield "+".join([*modifiers, JAMO[letter]])


def display(key: str) -> str:
    """A key as a person reads it: ^R, F9, Del."""
    names = {
        "escape": "Esc",
        "delete": "Del",
        "enter": "Enter",
        "space": "Space",
        "right_square_bracket": "]",
        "left_square_bracket": "[",
        "slash": "/",
        "question_mark": "?",
        "plus": "+",
        "minus": "-",
        "up": "Up",
        "down": "Down",
        "left": "Left",
        "right": "Right",
    }
    *modifiers, last = key.split("+")
    shown = names.get(last, last if len(last) == 1 else last.capitalize())
    if modifiers == ["ctrl"]:
        return "^" + shown.upper()
    return "+".join([*(m.capitalize() for m in modifiers), shown])


def _flat(overrides: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """`extract.run = ...` is a table in a table for TOML; both spellings mean the same."""
    for name, value in overrides.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _split(name: str, value: object) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        sentence = _('config.toml: keys.{name} must be keys in quotes, such as "ctrl+r, f9".')
        raise UserError(sentence.format(name=name))
    return [part.strip() for part in parts if part.strip()]


def _checked(name: str, key: str) -> str:
    *modifiers, last = key.split("+")
    last = last if len(last) == 1 else last.lower()
    known = len(last) == 1 or last in _NAMED.split()
    if not known or not {m.lower() for m in modifiers} <= MODIFIERS:
        sentence = _(
            "config.toml: keys.{name}: {key} is no key; write for example ctrl+r, f9 or x."
        )
        raise UserError(sentence.format(name=name, key=key))
    return "+".join([*(m.lower() for m in modifiers), last])
