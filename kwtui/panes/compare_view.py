"""What the views of the compare pane share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwtui.panes.view import PaneView

if TYPE_CHECKING:
    from kwtui.panes.compare import ComparePane


class CompareView(PaneView):
    """One view of the pane, with those of its keys that it has actions for."""

    pane: ComparePane

    prefix = "compare"

    def changed(self) -> None:
        """Another result or another pair of strategies: draw that."""
