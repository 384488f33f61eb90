"""What the views of the glossary pane share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from glossary.errors import UserError
from kwtui.panes.view import PaneView

if TYPE_CHECKING:
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


class GlossaryView(PaneView):
    """One view of the pane, with those of its keys that it has actions for."""

    pane: GlossaryPane

    prefix = "terms"

    def about(self) -> Sequence[str]:
        """What this view shows, for the line above it."""
        return ()

    async def changed(self, term_id: str = "") -> None:
        """Terms have changed; `term_id`: the one to go to."""

    async def ask(self, method: str, **params: Any) -> Any:
        """The answer of the glossary's process; None, and the sentence shown, when it refused."""
        from kwtui.services.request import RequestCancelled

        try:
            return await self.pane.request(method, **params)
        except RequestCancelled:
            # The app is leaving.
            return None
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
