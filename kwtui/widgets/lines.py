"""Lines of text of which only those that change are painted again: few bytes over SSH."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Lines(Widget):
    """Shows given lines from the top; what does not fit is left out."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._contents: list[Content] = []
        self._drawn: list[Strip] = []

    def show(self, lines: Sequence[Content]) -> None:
        """Show these lines; those that look as before are not painted again."""
        self._contents = list(lines)
        self.paint()

    def paint(self) -> None:
        """Draw anew what has changed since it was drawn last."""
        width, height = self.size
        fresh = [self.draw(y) for y in range(height)]
        before, self._drawn = self._drawn, fresh
        if len(before) != height:
            self.refresh()
            return
        changed = [y for y in range(height) if fresh[y] != before[y]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def draw(self, y: int) -> Strip:
        """One line as it is to look now."""
        content = self._contents[y] if y < len(self._contents) else Content("")
        width = self.size.width
        if content.cell_length > width:
            content = content.truncate(width, ellipsis=True)
        style = self.visual_style
        strip = Strip(content.render_segments(style))
        return strip.adjust_cell_length(width, style.rich_style)

    def on_resize(self) -> None:
        """Fit the new width."""
        self._drawn = []
        self.paint()

    def notify_style_update(self) -> None:
        """Another theme: every line looks different."""
        super().notify_style_update()
        self._drawn = []
        if self.is_mounted:
            self.call_later(self.paint)

    def render_line(self, y: int) -> Strip:
        """The line as it was drawn."""
        return self._drawn[y] if y < len(self._drawn) else self.draw(y)
