"""The guideline over the text that is being labeled: to read, and to change."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from glossary.i18n import _
from glossary.text import normalise, printable
from kwtui.themes import WRONG
from kwtui.widgets.area import Area


class GuidelineScreen(ModalScreen[str | None]):
    """Shows the file; `e` makes it a text to change, Ctrl+S keeps that. The result: the new text.

    None when nothing was changed. The file is written before the window closes.
    """

    BINDINGS = [
        Binding("escape", "close", show=False),
        Binding("f2,q,ㅂ", "close", show=False),
        Binding("e,ㄷ", "edit", show=False),
        Binding("ctrl+s", "keep", show=False, priority=True),
    ]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def compose(self) -> ComposeResult:
        """The text, for reading."""
        with Vertical(classes="window tall") as window:
            window.border_title = Content(_("Guideline"))
            window.border_subtitle = Content(_("e changes it, Esc closes"))
            area = Area(
                self._read(),
                read_only=True,
                soft_wrap=True,
                show_cursor=False,
                placeholder=_("No guideline yet: e begins one. It is the file guideline.md."),
            )
            area.cursor_blink = False
            yield area
            yield Static("", id="wrong")

    def _read(self) -> str:
        try:
            return normalise(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            return str(error)

    def on_mount(self) -> None:
        """Scroll with the arrows."""
        self.query_one(TextArea).focus()

    def action_edit(self) -> None:
        """Let the text be changed."""
        area = self.query_one(TextArea)
        area.read_only, area.show_cursor = False, True
        window = self.query_one(".window")
        window.border_subtitle = Content(_("Ctrl+S keeps it, Esc closes without"))

    def action_keep(self) -> None:
        """Write the file and close."""
        area = self.query_one(TextArea)
        if area.read_only:
            return
        from engines.corpus.writers import atomic
        from glossary.errors import UserError

        text = normalise(area.text)
        try:
            with atomic(self._path) as file:
                file.write(text.encode())
        except UserError as error:
            self.query_one("#wrong", Static).update(
                Content.styled(printable(error.sentence), WRONG)
            )
            return
        self.dismiss(text)

    def action_close(self) -> None:
        """Change nothing."""
        self.dismiss(None)
