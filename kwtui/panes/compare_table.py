"""The ladder as a table: a rung a line, what it costs, and the advice beneath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content

from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.panes.compare_view import CompareView
from kwtui.progress import duration
from kwtui.themes import KEY, MUTED, WRONG
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable
from kwtui.widgets.span_editor import wrapped

if TYPE_CHECKING:
    from engines.evaluation.results import LadderResult, RungResult

# Widths from which on the table shows more of what a rung costs.
_WIDE, _WIDEST = 120, 160


class TableView(CompareView):
    """Every rung of the last ladder; Space and Enter choose which two are compared."""

    view_id: ClassVar[str] = "table"

    def compose(self) -> ComposeResult:
        """The rungs; what follows from them."""
        empty = _("No strategy has been measured here yet: r runs the ladder, `kwtui ladder` too.")
        yield RecordTable([], self._fetch, id="rungs", empty=empty)
        yield Lines(id="advice")

    @property
    def table(self) -> RecordTable:
        """The rungs."""
        return self.query_one("#rungs", RecordTable)

    @property
    def rows(self) -> Sequence[RungResult]:
        """The rungs that were measured."""
        return self.pane.result.rows if self.pane.result is not None else ()

    async def opened(self) -> None:
        """Stand in the table."""
        self.table.focus()
        self.changed()

    def changed(self) -> None:
        """Draw the result anew."""
        self.table.set_columns(columns(self.size.width))
        self.table.reload(len(self.rows))
        # As many lines as there are rungs: the advice stands right under them.
        self.table.styles.height = min(len(self.rows) + 2, max(4, self.size.height * 2 // 3))
        names = [row.strategy for row in self.rows]
        pair = self.pane.pair
        if pair is not None and pair.second in names:
            self.table.cursor = names.index(pair.second)
        lines = self.query_one("#advice", Lines)
        result = self.pane.result
        told = [] if result is None else below(result, self.pane.looks, lines.size.width)
        if result is None and self.pane.elsewhere:
            said = _("Measured are: {splits}. s shows them.")
            told = [Content(" " + said.format(splits=printable(", ".join(self.pane.elsewhere))))]
        room = lines.size.height
        if 0 < room < len(told):
            key = self.bench.key_names("compare.advice")[0]
            more = _("{key} shows all of it").format(key=key)
            told = [*told[: room - 1], Content.styled(f" … {more}", MUTED)]
        lines.show(told)

    def on_resize(self, event: events.Resize) -> None:
        """Fit the columns and the advice to the new width."""
        self.call_after_refresh(self.changed)

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        width, pair = self.size.width, self.pane.pair
        found = []
        for row in self.rows[offset : offset + limit]:
            mark = " "
            if pair is not None:
                mark = "1" if row.strategy == pair.first else mark
                mark = "2" if row.strategy == pair.second else mark
            found.append([Content.styled(mark, KEY), *cells(row, width)])
        return found

    @on(RecordTable.Selected, "#rungs")
    async def _selected(self, event: RecordTable.Selected) -> None:
        await self.pane.choose(second=self.rows[event.row].strategy)
        await self.pane.show_view("texts")

    async def action_against(self) -> None:
        """Compare against this rung."""
        if self.rows:
            await self.pane.choose(first=self.rows[self.table.cursor].strategy)
            self.changed()

    async def action_run(self) -> None:
        """Measure the strategies in the background."""
        await self.pane.run_ladder()

    async def action_advice(self) -> None:
        """All that stands under the table, on a page of its own."""
        from kwtui.widgets.dialogs import HelpScreen

        result = self.pane.result
        if result is not None:
            said = [*result.gold_problems, *result.advice, *result.notes()]
            title = _("Advice for {split}").format(split=printable(result.split))
            self.app.push_screen(HelpScreen(title, "\n\n".join(map(printable, said)), ()))

    async def action_missing(self) -> None:
        """Train the rungs that are missing, then measure."""
        await self.pane.train_missing()

    async def action_report(self) -> None:
        """Write the report of this result."""
        await self.pane.write_report()


def columns(width: int) -> list[Column]:
    """The columns; in a wide window what every rung cost as well."""
    found = [
        Column("", 1), Column(_("Strategy")), Column("F1", 5, True), Column("95 %", 11, True),
        Column(_("gain"), 6, True), Column("p", 6, True), Column(_("texts/s"), 8, True),
        Column(_("memory"), 8, True), Column(_("effort"), 6, True),
    ]  # fmt: skip
    if width >= _WIDE:
        found += [
            Column(_("latency"), 12, True), Column(_("training"), 8, True),
            Column(_("labeled"), 8, True), Column(_("tokens"), 6, True),
            Column(_("seeds"), 5, True), Column(_("Model"), 16),
        ]  # fmt: skip
    if width >= _WIDEST:
        found += [
            Column(_("new terms"), 9, True), Column(_("epochs"), 6, True),
            Column(_("GPU hours"), 9, True),
        ]  # fmt: skip
    return found


def cells(row: RungResult, width: int) -> list[Cell]:
    """The figures of a rung, "-" where there is none."""
    delta = row.delta
    real = delta is not None and delta.p_corrected < 0.05
    gain = "-" if delta is None else f"{delta.difference:+.3f}"
    name = printable(row.label or row.strategy)
    found: list[Cell] = [
        Content.styled(name, WRONG) if row.stale else name,
        f"{row.scores.f1:.3f}",
        f"{row.f1_low:.3f}-{row.f1_high:.3f}",
        Content.styled(gain, "b" if real else MUTED),
        "-" if delta is None else p_value(delta.p_corrected),
        f"{row.texts_per_second:,.1f}",
        size(row.gpu_peak_bytes or row.peak_bytes),
        "*" * row.effort,
    ]
    if width >= _WIDE:
        found += [
            f"{row.latency_p50 * 1000:,.0f}/{row.latency_p95 * 1000:,.0f} ms",
            duration(row.training_seconds) if row.training_seconds else "-",
            f"{row.labeled_examples:,}" if row.labeled_examples else "-",
            f"{row.prompt_tokens:,.0f}" if row.prompt_tokens else "-",
            str(row.seeds),
            printable(row.model) or "-",
        ]
    if width >= _WIDEST:
        unseen = row.scores.unseen.rate if row.scores.unseen else None
        found += [
            "-" if unseen is None else f"{unseen:.3f}",
            f"{row.epochs:g}" if row.epochs else "-",
            f"{row.gpu_hours:.2f}" if row.gpu_hours else "-",
        ]
    return found


def below(result: LadderResult, looks: int, width: int) -> list[Content]:
    """What stands under the table: problems of the gold labels, advice, how often test was used."""
    lines: list[Content] = [Content("")]
    if any(row.stale for row in result.rows):
        said = _("Texts or labels have changed since: run the ladder again.")
        lines.append(Content.styled(f" {said}", WRONG))
    for sentence in (*result.gold_problems, *result.advice):
        style = WRONG if sentence in result.gold_problems else ""
        shown = printable(sentence)
        for number, row in enumerate(wrapped(shown, max(width - 4, 8))):
            lead = " - " if number == 0 else "   "
            lines.append(Content.assemble((lead, MUTED), (shown[row.start : row.end], style)))
    for note in map(printable, result.notes()):
        for number, row in enumerate(wrapped(note, max(width - 4, 8))):
            lead = " - " if number == 0 else "   "
            lines.append(Content.assemble((lead, MUTED), (note[row.start : row.end], MUTED)))
    count = ngettext_("{count} text of {split}", "{count} texts of {split}", result.texts)
    facts = [
        count.format(count=f"{result.texts:,}", split=result.split),
        result.created[:16].replace("T", " "),
    ]
    lines += [Content(""), Content.styled(" " + printable(" | ".join(facts)), MUTED)]
    used = ngettext_("test scored {count} time", "test scored {count} times", result.test_uses)
    facts = [used.format(count=result.test_uses)]
    if looks:
        seen = ngettext_("{count} test text looked at", "{count} test texts looked at", looks)
        facts.append(seen.format(count=looks))
    return [*lines, Content.styled(" " + printable(" | ".join(facts)), MUTED)]


def p_value(value: float) -> str:
    """A p-value as papers print it."""
    return "<.001" if value < 0.001 else f"{value:.3f}".lstrip("0")


def size(count: float) -> str:
    """Bytes as a person reads them."""
    if count < 1 << 30:
        return f"{count / (1 << 20):,.0f} MiB"
    return f"{count / (1 << 30):,.1f} GiB"
