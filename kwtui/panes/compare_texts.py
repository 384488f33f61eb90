"""The texts on which two strategies differ, and the chosen one with both answers in colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.compare_text import compared, legend
from kwtui.panes.compare_view import CompareView
from kwtui.themes import MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable

if TYPE_CHECKING:
    from engines.evaluation.comparing import ComparedText, Wanted
    from kwtui.panes.compare import ComparePane
    from kwtui.services.compare import Page, Pair

PAGE = 100
_KEPT = 50


class TextsView(CompareView):
    """Texts that pass the filter; those of a sealed split without a word until one is opened."""

    view_id: ClassVar[str] = "texts"

    def __init__(self, pane: ComparePane) -> None:
        super().__init__(pane)
        self.count = 0
        self.looked: dict[int, ComparedText] = {}
        self._pages: dict[int, tuple[ComparedText, ...]] = {}
        self._asked: set[int] = set()
        self._shown: Pair | None = None
        self._generation = 0
        self._reading = 0

    def compose(self) -> ComposeResult:
        """The filter, the texts, the chosen one, what its colours mean."""
        columns = [Column(_("Verdict"), 11), Column(_("Wrong"), 7, True), Column(_("Text"))]
        yield Lines(id="compare-wanted", classes="line")
        keys = self.bench.key_names("compare.verdict", "compare.leave", "compare.run")
        empty = _(
            "No text passes: {verdict} shows others.\n"
            "Nothing measured yet? {leave}, then {run} runs the ladder; `kwtui ladder` too."
        ).format(verdict=keys[0], leave=keys[1], run=keys[2])
        yield RecordTable(columns, self._fetch, id="compared", empty=empty)
        yield Lines(id="compare-text")
        yield Lines(id="compare-legend", classes="line")

    @property
    def table(self) -> RecordTable:
        """The texts."""
        return self.query_one("#compared", RecordTable)

    @property
    def busy(self) -> bool:
        """Whether texts are on their way."""
        return self._reading > 0

    @property
    def current(self) -> ComparedText | None:
        """The text under the cursor, if it is here; of a sealed split one that was opened."""
        row = self.table.cursor
        found = self._pages.get(row // PAGE, ())
        known = found[row % PAGE] if row % PAGE < len(found) else None
        return self.looked.get(row, known)

    async def opened(self) -> None:
        """Show what passes now."""
        self.table.focus()
        await self.reload()

    def changed(self) -> None:
        """Another result or pair: read the texts anew, once they are in front."""
        if self.display:
            self.run_worker(self.reload(), exit_on_error=True)

    async def reload(self) -> None:
        """Read the texts that pass from the start; what is on the screen stays until then."""
        self._generation += 1
        self._asked = set()
        if self.pane.pair != self._shown:
            self._shown, self.table.cursor = self.pane.pair, 0
        page = self.table.cursor // PAGE
        found = await self._ask(page)
        if found is None:
            self.count, self._pages = 0, {}
        else:
            self.count, self._pages = found.count, {page: found.texts}
        self.looked = {}
        self.table.reload(self.count)
        self._draw()

    async def _read(self, page: int) -> None:
        mine = self._generation
        found = await self._ask(page)
        if found is None or mine != self._generation:
            return
        if len(self._pages) > _KEPT:
            self._pages.clear()
            self._asked = {page}
        self._pages[page] = found.texts
        self.table.reload(found.count)
        self._draw()

    async def _ask(self, page: int) -> Page | None:
        pair, mine = self.pane.pair, self._generation
        if pair is None or self.pane.opened is None:
            return None
        self._reading += 1
        try:
            wanted = self.pane.wanted
            found: Page | None = await self.pane.ask(
                "page", pair=pair, wanted=wanted, offset=page * PAGE, limit=PAGE
            )
        finally:
            self._reading -= 1
        return found if mine == self._generation else None

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        page = offset // PAGE
        if page not in self._pages:
            if page not in self._asked:
                self._asked.add(page)
                self.run_worker(self._read(page), group="pages")
            return []
        names = verdicts()
        rows: list[list[Cell]] = []
        for number, text in enumerate(self._pages[page], start=offset):
            text = self.looked.get(number, text)
            wrong = f"{len(text.first.errors)} > {len(text.second.errors)}" if text.text else ""
            shown: Cell = printable(" ".join(text.text.split("\n")))
            if not text.text:
                shown = Content.styled(_("Enter looks at it, which is put on record"), MUTED)
            rows.append([names[text.verdict], wrong, shown])
        return rows

    def _draw(self) -> None:
        lines = self.query_one("#compare-text", Lines)
        text = self.current
        known = text is not None and bool(text.text)
        lines.show(compared(text, lines.size.width) if text is not None and known else [])
        self.query_one("#compare-wanted", Lines).show([self._about()])
        self.query_one("#compare-legend", Lines).show([legend()])
        self.pane.draw_head()

    def _about(self) -> Content:
        from engines.evaluation.sending import group_names

        wanted = self.pane.wanted
        parts = [verdicts().get(wanted.verdict, _("all texts"))]
        if wanted.group:
            parts.append(group_names()[wanted.group])
        if wanted.word:
            parts.append(printable(wanted.word))
        return Content.styled(f" {', '.join(parts)}: {self.count:,}", MUTED)

    def on_resize(self, event: events.Resize) -> None:
        """Lay the text out anew."""
        self.call_after_refresh(self._draw)

    @on(RecordTable.Highlighted, "#compared")
    def _moved(self) -> None:
        self._draw()

    # Keys

    @on(RecordTable.Selected, "#compared")
    async def _selected(self, event: RecordTable.Selected) -> None:
        """Open a text of a sealed split, after asking; others are open already."""
        opened = self.pane.opened
        if opened is None or not opened.sealed or event.row in self.looked:
            return
        from kwtui.widgets.dialogs import ChooseScreen

        async def chosen(index: int | None) -> None:
            if index == 0:
                await self._look(event.row)

        title = _("A text of {split} is evidence only unseen").format(split=opened.pair.split)
        rows = [(_("Look at it"), _("on record, and printed in the report")), (_("Leave it"), "")]
        self.app.push_screen(ChooseScreen(title, rows, 1), chosen)

    async def _look(self, row: int) -> None:
        text = await self.pane.ask("look", pair=self.pane.pair, wanted=self.pane.wanted, row=row)
        if text is not None:
            self.looked[row] = text
            self.table.reload()
            await self.pane.recount()
            self._draw()

    async def action_verdict(self) -> None:
        """All texts, those won, lost, wrong on both sides, right on both."""
        names = ["", *verdicts()]
        at = names.index(self.pane.wanted.verdict) + 1
        await self.use(replace(self.pane.wanted, verdict=names[at % len(names)]))

    async def use(self, wanted: Wanted) -> None:
        """Show the texts that pass this."""
        self.pane.wanted = wanted
        self.table.cursor = 0
        await self.reload()

    async def action_leave(self) -> None:
        """All texts again, then back to the table."""
        from engines.evaluation.comparing import Wanted

        if self.pane.wanted != Wanted():
            await self.use(Wanted())
        else:
            await self.pane.show_view("table")

    async def action_label(self) -> None:
        """Flag the text for labeling, with what was answered wrongly as its note."""
        text = self._open_text()
        if text is not None:
            await self.pane.send_to_labeling(text)

    async def action_open(self) -> None:
        """Flag the text and show it in the labeling view at once."""
        text = self._open_text()
        if text is None or not await self.pane.send_to_labeling(text):
            return
        from kwtui.panes.dataset import DatasetPane

        await self.bench.show_pane("dataset")
        shown = self.bench.pane
        assert isinstance(shown, DatasetPane)
        try:
            await shown.label_text(text.id)
        except UserError as error:
            self.bench.warn(error.sentence, "error")

    async def action_glossary(self) -> None:
        """Send a word that the second strategy missed in this text to the candidates."""
        from kwtui.widgets.dialogs import ChooseScreen

        text = self._open_text()
        if text is None:
            return
        words = missed(text)
        if not words:
            self.bench.say(_("{strategy} missed no word here.").format(
                strategy=text.second.strategy))  # fmt: skip
        elif len(words) == 1:
            await self.pane.send_to_glossary(*words[0])
        else:

            async def chosen(index: int | None) -> None:
                if index is not None:
                    await self.pane.send_to_glossary(*words[index])

            rows = [(printable(word), "") for word, _group in words]
            self.app.push_screen(ChooseScreen(_("Missed word"), rows), chosen)

    async def action_train(self) -> None:
        """Send every text that passes to the training split."""
        await self.pane.send_to_training(self.pane.wanted)

    def _open_text(self) -> ComparedText | None:
        """The chosen text where it may be seen; what is to be done is said where it may not."""
        text = self.current
        if text is not None and not text.text:
            self.bench.say(_("Look at the text first: Enter."))
            return None
        return text


def missed(text: ComparedText) -> list[tuple[str, str]]:
    """The words that the second strategy did not find, each with its group."""
    from engines.evaluation.errors import MISSED, UNSEEN

    found = [e for e in text.second.errors if e.group in (MISSED, UNSEEN)]
    return [(error.word, error.group) for error in found]


def verdicts() -> dict[str, str]:
    """The verdicts as a person reads them, about the second strategy."""
    from engines.evaluation.comparing import VERDICTS

    words = (_("won"), _("lost"), _("both wrong"), _("both right"))
    return dict(zip(VERDICTS, words, strict=True))
