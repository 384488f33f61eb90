"""Lines of text of which only those that change are painted again: few bytes over SSH."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

# Fewer equal cells than these between two changes are painted with them.
_NEAR = 12


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
        height = self.size.height
        fresh = [self.draw(y) for y in range(height)]
        before, self._drawn = self._drawn, fresh
        if len(before) != height:
            self.refresh()
            return
        changed = [
            Region(start, y, end - start, 1)
            for y in range(height)
            if fresh[y] != before[y]
            for start, end in differing(before[y], fresh[y])
        ]
        if changed:
            self.refresh(*changed)

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


def differing(one: Strip, other: Strip) -> list[tuple[int, int]]:
    """Runs of cells in which two lines of the same width look different; wide letters stay whole.

    Runs with few equal cells between them are one: moving the cursor costs bytes too.
    """
    left, right = _cells(one), _cells(other)
    runs: list[tuple[int, int]] = []
    for at, (before, after) in enumerate(zip(left, right, strict=False)):
        if before == after:
            continue
        start, end = at, at + 1
        while start and "" in (left[start][0], right[start][0]):
            start -= 1
        while end < len(right) and "" in (left[end][0], right[end][0]):
            end += 1
        if runs and start - runs[-1][1] < _NEAR:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    return runs


def _cells(strip: Strip) -> list[tuple[str, object]]:
    """Letter and style of each cell; the second cell of a wide letter holds "".

    Letters without a width belong to the one before them.
    """
    cells: list[tuple[str, object]] = []
    for text, style, _control in strip:
        for letter in text:
            width = cell_len(letter)
            if width:
                cells.append((letter, style))
                cells += [("", style)] * (width - 1)
            elif cells:
                cells[-1] = (cells[-1][0] + letter, style)
    return cells
