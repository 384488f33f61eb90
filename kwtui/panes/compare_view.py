"""What the views of the compare pane share."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import BindingsMap
from textual.containers import Vertical

from kwtui import keymap

if TYPE_CHECKING:
    from kwtui.app import Workbench
    from kwtui.panes.compare import ComparePane


class CompareView(Vertical):
    """One view of the pane, with those of its keys that it has actions for."""

    view_id: ClassVar[str] = ""

    def __init__(self, pane: ComparePane) -> None:
        super().__init__(id=f"compare-{self.view_id}", classes="view")
        self.pane = pane

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

    def changed(self) -> None:
        """Another result or another pair of strategies: draw that."""

    async def opened(self) -> None:
        """The view has come to the front."""
