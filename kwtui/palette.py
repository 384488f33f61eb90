"""What the command palette offers: the actions of the pane and the app, the panes, the themes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from glossary.i18n import _
from kwtui import keymap

if TYPE_CHECKING:
    from kwtui.app import Workbench

Offer = tuple[str, str, Callable[[], object]]


def offered(bench: Workbench) -> list[Offer]:
    """Title, keys, and what to call; awaitable results are awaited by the caller."""
    keys = keymap.keys_in_use(bench.choices.keys)
    made: list[Offer] = []
    for action in keymap.actions():
        if action.pane in ("", bench.current) and action.id != "palette":
            target = bench.pane if action.pane else bench
            shown = ", ".join(keymap.display(key) for key in keys[action.id])
            made.append((action.description, shown, partial(bench.run_action, action.verb, target)))
    for spec in bench.specs:
        title = _("Pane: {title}").format(title=spec.title)
        made.append((title, keymap.display(spec.key), partial(bench.show_pane, spec.id)))
    for name, title in theme_titles().items():
        made.append((_("Theme: {title}").format(title=title), "", partial(bench.wear, name)))
    return made


def theme_titles() -> dict[str, str]:
    """The themes by name, as a person reads them."""
    return {
        "dark": _("dark"),
        "light": _("light"),
        "contrast": _("high contrast"),
        "dark-16": _("16 colours, dark"),
        "light-16": _("16 colours, light"),
        "contrast-16": _("16 colours, high contrast"),
    }
