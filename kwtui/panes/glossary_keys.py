"""Keys typed faster than the place opens in which they are meant to be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.widget import Widget
from textual.widgets import Input

if TYPE_CHECKING:
    from kwtui.panes.glossary_sheet import CellInput, Sheet

# Actions after which one types: in a cell, in a form, in the filter.
_OPENING = ("edit", "add", "form", "filter")
# The longest that keys are held when nothing opens.
_PATIENCE = 1.0


class TypedAhead(Widget):
    """The part of the terms view that lets no letter act as a key when it was meant as text.

    Keys wait in the queue of the sheet while a cell, a form or the filter is being opened, and
    come up here in their order: what follows a key that opens something is held until it is open.
    """

    editor: CellInput | None
    _held: list[events.Key] | None = None

    if TYPE_CHECKING:

        @property
        def sheet(self) -> Sheet:
            """The table."""

    def typed_ahead(self, event: events.Key) -> bool:
        """Keep a key that is meant for what is being opened, or for what has just been opened."""
        typing = isinstance(self.screen.focused, Input) and event.is_printable
        if self._held is not None:
            self._held.append(event)
        elif self.app.screen is not self.screen or typing:
            self._hand_on(event)
        else:
            if self._opens(event.key):
                self._held = []
                self.set_timer(_PATIENCE, self.release)
            return False
        event.stop()
        event.prevent_default()
        return True

    def _opens(self, key: str) -> bool:
        """Whether this is a key of the sheet after which one types."""
        if not self.sheet.has_focus or self.editor is not None:
            return False
        found = self._bindings.key_to_bindings.get(key, [])
        return any(one.action in _OPENING for one in found)

    def release(self) -> None:
        """What was to open is open, or will not be: hand on the keys that were held."""
        held, self._held = self._held or [], None
        for event in held:
            self._hand_on(event)

    def _hand_on(self, event: events.Key) -> None:
        """Let the widget that has the focus now have a key."""
        target = self.app.screen.focused or self.app.screen
        target.post_message(events.Key(event.key, event.character))
