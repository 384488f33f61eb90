"""Curves with axes in letters: braille dots, or plain letters where a terminal has no more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from kwtui.themes import KEY, MUTED, WRONG
from kwtui.widgets.lines import Lines

# Dots of a braille cell (Unicode U+2800): column 0 and 1, from the top.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
# Colours told apart by colour-blind people too, and in sixteen colours (Wong 2011, by theme).
STYLES = ("b $primary", "b $accent", "b $success", "b $secondary")
LEFT = 8


@dataclass(frozen=True, slots=True)
class Point:
    """What a stretch of steps holds: its middle, the ends of what was seen, or nothing finite."""

    x: float
    mean: float
    low: float
    high: float
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """Points by rising x; `mark` is the letter at its end, so that colours are not needed."""

    points: Sequence[Point]
    mark: str = "*"
    style: str = STYLES[0]


@dataclass(frozen=True, slots=True)
class Plot:
    """What a chart shows. `pins`: places on the x axis with a word each; `first`, `last`: of x."""

    curves: Sequence[Curve] = ()
    first: float = 0.0
    last: float = 1.0
    pins: Sequence[tuple[float, str]] = ()
    number: Callable[[float], str] = lambda value: f"{value:.4g}"
    empty: str = ""


def smoothed(points: Iterable[Point], weight: float) -> list[Point]:
    """Points with an exponential moving mean (weight 0: as they are; towards 1: ever smoother)."""
    found: list[Point] = []
    mean = math.nan
    for point in points:
        if weight and math.isfinite(point.mean):
            mean = point.mean if math.isnan(mean) else weight * mean + (1 - weight) * point.mean
            point = Point(point.x, mean, mean, mean, point.bad)
        found.append(point)
    return found


class LineChart(Lines):
    """Draws a plot; of what changes only the cells that look different are painted."""

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._plot = Plot()
        self._ascii = ascii_only

    def plot(self, plot: Plot) -> None:
        """Show this."""
        self._plot = plot
        self._redraw()

    def on_resize(self) -> None:
        """Fit the new size."""
        self._redraw()
        super().on_resize()

    def _redraw(self) -> None:
        width, height = self.size.width, self.size.height
        if width and height:
            self.show(drawn(self._plot, width, height, ascii_only=self._ascii))


def drawn(plot: Plot, width: int, height: int, *, ascii_only: bool = False) -> list[Content]:
    """The plot as lines: values on the left, steps beneath."""
    seen = [p for c in plot.curves for p in c.points if plot.first <= p.x <= plot.last]
    values = [v for p in seen for v in (p.low, p.high) if math.isfinite(v)]
    columns, rows = width - LEFT, height - 1
    if columns < 8 or rows < 2 or not seen:
        return [Content(" " + plot.empty)] if height else []
    low, high = _limits(values)
    grid = Grid(columns, rows, ascii_only)
    for curve in plot.curves:
        _trace(grid, curve, plot, low, high)
    shown = _rows(grid, plot, low, high, ascii_only)
    return [*shown, _axis(plot, columns, ascii_only)]


class Grid:
    """Cells with dots, a style and perhaps a letter each; what is drawn last lies on top."""

    def __init__(self, columns: int, rows: int, ascii_only: bool) -> None:
        self.columns, self.rows = columns, rows
        self.wide, self.tall = (1, 1) if ascii_only else (2, 4)
        self._dots: dict[tuple[int, int], int] = {}
        self._letters: dict[tuple[int, int], str] = {}
        self._styles: dict[tuple[int, int], str] = {}

    @property
    def dots_across(self) -> int:
        """Dots in a line."""
        return self.columns * self.wide

    @property
    def dots_down(self) -> int:
        """Dots in a column."""
        return self.rows * self.tall

    def bar(self, x: int, top: int, bottom: int, mark: str, style: str) -> None:
        """Set the dots of column `x` from `top` to `bottom`, counted from above."""
        for y in range(max(0, top), min(self.dots_down - 1, bottom) + 1):
            at = (y // self.tall, x // self.wide)
            if self.wide == 1:
                self._letters[at] = mark
            else:
                self._dots[at] = self._dots.get(at, 0) | _DOTS[x % 2][y % 4]
            self._styles[at] = style

    def put(self, row: int, column: int, letter: str, style: str) -> None:
        """Put a letter into a cell."""
        if 0 <= row < self.rows and 0 <= column < self.columns:
            self._letters[row, column], self._styles[row, column] = letter, style

    def line(self, row: int) -> Content:
        """One line of cells."""
        parts: list[tuple[str, str]] = []
        for column in range(self.columns):
            at = (row, column)
            letter = self._letters.get(at) or chr(
                0x2800 + self._dots[at] if at in self._dots else 32
            )
            style = self._styles.get(at, "")
            if parts and parts[-1][1] == style:
                parts[-1] = (parts[-1][0] + letter, style)
            else:
                parts.append((letter, style))
        return Content.assemble(*parts)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the y axis: round numbers around what is seen."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    span = (high - low) or abs(high) * 0.1 or 1.0
    # Round ends: the curve stays where it is while values come in.
    step = 10.0 ** math.floor(math.log10(span)) / 4
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    return (bottom, top) if top > bottom else (bottom, bottom + step)


def _trace(grid: Grid, curve: Curve, plot: Plot, low: float, high: float) -> None:
    """Draw one curve: the range of each column, joined to the column before."""
    across, down = grid.dots_across, grid.dots_down
    span = (plot.last - plot.first) or 1.0

    def x_of(value: float) -> int:
        return min(across - 1, max(0, round((value - plot.first) / span * (across - 1))))

    def y_of(value: float) -> int:
        return round((high - value) / (high - low) * (down - 1))

    before: tuple[int, int] | None = None
    for point in curve.points:
        if not plot.first <= point.x <= plot.last:
            continue
        x = x_of(point.x)
        if point.bad:
            grid.put(0, x // grid.wide, "!", WRONG)
        if not math.isfinite(point.mean):
            before = None
            continue
        y = y_of(point.mean)
        if before is not None:
            _join(grid, before, (x, y), curve)
        grid.bar(x, y_of(point.high), y_of(point.low), curve.mark, curve.style)
        before = (x, y)
    if before is not None:
        grid.put(before[1] // grid.tall, before[0] // grid.wide, curve.mark, curve.style)


def _join(grid: Grid, one: tuple[int, int], other: tuple[int, int], curve: Curve) -> None:
    """A line between two points, without gaps in steep places."""
    (x0, y0), (x1, y1) = one, other
    last = y0
    for x in range(x0 + 1, x1 + 1):
        y = round(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        grid.bar(x, min(last, y), max(last, y), curve.mark, curve.style)
        last = y


def _rows(grid: Grid, plot: Plot, low: float, high: float, ascii_only: bool) -> list[Content]:
    rule = "|" if ascii_only else "│"
    labels = {0: high, grid.rows - 1: low}
    if grid.rows >= 5:
        labels[grid.rows // 2] = high - (high - low) * (grid.rows // 2) / (grid.rows - 1)
    lines = []
    for row in range(grid.rows):
        label = plot.number(labels[row]) if row in labels else ""
        lines.append(
            Content.assemble((f"{label[: LEFT - 2]:>{LEFT - 2}} {rule}", MUTED), grid.line(row))
        )
    return lines


def _axis(plot: Plot, columns: int, ascii_only: bool) -> Content:
    """The line beneath: the first and the last x, and the pins between."""
    corner, dash = ("+", "-") if ascii_only else ("└", "─")
    first, last = f"{plot.first:,.0f} ", f" {plot.last:,.0f}"
    cells = list(first + dash * (columns - len(first) - len(last)) + last)[:columns]
    span = (plot.last - plot.first) or 1.0
    pinned: set[int] = set()
    for x, word in plot.pins:
        if not plot.first <= x <= plot.last:
            continue
        at = round((x - plot.first) / span * (columns - 1))
        start = max(0, min(at, columns - cell_len(word) - 1))
        place = start
        for letter in "^" + word if start == at else word + "^":
            width = cell_len(letter)
            if place + width <= columns:
                cells[place : place + width] = [letter, *[""] * (width - 1)]
                pinned.update(range(place, place + width))
            place += width
    parts = [(" " * (LEFT - 1) + corner, MUTED)]
    parts += [(letter, KEY if at in pinned else MUTED) for at, letter in enumerate(cells)]
    return Content.assemble(*parts)
