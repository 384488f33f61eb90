"""What the views of the glossary pane share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import BindingsMap
from textual.containers import Vertical

from glossary.errors import UserError
from kwtui import keymap

if TYPE_CHECKING:
    from kwtui.app import Workbench
    from kwtui.panes.glossary import GlossaryPane


def working(action: Callable[[Any], Awaitable[None]]) -> Callable[[Any], None]:
    """An action that waits for the glossary's process, beside the keys: they never wait for it.

    Actions are done one after the other, in the order of their keys.
    """

    @wraps(action)
    def start(self: GlossaryView) -> None:
        self.pane.waiting += 1
        self.run_worker(_done(self, action), group="actions", exit_on_error=True)

    return start


async def _done(view: GlossaryView, action: Callable[[Any], Awaitable[None]]) -> None:
    try:
        async with view.pane.turn:
            await action(view)
    finally:
        view.pane.waiting -= 1


class GlossaryView(Vertical):
    """One view of the pane, with those of its keys that it has actions for."""

    view_id: ClassVar[str] = ""

    def __init__(self, pane: GlossaryPane) -> None:
        super().__init__(id=f"terms-{self.view_id}", classes="view")
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

    def about(self) -> Sequence[str]:
        """What this view shows, for the line above it."""
        return ()

    async def opened(self) -> None:
        """The view has come to the front."""

    async def changed(self, term_id: str = "") -> None:
        """Terms have changed; `term_id`: the one to go to."""

    async def ask(self, method: str, **params: Any) -> Any:
        """The answer of the glossary's process; None, and the sentence shown, when it refused."""
        try:
            return await self.pane.request(method, **params)
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return None

    @working
    async def action_undo(self) -> None:
        """Take the latest change of this person back."""
        await self.pane.invert("undo")

    @working
    async def action_redo(self) -> None:
        """Do again what was taken back."""
        await self.pane.invert("redo")
