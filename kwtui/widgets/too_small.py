"""What a window that is too small shows, until it is large enough again."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Static

from glossary.i18n import _

LEAST = Size(80, 24)


def too_small(size: Size) -> bool:
    """Whether the panes do not fit."""
    return size.width < LEAST.width or size.height < LEAST.height


class TooSmall(Screen[None]):
    """Lies over everything: no key reaches what is beneath, and nothing there changes its shape."""

    def compose(self) -> ComposeResult:
        """One sentence in the middle."""
        yield Static(Content(self._sentence()), id="too-small")

    def _sentence(self) -> str:
        size = self.app.size
        return _(
            "This window has {width} x {height}; kwtui needs {least}.\n"
            "Make it larger, or the letters smaller. Nothing is lost meanwhile."
        ).format(width=size.width, height=size.height, least=f"{LEAST.width} x {LEAST.height}")

    def on_resize(self) -> None:
        """Say the size that it has now."""
        self.query_one("#too-small", Static).update(Content(self._sentence()))

    def on_screen_resume(self) -> None:
        """A window that was opened over this one has closed; perhaps there is room by now."""
        if not too_small(self.app.size):
            self.dismiss(None)

    def on_paste(self, event: events.Paste) -> None:
        """What is pasted blindly goes nowhere."""
        event.stop()

    def on_key(self, event: events.Key) -> None:
        """What is typed blindly goes nowhere; the keys that quit work before this."""
        event.stop()
