"""Words of the corpus that the glossary lacks, each taken with one key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.term import Term
from glossary.text import printable
from kwtui.panes.glossary_preview import Previewer, matched
from kwtui.panes.glossary_view import GlossaryView, working
from kwtui.themes import MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable

if TYPE_CHECKING:
    from engines.corpus.vocabulary import MissingTerm
    from kwtui.panes.glossary import GlossaryPane
    from kwtui.services.messages import Progress

_MOST = 300
_AT_LEAST = 2


class CandidatesView(GlossaryView):
    """Frequent nouns, and what people and models took for keywords; the best on top."""

    view_id: ClassVar[str] = "candidates"

    def __init__(self, pane: GlossaryPane) -> None:
        super().__init__(pane)
        self.found: list[MissingTerm] = []
        self.preview = Previewer(self, lambda: self.bench, self._draw)
        self._taken: list[tuple[int, MissingTerm]] = []
        self._looked = False
        self._looking = ""

    def compose(self) -> ComposeResult:
        """The words; where the chosen one stands beneath."""
        columns = [
            Column(_("Word"), 18), Column(_("Texts"), 6, right=True), Column(_("Found by"), 14),
            Column(_("Text")),
        ]  # fmt: skip
        yield RecordTable(columns, self._fetch, id="candidates", empty=self._empty())
        yield Lines(id="candidate-about")

    def _empty(self) -> str:
        words = _(
            "Nothing is missing that stands in two texts or more.\n"
            "More texts: `kwtui data import FILE`; then {again} looks again."
        )
        return words.format(again=self.bench.key_names("glossary.search")[0])

    @property
    def table(self) -> RecordTable:
        """The words."""
        return self.query_one(RecordTable)

    @property
    def busy(self) -> bool:
        """Whether the corpus is being read."""
        return bool(self._looking) or self.preview.busy

    def about(self) -> Sequence[str]:
        """How many words, and the keys for them."""
        count = ngettext_("{count} word", "{count} words", len(self.found))
        return [self._looking or count.format(count=f"{len(self.found):,}")]

    async def opened(self) -> None:
        """Look into the corpus the first time; `r` looks again."""
        self.table.focus()
        if not self._looked and not self._looking:
            self.action_search()

    def action_search(self) -> None:
        """Look into the corpus again."""
        self._looking = _("Reading texts")
        self.run_worker(self._look(), group="candidates", exclusive=True)

    async def _look(self) -> None:
        def on_progress(step: Progress) -> None:
            total = f" {step.done:,}/{step.total:,}" if step.total else ""
            self._looking = step.stage + total
            self.pane.draw_head()

        try:
            found = await self.pane.request(
                "missing_terms", limit=_MOST, at_least=_AT_LEAST, background=True,
                on_progress=on_progress,
            )  # fmt: skip
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        finally:
            self._looking = ""
            self._looked = True
        self.found, self._taken = list(found), []
        self.table.reload(len(self.found))
        self.table.cursor = 0
        self._moved()
        self.pane.draw_head()

    async def changed(self, term_id: str = "") -> None:
        """A word that was taken comes back when that was undone."""
        while self._taken:
            at, word = self._taken[-1]
            there = await self.ask("lookup", surface=word.surface)
            if there is not None:
                break
            self._taken.pop()
            self.found.insert(at, word)
            self.table.reload(len(self.found))
            self.table.cursor = at
        self._moved()

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        names = {
            "sent": _("missed"),
            "label": _("people"),
            "model": _("models"),
            "kiwi": _("nouns"),
        }
        return [
            (
                word.surface,
                f"{word.texts:,}",
                Content.styled(", ".join(names.get(one, one) for one in word.sources), MUTED),
                word.example,
            )
            for word in self.found[offset : offset + limit]
        ]

    @property
    def current(self) -> MissingTerm | None:
        """The word under the cursor."""
        row = self.table.cursor
        return self.found[row] if row < len(self.found) else None

    @on(RecordTable.Highlighted, "#candidates")
    def _moved(self) -> None:
        word = self.current
        self.preview.of(Term("", word.surface) if word is not None else None)

    def _draw(self) -> None:
        if self.is_mounted:
            lines = self.query_one("#candidate-about", Lines)
            term = self.preview.term
            lines.show(matched(self.preview.found, lines.size.height) if term else [])

    # Keys

    @on(RecordTable.Selected, "#candidates")
    def _selected(self) -> None:
        self.action_add()

    @working
    async def action_add(self) -> None:
        """Make the word a term, and go to the next one."""
        await self._take(keyword=True)

    @working
    async def action_exclude(self) -> None:
        """Put the word on the not-a-keyword list, and go to the next one."""
        await self._take(keyword=False)

    async def _take(self, *, keyword: bool) -> None:
        from kwtui.panes.glossary import author

        word, row = self.current, self.table.cursor
        if word is None or self._looking:
            return
        term = Term("", word.surface, keyword=keyword)
        reason = _("found in the corpus")
        made = await self.ask("add", term=term, author=author(), reason=reason)
        if made is None:
            return
        self._taken.append((row, self.found.pop(row)))
        self.table.reload(len(self.found))
        await self.pane.changed()
        said = _("Added: {word}") if keyword else _("Not a keyword: {word}")
        self.bench.say(said.format(word=printable(word.surface)))

    async def action_form(self) -> None:
        """The word as a term with all its fields."""
        word = self.current
        if word is not None:
            await self.pane.open_form(Term("", word.surface))

    async def action_leave(self) -> None:
        """Back to the terms."""
        await self.pane.show_view("terms")
