"""A text of several lines in a window that comes and goes."""

from __future__ import annotations

from textual.widgets import TextArea


class Area(TextArea):
    """A TextArea that is freed with its window.

    Textual's watches the theme of the app, and what watches stays in the app's list until the
    theme changes (textual/reactive.py): each window that was ever open would stay in memory.
    """

    def on_unmount(self) -> None:
        """Watch no theme any more."""
        watching = getattr(self.app, "__watchers", {}).get("theme", [])
        watching[:] = [entry for entry in watching if entry[0] is not self]
