"""What every pane is: a part of the window with its own keys, help and state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import BindingsMap
from textual.containers import Vertical

from kwtui import keymap

if TYPE_CHECKING:
    from kwtui.app import Workbench
    from kwtui.hosts import Host


class Pane(Vertical):
    """A pane of the workbench.

    A subclass sets `pane_id`, composes its widgets (one of them focusable) and may override
    `help_text`, `shown`, `state`, `restore` and `busy`. Its keys come from `kwtui.keymap`: the
    action "glossary.add" calls `action_add`. Services are asked through `self.bench.host(...)`.
    """

    pane_id: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__(id=f"pane-{self.pane_id}", classes="pane")

    @property
    def bench(self) -> Workbench:
        """The app, with its workspace, settings, hosts and messages."""
        return cast("Workbench", self.app)

    def on_mount(self) -> None:
        """Bind the keys of the registry; a subclass that overrides this calls it."""
        self._bindings = BindingsMap(keymap.bindings_for(self.pane_id, self.bench.choices.keys))

    @property
    def view_name(self) -> str:
        """Which of its views is in front, "" for a pane that has none."""
        view = getattr(self, "view", "")
        return view if isinstance(view, str) else str(getattr(view, "view_id", ""))

    def help_text(self) -> str:
        """What this pane is for, as plain paragraphs; F1 shows it above the keys."""
        return ""

    def shown(self) -> None:
        """The pane has come to the front: refresh what may have changed, focus a widget.

        Called after mounting and each time its tab is chosen.
        """

    def host_changed(self, host: Host) -> None:
        """A service has started, become ready or busy, ended or died."""

    @property
    def busy(self) -> bool:
        """Whether something asked for is still being worked on (`wait idle` of `kwtui play`)."""
        return False

    def state(self) -> dict[str, Any]:
        """What to keep between starts, as JSON types."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned; any key may be missing. Called before `shown`."""
