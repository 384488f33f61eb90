"""The keys of the compare pane: table, texts, mistakes, plots."""

from __future__ import annotations

from glossary.i18n import _
from kwtui.keymap import Action


def compare() -> tuple[Action, ...]:
    """Every action of the pane, those that are used most first."""
    rows = (
        ("next-view", ("tab",), _("Next view"), True),
        ("against", ("space",), _("Against this"), True),
        ("verdict", ("v",), _("Won, lost"), True),
        ("label", ("l",), _("To labeling"), True),
        ("glossary", ("g",), _("To glossary"), True),
        ("train", ("t",), _("To training"), True),
        ("open", ("o",), _("Label it now"), True),
        ("figure", ("f",), _("Figure"), True),
        ("split", ("s",), _("Dev or test"), True),
        ("swap", ("x",), _("Swap"), True),
        ("advice", ("a",), _("Advice"), True),
        ("run", ("r", "ctrl+r"), _("Run the ladder"), True),
        ("missing", ("m",), _("Train missing"), True),
        ("report", ("w",), _("Report"), True),
        ("previous-view", ("shift+tab",), _("Previous view"), False),
        ("leave", ("escape",), _("All texts, or the table"), False),
    )
    return tuple(Action(f"compare.{verb}", keys, words, on) for verb, keys, words, on in rows)
