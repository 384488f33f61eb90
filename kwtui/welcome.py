"""The first screen without a workspace: open the demo, or make a workspace."""

from __future__ import annotations

import os

os.environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")

from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from engines.workspace import is_workspace
from glossary.i18n import _
from glossary.text import printable
from kwtui import keymap
from kwtui.choices import read_choices
from kwtui.looks import Looks
from kwtui.widgets.dialogs import AskScreen


class Welcome(Looks, App[str]):
    """Asks what to open; the result is "demo", the path of a folder to make, or None."""

    AUTO_FOCUS = "OptionList"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,ㅂ,ctrl+q", "quit", show=False),
        Binding("d,ㅇ", "demo", show=False),
        Binding("i,ㅑ", "make", show=False),
        Binding("t,ㅅ,f1", "tour", show=False),
    ]

    def __init__(self) -> None:
        self.choices = read_choices(None)
        super().__init__()
        self.dress()

    def compose(self) -> ComposeResult:
        """A sentence and the lines to choose from."""
        with Vertical(classes="window", id="welcome") as window:
            window.border_title = "kwtui"
            window.border_subtitle = _("Enter chooses")
            yield Static(
                Content(
                    _(
                        "There is no workspace in {path}. A workspace is a folder with the texts, "
                        "terms and models of one domain."
                    ).format(path=printable(str(Path.cwd())))
                    + "\n"
                )
            )
            yield OptionList(
                Option(_("d  Open the demo: Korean medicine, with a small model"), id="demo"),
                Option(_("i  Make a workspace (kwtui init DIR)"), id="make"),
                Option(_("t  A tour of six screens: what this is"), id="tour"),
                Option(_("q  Quit"), id="quit"),
                markup=False,
                compact=True,
            )

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do what the chosen line says."""
        await self.run_action(str(event.option.id))

    def action_demo(self) -> None:
        """Leave with the demo."""
        self.exit("demo")

    def action_tour(self) -> None:
        """Show what there is, before anything is chosen."""
        from kwtui.tour import TourScreen

        keys = keymap.keys_in_use({})
        self.push_screen(TourScreen(lambda name: keymap.display(keys[name][0])))

    def action_make(self) -> None:
        """Ask for a folder and leave with it."""

        def chosen(folder: str | None) -> None:
            if folder:
                self.exit(str(Path(folder).expanduser()))

        self.push_screen(
            AskScreen(_("Folder of the new workspace"), "my-domain", check=_wrong_folder), chosen
        )


def _wrong_folder(value: str) -> str:
    folder = Path(value.strip()).expanduser()
    if not value.strip():
        return _("Name a folder.")
    if is_workspace(folder):
        return _("{path} is already a workspace.").format(path=folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _("{path} exists and is not an empty folder; name a new one.").format(path=folder)
    return ""
