"""What the views of the dataset pane share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwtui.panes.view import PaneView

if TYPE_CHECKING:
    from kwtui.panes.dataset import DatasetPane


class DatasetView(PaneView):
    """One view of the pane, with those of its keys that it has actions for."""

    pane: DatasetPane

    def left(self) -> None:
        """Another view comes to the front."""
