"""What the views of a pane with several views share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import BindingsMap
from textual.containers import Vertical

from kwtui import keymap
from kwtui.panes.base import Pane

if TYPE_CHECKING:
    from kwtui.app import Workbench


class PaneView(Vertical):
    """One view of a pane, with those of its keys that it has actions for."""

    view_id: ClassVar[str] = ""
    prefix: ClassVar[str] = "view"

    def __init__(self, pane: Pane) -> None:
        super().__init__(id=f"{self.prefix}-{self.view_id}", classes="view")
        # Each pane's views say which pane it is.
        self.pane: Any = pane

    @property
    def bench(self) -> Workbench:
        """The app."""
        return cast("Workbench", self.app)

    def on_mount(self) -> None:
        """Bind the keys; a subclass that overrides this calls it."""
        every = keymap.bindings_for(self.pane.pane_id, self.bench.choices.keys)
        own = [one for one in every if hasattr(self, f"action_{one.action.partition('(')[0]}")]
        self._bindings = BindingsMap(own)

    @property
    def busy(self) -> bool:
        """Whether something asked for is still being worked on."""
        return False

    async def opened(self) -> None:
        """The view has come to the front."""
