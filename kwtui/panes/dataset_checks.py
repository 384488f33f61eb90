"""The checks view: what may be wrong with the labels, and one key that mends it everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.panes.dataset_store import Store
from kwtui.panes.dataset_view import DatasetView
from kwtui.themes import MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable
from kwtui.widgets.span_editor import LABEL

if TYPE_CHECKING:
    from engines.corpus.checks import Finding
    from kwtui.panes.dataset import DatasetPane
    from kwtui.services.messages import Progress
    from kwtui.services.review import Checked

_AROUND = 12


class ChecksView(DatasetView):
    """The checks with their counts; the findings of one of them beneath."""

    view_id: ClassVar[str] = "checks"

    def __init__(self, pane: DatasetPane, store: Store) -> None:
        super().__init__(pane)
        self.store = store
        self.found: Checked | None = None
        self._names: list[str] = []
        self._asking = False

    def compose(self) -> ComposeResult:
        """What is going on, the checks, the findings."""
        yield Lines(id="checking")
        kinds = [Column(_("Check")), Column(_("Found"), 7, right=True)]
        yield RecordTable(kinds, self._fetch_checks, id="kinds")
        yield RecordTable(self._columns(), self._fetch, id="findings", empty=_("Nothing found."))

    @property
    def kinds(self) -> RecordTable:
        """The checks."""
        return self.query_one("#kinds", RecordTable)

    @property
    def findings(self) -> RecordTable:
        """What the chosen check found."""
        return self.query_one("#findings", RecordTable)

    @property
    def busy(self) -> bool:
        """Whether the checks run."""
        return self._asking

    async def opened(self) -> None:
        """Run the checks once; `r` runs them again."""
        if not self.has_focus_within:
            self.kinds.focus()
        if self.found is None and not self._asking:
            self.action_run()

    def action_run(self) -> None:
        """Run the checks."""
        self._asking = True
        self.run_worker(self._run(), group="review", exclusive=True)

    async def _run(self) -> None:
        def on_progress(step: Progress) -> None:
            self._say(step.stage)

        try:
            await self.bench.settings()
            self._say(_("Checking labels"))
            host = self.bench.host("review")
            self.found = await host.request("check", on_progress=on_progress)
            self._names = [result.name for result in self.found.results]
            self.kinds.reload(len(self._names))
            self._show_findings()
        except UserError as error:
            self.bench.warn(error.sentence, "error")
        finally:
            self._asking = False
            self._draw()

    def _say(self, words: str) -> None:
        self.query_one("#checking", Lines).show([Content.styled(" " + words, MUTED)])

    def _draw(self) -> None:
        if self.found is None:
            return
        total = sum(result.count for result in self.found.results)
        words = ngettext_("{count} place to look at", "{count} places to look at", total)
        self._say(words.format(count=f"{total:,}"))

    # Tables

    @property
    def chosen(self) -> str:
        """The chosen check."""
        return self._names[self.kinds.cursor] if self._names else ""

    def _fetch_checks(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        from engines.corpus.checks import titles

        if self.found is None:
            return []
        known = titles()
        rows = self.found.results[offset : offset + limit]
        return [(known[row.name], f"{row.count:,}") for row in rows]

    def _columns(self) -> list[Column]:
        if self.chosen == "uneven":
            return [
                Column(_("Keyword"), 20),
                Column(_("labeled"), 8, right=True),
                Column(_("not"), 6, right=True),
                Column(_("where it is not")),
            ]
        return [Column(_("Keyword"), 20), Column(_("Note"), 14), Column(_("Text"))]

    def _show_findings(self) -> None:
        found = self.found
        if found is None or not self.chosen:
            return
        count = len(found.uneven) if self.chosen == "uneven" else len(self._listed())
        self.findings.set_columns(self._columns())
        self.findings.cursor = 0
        self.findings.reload(count)

    def _listed(self) -> list[Finding]:
        assert self.found is not None
        return next((r.findings for r in self.found.results if r.name == self.chosen), [])

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        if self.found is None:
            return []
        if self.chosen == "uneven":
            return [
                (
                    Content.styled(printable(one.surface), LABEL),
                    f"{one.labeled:,}",
                    f"{one.unlabeled:,}",
                    excerpt(one.places[0]) if one.places else "",
                )
                for one in self.found.uneven[offset : offset + limit]
            ]
        return [
            (
                Content.styled(printable(one.surface), LABEL),
                printable(one.note or one.other),
                excerpt(one),
            )
            for one in self._listed()[offset : offset + limit]
        ]

    @on(RecordTable.Highlighted, "#kinds")
    def _check_chosen(self) -> None:
        self._show_findings()

    @on(RecordTable.Selected, "#kinds")
    def _to_findings(self) -> None:
        self.findings.focus()

    @on(RecordTable.Selected, "#findings")
    async def _to_text(self) -> None:
        place = self._place()
        if place is not None:
            await self.pane.label_text(place.id)

    def _place(self) -> Finding | None:
        """The finding under the cursor."""
        row = self.findings.cursor
        if self.found is None:
            return None
        if self.chosen == "uneven":
            found = self.found.uneven[row : row + 1]
            return found[0].places[0] if found and found[0].places else None
        listed = self._listed()
        return listed[row] if row < len(listed) else None

    # Fixes

    async def action_everywhere(self) -> None:
        """Label the keyword wherever it stands without a label."""
        await self._fix("label")

    async def action_nowhere(self) -> None:
        """Take the label off the keyword in every text."""
        await self._fix("unlabel")

    async def _fix(self, which: str) -> None:
        place = self._place()
        if place is None or not place.surface or self._asking:
            return
        self._asking = True
        try:
            changed = await self.bench.host("review").request(
                which, surface=place.surface, annotator=self.store.annotator
            )
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        finally:
            self._asking = False
        on, off = (
            ngettext_(
                "{word}: labeled in {count} text", "{word}: labeled in {count} texts", changed
            ),
            ngettext_(
                "{word}: label taken off in {count} text",
                "{word}: label taken off in {count} texts",
                changed,
            ),
        )
        said = on if which == "label" else off
        self.bench.say(said.format(word=place.surface, count=f"{changed:,}"))
        self.action_run()

    async def action_undo(self) -> None:
        """Take the latest change back, however many texts it concerned."""
        try:
            undone = await self.store.undo()
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        if undone is None:
            self.bench.say(_("Nothing to take back."))
            return
        count = len(undone.ids)
        said = ngettext_("Changed back in {count} text.", "Changed back in {count} texts.", count)
        self.bench.say(said.format(count=f"{count:,}"))
        self.action_run()

    async def action_leave(self) -> None:
        """From the findings to the checks, from there to the labeling view."""
        if self.findings.has_focus:
            self.kinds.focus()
        else:
            await self.pane.show_view("label")


def excerpt(place: Finding) -> Content:
    """The text around a place, its letters in one line, the place standing out."""
    start = max(0, place.start - _AROUND) if place.start >= 0 else 0
    text = "".join(c if c.isprintable() else " " for c in place.text[start : start + 300])
    lead = ".." if start else ""
    content = Content(lead + text)
    if place.start >= 0:
        first = place.start - start + len(lead)
        content = content.stylize("u", first, first + place.end - place.start)
    return content
