"""The monitor pane: every run of the workspace, wherever it was started, alive or ended."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui.commands._runs_text import comparison
from kwtui.panes.base import Pane
from kwtui.panes.monitor_actions import RunActions
from kwtui.panes.monitor_feed import Feed, View, Wish
from kwtui.panes.monitor_log import LogActions
from kwtui.panes.monitor_view import (
    FIGURES,
    columns,
    legend,
    list_line,
    machine_lines,
    plot,
    samples_page,
    values,
)
from kwtui.themes import MUTED, ON
from kwtui.widgets.line_chart import LineChart
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable

VIEWS = ("curves", "samples", "log", "machine", "compare")
TICK, HIDDEN_TICKS = 1.0, 5
# Of the time at most this share goes into looking, however many runs there are.
SHARE = 0.05
SMOOTHING = (0.0, 0.6, 0.9)


class MonitorPane(RunActions, LogActions, Pane):
    """The list of runs, what the chosen one is doing, and one of five views of it."""

    pane_id = "monitor"

    def __init__(self) -> None:
        super().__init__()
        self.wish = Wish()
        self.found = View()
        self.figure, self.zoom, self.shift, self.smoothing = "loss", 1, 0.0, 0
        self.bell = True
        self._feed: Feed | None = None
        self._looking = False
        self._again = False
        self._ticks = 0
        self._rest_until = 0.0
        self._listed: list[tuple[Cell, ...]] | None = None
        self._first_line = 0

    def compose(self) -> ComposeResult:
        """The views' names; the list; values and the view in front beneath or beside it."""
        # Without colours only its letters tell one curve from another.
        plain = self.bench.choices.borders == "ascii" or self.app.no_color
        yield Lines(id="monitor-head")
        with Horizontal(id="monitor-body"):
            key = "F5"
            empty = _("No runs yet: {key} starts one, `kwtui train` too.").format(key=key)
            yield RecordTable(columns(), self._fetch, id="runs", empty=empty)
            with Vertical(id="monitor-run"):
                yield Lines(id="run-values")
                yield Lines(id="run-legend")
                with Vertical(id="view-curves"):
                    yield LineChart(ascii_only=plain, id="chart")
                    yield Lines(id="second-legend")
                    yield LineChart(ascii_only=plain, id="second-chart")
                with VerticalScroll(id="view-samples", can_focus=False):
                    yield Static("", id="samples-text")
                with VerticalScroll(id="view-compare", can_focus=False):
                    yield Static("", id="comparison-text")
                yield Lines(id="view-machine")
                yield RecordTable([Column("")], self.log_lines, id="view-log", empty="-")

    def on_mount(self) -> None:
        """Begin to look."""
        super().on_mount()
        self._feed = Feed(self.bench.workspace)
        self.show_view(self.wish.view)
        self.set_interval(TICK, self._tick)

    def shown(self) -> None:
        """Look at once."""
        if not self.has_focus_within:
            self.table.focus()
        self.look()

    @property
    def view_name(self) -> str:
        """Which of its views is in front."""
        return self.wish.view

    def help_text(self) -> str:
        """What the pane is for."""
        return _(
            "All runs of the workspace, started here, by a command or on another machine; closing "
            "this program stops none. Stop has a run save a checkpoint and end, or ends it at "
            "once; Resume goes on from the last checkpoint with the same data order. Space marks "
            "runs: their curves lie over each other, and Compare puts them side by side.\n\n"
            "Tab goes from the curves to sample extractions, the log, the machine and the "
            "comparison. F chooses the figure; + and - zoom, Left and Right move the part that is "
            "shown, and turn the pages of the other views. A loss that is no number is shown as "
            "what it is, with ! at its step; ^ under the curve is the best checkpoint so far."
        )

    # Looking

    @property
    def table(self) -> RecordTable:
        """The list of runs."""
        return self.query_one("#runs", RecordTable)

    @property
    def busy(self) -> bool:
        """Whether a look or an action is under way."""
        return self._looking or self.acting

    def _tick(self) -> None:
        self._ticks += 1
        due = self.display or self._ticks % HIDDEN_TICKS == 0
        if due and time.monotonic() >= self._rest_until:
            self.look()

    def look(self) -> None:
        """Read what is new and draw it; a look that is under way is followed by another."""
        if self._looking:
            self._again = True
        elif self._feed is not None:
            self._looking = True
            self.run_worker(self._look(), group="look", exit_on_error=True)

    async def _look(self) -> None:
        assert self._feed is not None
        try:
            before, start = self.found, time.monotonic()
            self.found = await asyncio.to_thread(self._feed.look, self.wish)
            now = time.monotonic()
            self._rest_until = now + (now - start) / SHARE - TICK
            if self.is_mounted:
                self._ring(before)
                self.draw()
        except (OSError, UserError) as error:
            said = error.sentence if isinstance(error, UserError) else str(error)
            self.bench.say(said)
        finally:
            self._looking = False
            if self._again and self.is_mounted:
                self._again = False
                self.call_later(self.look)

    def _ring(self, before: View) -> None:
        """Say, with the terminal's bell, that a run has ended."""
        working = {row.run.id for row in before.rows if row.run.alive}
        for row in self.found.rows:
            if row.run.id in working and not row.run.alive:
                from kwtui.commands._runs_text import state as word

                said = _("{id}: {state}.").format(id=row.run.id, state=word(row.shot.state))
                self.bench.say(said)
                if self.bell:
                    self.app.bell()

    async def choose(self, run: str) -> None:
        """Stand on a run, for one that was just started."""
        self.wish.run = run
        self.look()

    # Drawing

    def _fetch(self, offset: int, limit: int) -> list[tuple[Cell, ...]]:
        rows = self.found.rows[offset : offset + limit]
        return [list_line(row, self.wish.marked) for row in rows]

    def draw(self) -> None:
        """Bring everything up to the last look."""
        self._draw_list()
        self.draw_head()
        chosen = self.found.chosen
        plain = self.bench.choices.borders == "ascii"
        told = self.query_one("#run-values", Lines)
        width = told.size.width
        told.show([] if chosen is None else values(chosen, width, ascii_only=plain))
        if self.wish.view == "curves":
            self._draw_curves()
        elif self.wish.view == "samples":
            page = Content("") if chosen is None else samples_page(chosen)
            self.query_one("#samples-text", Static).update(page)
        elif self.wish.view == "log":
            self.draw_log()
        elif self.wish.view == "machine":
            lines = machine_lines(self.found, width, ascii_only=plain)
            shown = self.query_one("#view-machine", Lines)
            self._first_line = max(0, min(self._first_line, len(lines) - shown.size.height))
            shown.show(lines[self._first_line :])
        elif self.found.comparison is not None:
            told_ = comparison(self.found.comparison, max(24, width - 2))
            lines_ = [Content(printable(line)) for line in told_]
            self.query_one("#comparison-text", Static).update(Content("\n").join(lines_))

    def _draw_list(self) -> None:
        rows = self.found.rows
        shown = [list_line(row, self.wish.marked) for row in rows]
        before, self._listed = self._listed, shown
        if before is None or len(before) != len(shown):
            self._fit_list(len(rows))
            self.table.reload(len(rows))
        else:
            other = [n for n, line in enumerate(shown) if line != before[n]]
            self.table.renew(other)
        at = next((n for n, row in enumerate(rows) if row.run.id == self.wish.run), 0)
        if rows:
            self.wish.run = rows[at].run.id
        if self.table.cursor != at:
            self.table.cursor = at

    def _fit_list(self, count: int) -> None:
        """As many lines as there are runs, within what the curves can spare."""
        most = max(4, self.size.height // 4)
        height = min(max(count + 1, 3), most)
        if self.table.styles.height is None or self.table.styles.height.value != height:
            self.table.styles.height = height

    def on_resize(self) -> None:
        """Fit the new height."""
        self._fit_list(len(self.found.rows))
        self.call_after_refresh(self.draw)

    def draw_head(self) -> None:
        """The views in a line, and how many runs work."""
        titles = {
            "curves": _("Curves"),
            "samples": _("Samples"),
            "log": _("Log"),
            "machine": _("Machine"),
            "compare": _("Compare"),
        }
        parts = [
            Content.styled(f" {title} ", ON if name == self.wish.view else MUTED)
            for name, title in titles.items()
        ]
        line = Content.assemble(" ", *parts)
        told = _("{count} at work").format(count=sum(r.run.alive for r in self.found.rows))
        if self.found.paused:
            told += ", " + _("the queue is held")
        head = self.query_one("#monitor-head", Lines)
        gap = max(1, head.size.width - line.cell_length - Content(told).cell_length - 1)
        head.show([Content.assemble(line, " " * gap, (told, MUTED))])

    def _draw_curves(self) -> None:
        chosen = self.found.chosen
        names = list(FIGURES)
        second = names[(names.index(self.figure) + 1) % len(names)]
        for figure, chart, title in (
            (self.figure, "#chart", "#run-legend"),
            (second, "#second-chart", "#second-legend"),
        ):
            legends = self.query_one(title, Lines)
            if chosen is None:
                legends.show([])
                continue
            weight = SMOOTHING[self.smoothing]
            drawn = plot(chosen, figure, zoom=self.zoom, shift=self.shift, weight=weight)
            self.query_one(chart, LineChart).plot(drawn)
            words = legend(chosen, figure, weight)
            legends.show([Content.styled(" " + printable(words), MUTED)])

    @on(RecordTable.Highlighted, "#runs")
    def _run_chosen(self, event: RecordTable.Highlighted) -> None:
        if event.row < len(self.found.rows):
            run = self.found.rows[event.row].run.id
            if run != self.wish.run:
                self.wish.run = run
                self.look()

    # Views

    def show_view(self, view: str) -> None:
        """Bring a view to the front."""
        self.wish.view = view
        for name in VIEWS:
            self.query_one(f"#view-{name}").display = name == view
        self.query_one("#run-legend").display = view == "curves"
        self.draw_head()

    def action_next_view(self) -> None:
        """Curves, samples, log, machine, comparison."""
        self._step(1)

    def action_previous_view(self) -> None:
        """The other way round."""
        self._step(-1)

    def _step(self, step: int) -> None:
        self.show_view(VIEWS[(VIEWS.index(self.wish.view) + step) % len(VIEWS)])
        target = "#view-log" if self.wish.view == "log" else "#runs"
        self.query_one(target).focus()
        self.look()

    def action_figure(self) -> None:
        """The next figure."""
        names = list(FIGURES)
        self.figure = names[(names.index(self.figure) + 1) % len(names)]
        self._draw_curves()

    def action_zoom_in(self) -> None:
        """Half as many steps."""
        self.zoom = min(64, self.zoom * 2)
        self._draw_curves()

    def action_zoom_out(self) -> None:
        """Twice as many steps."""
        self.zoom = max(1, self.zoom // 2)
        self._draw_curves()

    def action_older(self) -> None:
        """Earlier steps of what the zoom shows; of other views the page before."""
        self._move(1)

    def action_newer(self) -> None:
        """Later steps; of other views the next page."""
        self._move(-1)

    def _move(self, way: int) -> None:
        if self.wish.view in ("samples", "compare"):
            page = self.query_one(f"#view-{self.wish.view}", VerticalScroll)
            page.scroll_relative(y=-way * max(1, page.size.height - 1), animate=False)
        elif self.wish.view == "machine":
            height = self.query_one("#view-machine").size.height
            self._first_line -= way * max(1, height - 1)
            self.draw()
        elif self.zoom > 1:
            step = way / (2 * (self.zoom - 1))
            self.shift = min(1.0, max(0.0, self.shift + step))
            self._draw_curves()

    def action_smooth(self) -> None:
        """Smoother, smoothest, as measured."""
        self.smoothing = (self.smoothing + 1) % len(SMOOTHING)
        self._draw_curves()

    def action_bell(self) -> None:
        """The bell at the end of a run: on or off."""
        self.bell = not self.bell
        self.bench.say(_("The bell is on.") if self.bell else _("The bell is off."))

    # State

    def state(self) -> dict[str, Any]:
        """Where the monitor stood."""
        return {
            "run": self.wish.run,
            "marked": self.wish.marked,
            "view": self.wish.view,
            "figure": self.figure,
            "bell": self.bell,
            "others": self.wish.others,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last time ended."""
        self.wish.run = str(state.get("run", ""))
        marked, others = state.get("marked"), state.get("others")
        self.wish.marked = [str(run) for run in marked] if isinstance(marked, list) else []
        self.wish.others = [str(one) for one in others] if isinstance(others, list) else []
        if state.get("figure") in FIGURES:
            self.figure = str(state["figure"])
        if state.get("view") in VIEWS:
            self.show_view(str(state["view"]))
        self.bell = state.get("bell") is not False
