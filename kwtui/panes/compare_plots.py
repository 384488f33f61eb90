"""The ladder as plots in letters: F1 with its interval, F1 against cost, mistakes, the curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.content import Content

from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.compare_view import CompareView
from kwtui.themes import KEY, MUTED
from kwtui.widgets.line_chart import STYLES, Curve, Grid, Plot, Point
from kwtui.widgets.line_chart import drawn as drawn_plot
from kwtui.widgets.lines import Lines
from kwtui.widgets.span_editor import drawn, wrapped

if TYPE_CHECKING:
    from engines.evaluation.measured import LearningCurve
    from engines.evaluation.results import RungResult
    from kwtui.panes.compare import ComparePane
    from kwtui.services.compare import Opened

_MARKS = "123456789abcdefghijklmnopqrstuvwxyz"
_FIGURES = ("scores", "cost", "mistakes", "curve")


class PlotsView(CompareView, can_focus=True):
    """One figure at a time; f goes to the next."""

    view_id: ClassVar[str] = "plots"

    def __init__(self, pane: ComparePane) -> None:
        super().__init__(pane)
        self.figure = _FIGURES[0]

    def compose(self) -> ComposeResult:
        """The title, the figure."""
        yield Lines(id="figure-title", classes="line")
        yield Lines(id="figure")

    async def opened(self) -> None:
        """Take the keys."""
        self.focus()
        self.changed()

    def changed(self) -> None:
        """Draw the figure anew."""
        lines = self.query_one("#figure", Lines)
        rows = self.pane.result.rows if self.pane.result is not None else ()
        plain = self.bench.choices.borders == "ascii"
        width, height = lines.size.width, lines.size.height
        titles = {
            "scores": _("F1 with its 95 % interval over texts"),
            "cost": _("F1 against seconds a text (each line ten times as slow)"),
            "mistakes": _("Mistakes of both strategies by kind"),
            "curve": _("F1 by number of labeled texts: o measured, * fitted, - its interval"),
        }
        self.query_one("#figure-title", Lines).show(
            [Content.styled(f" {titles[self.figure]}", "b")]
        )
        if not width or not height:
            return
        if self.figure == "scores":
            lines.show(intervals(rows, width, plain=plain))
        elif self.figure == "cost":
            lines.show(costs(rows, width, height, plain=plain))
        elif self.figure == "mistakes":
            lines.show(mistakes(self.pane.opened, width, plain=plain))
        else:
            lines.show(learning(self.pane.curve, width, height, plain=plain))

    def on_resize(self, event: events.Resize) -> None:
        """Fit the new size."""
        self.call_after_refresh(self.changed)

    def action_figure(self) -> None:
        """The next figure."""
        at = _FIGURES.index(self.figure) + 1
        self.figure = _FIGURES[at % len(_FIGURES)]
        self.changed()

    async def action_leave(self) -> None:
        """Back to the table."""
        await self.pane.show_view("table")


def intervals(rows: Sequence[RungResult], width: int, *, plain: bool = False) -> list[Content]:
    """One line a rung: name, interval with its middle, F1; all on the axis from 0 to 1."""
    names = [_fit(printable(row.label or row.strategy), 20) for row in rows]
    left = max((name.cell_length for name in names), default=0) + 2
    room = max(10, width - left - 8)
    dash, dot = ("-", "o") if plain else ("─", "●")
    ends = ("|", "|") if plain else ("├", "┤")
    found = [Content("")]
    for name, row in zip(names, rows, strict=True):
        cells = [" "] * room
        low, high = (_at(value, room) for value in (row.f1_low, row.f1_high))
        cells[low : high + 1] = [dash] * (high - low + 1)
        cells[low], cells[high] = ends
        cells[_at(row.scores.f1, room)] = dot
        bar = Content.styled("".join(cells), "b $primary")
        gap = " " * (left - name.cell_length - 1)
        found.append(Content.assemble(" ", name, gap, bar, f" {row.scores.f1:.3f}"))
    if not rows:
        return [_unmeasured()]
    ruler = "0" + " " * (room // 2 - 3) + "0.5" + " " * (room - room // 2 - 2) + "1"
    return [*found, Content.styled(" " * left + ruler[: room + 1], MUTED)]


def _unmeasured() -> Content:
    sentence = _("No ladder has been run yet: `kwtui ladder`, or r in the table.")
    return Content.styled(" " + sentence, MUTED)


def _at(value: float, room: int) -> int:
    return min(room - 1, max(0, round(value * (room - 1))))


def costs(
    rows: Sequence[RungResult], width: int, height: int, *, plain: bool = False
) -> list[Content]:
    """A point a rung: F1 upwards, seconds a text to the right, each tenfold the same distance."""
    known = [(row, 1 / row.texts_per_second) for row in rows if row.texts_per_second > 0]
    if not known:
        return [_unmeasured()]
    legends = _legends([row for row, _seconds in known], width)
    logs = [math.log10(seconds) for _row, seconds in known]
    first, last = math.floor(min(logs)), max(math.ceil(max(logs)), math.floor(min(logs)) + 1)
    columns, lines = width - 8, max(4, height - len(legends) - 3)
    grid = Grid(columns, lines, ascii_only=True)
    rule = "|" if plain else "│"
    for decade in range(first + 1, last):
        x = round((decade - first) / (last - first) * (columns - 1))
        for y in range(lines):
            grid.put(y, x, ":" if plain else "┊", MUTED)
    for number, ((row, _seconds), log) in enumerate(zip(known, logs, strict=True)):
        x = round((log - first) / (last - first) * (columns - 1))
        y = round((1 - row.scores.f1) * (lines - 1))
        grid.put(y, x, _MARKS[number % len(_MARKS)], STYLES[number % len(STYLES)])
    labels = {0: "1.0", lines // 2: f"{1 - (lines // 2) / (lines - 1):.2f}", lines - 1: "0.0"}
    found = [
        Content.assemble((f" {labels.get(y, ''):>4} {rule}", MUTED), grid.line(y))
        for y in range(lines)
    ]
    ends = (_seconds_of(first), _seconds_of(last))
    gap = max(1, columns - len(ends[0]) - len(ends[1]))
    axis = " " * 7 + ends[0] + " " * gap + ends[1]
    return [*found, Content.styled(axis, MUTED), Content(""), *legends]


def _seconds_of(exponent: int) -> str:
    value = 10.0**exponent
    return f"{value:g} s" if value >= 1 else f"{value * 1000:g} ms"


def _legends(rows: Sequence[RungResult], width: int) -> list[Content]:
    """Letters and names, as many in a line as fit."""
    lines, line = list[Content](), Content(" ")
    for number, row in enumerate(rows):
        name = _fit(printable(row.label or row.strategy), 24)
        mark = _MARKS[number % len(_MARKS)]
        part = Content.assemble((mark, STYLES[number % len(STYLES)]), " ", name, "   ")
        if line.cell_length + part.cell_length > width and line.cell_length > 1:
            lines.append(line)
            line = Content(" ")
        line = Content.assemble(line, part)
    return [*lines, line]


def mistakes(opened: Opened | None, width: int, *, plain: bool = False) -> list[Content]:
    """Two bars a kind of mistake, the first and the second strategy."""
    from engines.evaluation.sending import group_names

    if opened is None:
        return [_unmeasured()]
    names, summary = group_names(), opened.summary
    most = max((g.count for g in (*summary.groups_first, *summary.groups_second)), default=0)
    left = max(Content(name).cell_length for name in names.values()) + 2
    room = max(8, width - left - 12)
    letters = ("#", "=") if plain else ("█", "▒")
    found = [
        Content.assemble(
            " ", (letters[0], STYLES[0]), f" {drawn(summary.first)}   ",
            (letters[1], STYLES[1]), f" {drawn(summary.second)}",
        ),
        Content(""),
    ]  # fmt: skip
    for one, other in zip(summary.groups_first, summary.groups_second, strict=True):
        for number, group in enumerate((one, other)):
            name = names[group.group] if number == 0 else ""
            gap = " " * (left - Content(name).cell_length)
            cells = round(group.count / most * room) if most else 0
            cells = max(cells, 1) if group.count else 0
            bar = Content.styled(letters[number] * cells, STYLES[number])
            found.append(Content.assemble(" ", (name, KEY), gap, bar, f" {group.count:,}"))
    return found


def learning(
    curve: LearningCurve | None, width: int, height: int, *, plain: bool = False
) -> list[Content]:
    """F1 against labeled texts, as measured and as fitted, and what more labels would bring."""
    if curve is None or not curve.points:
        said = _("No learning curve has been measured yet: `kwtui ladder --curve`.")
        return [Content.styled(f" {said}", MUTED)]
    words = printable(curve.words)
    told = [Content(f" {words[row.start : row.end].strip()}") for row in wrapped(words, width - 2)]
    measured = [Point(n, f1, low, high) for n, f1, low, high in curve.points]
    fitted = [Point(n, f1, f1, f1) for n, f1, _low, _high in curve.fit]
    below = [Point(n, low, low, low) for n, _f1, low, _high in curve.fit]
    above = [Point(n, high, high, high) for n, _f1, _low, high in curve.fit]
    every = [point.x for point in (*measured, *fitted)]
    plot = Plot(
        [
            Curve(below, "-", MUTED),
            Curve(above, "-", MUTED),
            Curve(fitted, "*", STYLES[1]),
            Curve(measured, "o", STYLES[0]),
        ],
        min(every),
        max(every),
        number=lambda value: f"{value:.2f}",
    )
    chart = drawn_plot(plot, width, max(4, height - len(told) - 1), ascii_only=plain)
    return [*chart, Content(""), *told]


def _fit(name: str, most: int) -> Content:
    content = Content(name)
    return content if content.cell_length <= most else content.truncate(most, ellipsis=True)
