"""The labeling view: one text after another, every key on disk before its effect is seen."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partialmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from engines.records import Keyword
from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from kwtui.panes import dataset_offers as offers
from kwtui.panes.dataset_ahead import Ahead
from kwtui.panes.dataset_choices import ChoiceActions
from kwtui.panes.dataset_empty import KEYS, empty_state
from kwtui.panes.dataset_store import Loaded, Store
from kwtui.panes.dataset_terms import TermActions
from kwtui.panes.dataset_view import DatasetView
from kwtui.widgets.draft import LIKELY, Draft, Span
from kwtui.widgets.lines import Lines
from kwtui.widgets.span_editor import SpanEditor

if TYPE_CHECKING:
    from engines.corpus.statistics import Progress
    from kwtui.panes.dataset import DatasetPane

T = TypeVar("T")
# A labeling that was finished before stays finished while it is changed.
_FINISHED = ("labeled", "flagged", "skipped")


class LabelView(TermActions, ChoiceActions, DatasetView):
    """The text with its candidates; see `help_text` of the pane for the keys."""

    view_id: ClassVar[str] = "label"

    def __init__(self, pane: DatasetPane, store: Store) -> None:
        super().__init__(pane)
        self.store = store
        self.ahead = Ahead(pane, store, self._arrived)
        self.loaded: Loaded | None = None
        self.draft: Draft | None = None
        self.unit = "piece"
        self.preselect = True
        self.order = "imported"
        self.ranking = ""
        self.done: Progress | None = None
        self.agreement: float | None = None

    def compose(self) -> ComposeResult:
        """Progress, the text, what is under the cursor, the candidates."""
        yield Lines(id="progress")
        yield SpanEditor(id="editor")
        yield Lines(id="detail")
        yield Lines(id="offers")

    @property
    def busy(self) -> bool:
        """Whether candidates are on their way."""
        return self.ahead.working

    async def opened(self) -> None:
        """Go on with the text of the last time, or begin with the first one."""
        self.editor.focus()
        if self.loaded is None:
            await self.restore()
            await self._next()
            await self._count()
            self.ahead.begin(self.done.labeled if self.done else 0)
            self.ahead.start(self._agree(), shown=False)

    # What is on the screen

    async def _next(self) -> None:
        found = await self.kept(self.ahead.first())
        if found is None:
            await self._count()
        self.show(found)

    def show(self, loaded: Loaded | None) -> None:
        """Put a text on the screen, with its candidates as far as they are known."""
        self.loaded = loaded
        self.ahead.use(loaded)
        self.draft = None
        if loaded is None:
            self.editor.open(None, self._nothing())
        else:
            own = loaded.view.own
            self.draft = Draft.of(loaded.id, loaded.text, own.keywords if own else ())
            self.draft.touched = own is not None
            if loaded.prepared is not None:
                self.draft.offer(loaded.prepared, self._edge)
            self.editor.open(self.draft)
        self._draw()

    def _nothing(self) -> list[Content]:
        from engines.corpus.queue import Filter

        keys = self.bench.key_names(*KEYS)
        return empty_state(keys, self.done, filtered=self.pane.wanted not in (None, Filter()))

    @property
    def _edge(self) -> float | None:
        return LIKELY if self.preselect else None

    def _arrived(self, loaded: Loaded) -> None:
        """Candidates have come, perhaps for the text on the screen."""
        if loaded is self.loaded and self.draft is not None and loaded.prepared is not None:
            self.draft.offer(loaded.prepared, self._edge)
            self._draw()

    def _draw(self) -> None:
        self.editor.update()
        rows = self.query_one("#offers", Lines)
        rows.show(offers.rows(self.draft, rows.size.width, rows.size.height))
        self.query_one("#detail", Lines).show([offers.detail(self.draft, self.loaded)])
        self.pane.draw_head()

    def draw_progress(self) -> None:
        """The lines above the text."""
        shown = self.query_one("#progress", Lines)
        lines = offers.progress_lines(self.done, self.agreement, self.size.width or 80)
        if shown.styles.height is None or shown.styles.height.value != len(lines):
            shown.styles.height = len(lines)
        shown.show(lines)

    def on_resize(self) -> None:
        """Fit progress and candidates to the new width."""
        self.draw_progress()
        self.call_after_refresh(self._draw)

    async def _count(self) -> None:
        self.done = await self.kept(self.store.progress(self.pane.goal))
        self.draw_progress()

    async def _agree(self) -> None:
        """How far people agree, where several have labeled."""
        people = await self.store.run(lambda corpus: corpus.annotators())
        if len(people.keys() - {"import", "adjudicated"}) > 1:
            from kwtui.panes.dataset_adjudicate import headline

            found = await self.bench.host("review").request("agreement", background=True)
            self.agreement = headline(found)
            self.draw_progress()

    async def kept(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result, None when it failed; the sentence for that is on the screen then."""
        try:
            return await work
        except UserError as error:
            self.bench.warn(error.sentence, "error")
        return None

    # Keys that move

    def _move(self, step: int, unit: str) -> None:
        if self.draft is not None:
            self.draft.move(step, unit)
            self._draw()

    def _stretch(self, step: int, unit: str) -> None:
        if self.draft is not None:
            self.draft.stretch(step, unit)
            self._draw()

    def action_right(self) -> None:
        """To the next morpheme or character."""
        self._move(1, self.unit)

    def action_left(self) -> None:
        """To the previous morpheme or character."""
        self._move(-1, self.unit)

    action_next_candidate = partialmethod(_move, 1, "candidate")
    action_previous_candidate = partialmethod(_move, -1, "candidate")
    action_next_character = partialmethod(_move, 1, "char")
    action_previous_character = partialmethod(_move, -1, "char")
    action_longer_by_character = partialmethod(_stretch, 1, "char")
    action_shorter_by_character = partialmethod(_stretch, -1, "char")

    def action_longer(self) -> None:
        """The span under the cursor ends later."""
        self._stretch(1, self.unit)

    def action_shorter(self) -> None:
        """The span under the cursor ends earlier."""
        self._stretch(-1, self.unit)

    def action_unit(self) -> None:
        """Arrows move by character, or by morpheme again."""
        self.unit = "piece" if self.unit == "char" else "char"
        words = {"char": _("Arrows move by character."), "piece": _("Arrows move by morpheme.")}
        self.bench.say(words[self.unit])

    def action_hints(self) -> None:
        """Letters at every morpheme: two of them make a span."""
        self._hint(not self.editor.hinting)

    def _hint(self, on: bool) -> None:
        self.editor.hint(on)
        words = _("Type the letters under a beginning and then under an end; Esc ends hints.")
        self.bench.say(words if on else "")

    def action_leave(self) -> None:
        """Forget half a hint; then end the hints."""
        if not self.editor.drop_hint() and self.editor.hinting:
            self._hint(False)

    @on(SpanEditor.Pointed)
    def _pointed(self, event: SpanEditor.Pointed) -> None:
        if self.draft is not None:
            spans = [c.span for c in self.draft.candidates]
            spans += [(piece.start, piece.end) for piece in self.draft.pieces]
            under = next((s for s in spans if s[0] <= event.place < s[1]), None)
            if under is not None:
                self.draft.go(under)
                self._draw()

    # Keys that change labels

    async def _mark(self, labels: dict[Span, Keyword]) -> None:
        loaded, draft = self.loaded, self.draft
        if loaded is None or draft is None:
            return
        own = loaded.view.own
        status = own.status if own is not None and own.status in _FINISHED else "draft"
        keywords = [labels[span] for span in sorted(labels)]
        event = await self.kept(self.store.label(loaded, keywords, status))
        if event is not None:
            loaded.base = event
            draft.put(labels)
            self._draw()

    async def action_mark(self) -> None:
        """Label what is under the cursor, or take its label off."""
        if self.draft is not None:
            self.editor.drop_hint()
            await self._mark(self.draft.toggled(self.draft.cursor))

    async def _number(self, number: int) -> None:
        draft = self.draft
        if draft is not None and number <= len(draft.numbered):
            span = draft.place_of(draft.numbered[number - 1])
            draft.go(span)
            await self._mark(draft.toggled(span))

    action_candidate_1 = partialmethod(_number, 1)
    action_candidate_2 = partialmethod(_number, 2)
    action_candidate_3 = partialmethod(_number, 3)
    action_candidate_4 = partialmethod(_number, 4)
    action_candidate_5 = partialmethod(_number, 5)
    action_candidate_6 = partialmethod(_number, 6)
    action_candidate_7 = partialmethod(_number, 7)
    action_candidate_8 = partialmethod(_number, 8)
    action_candidate_9 = partialmethod(_number, 9)
    action_candidate_10 = partialmethod(_number, 10)

    @on(SpanEditor.Hinted)
    async def _hinted(self, event: SpanEditor.Hinted) -> None:
        if self.draft is not None:
            self.draft.go((event.start, event.end))
            await self._mark(self.draft.toggled((event.start, event.end)))

    async def action_search(self) -> None:
        """Look for texts in the list."""
        await self.pane.show_view("list")
        await self.run_in_list("search")

    async def action_filter(self) -> None:
        """Choose in the list which texts are worked on."""
        await self.pane.show_view("list")
        await self.run_in_list("filter")

    async def run_in_list(self, verb: str) -> None:
        """Do what a key of the list does."""
        await self.app.run_action(verb, self.pane.view)

    async def action_clear(self) -> None:
        """Take every label off."""
        await self._mark({})

    # Keys that end a text

    async def _settle(
        self, status: str, keywords: Sequence[Keyword], note: str | None = None
    ) -> None:
        loaded = self.loaded
        if loaded is None:
            return
        if await self.kept(self.store.label(loaded, keywords, status, note)) is None:
            return
        if status == "labeled":
            self.ahead.observe(loaded, keywords)
        await self._next()
        await self._count()

    async def action_approve(self) -> None:
        """The labels are right: on to the next text."""
        if self.draft is not None:
            await self._settle("labeled", self.draft.keywords)
        elif self.loaded is None:
            await self._next()

    async def action_reject(self) -> None:
        """The suggestions are wrong and there is no keyword: on to the next text."""
        await self._settle("labeled", ())

    async def action_skip(self) -> None:
        """Leave the text unlabeled; it does not come again."""
        if self.draft is not None:
            await self._settle("skipped", self.draft.keywords if self.draft.touched else ())

    def action_flag(self) -> None:
        """Put the text aside with a note for whoever decides."""
        from kwtui.widgets.dialogs import AskScreen

        async def noted(note: str | None) -> None:
            if note is not None and self.draft is not None:
                await self._settle("flagged", self.draft.keywords, note)

        own = self.loaded.view.own if self.loaded else None
        if self.loaded is not None:
            self.app.push_screen(AskScreen(_("Note for this text"), own.note if own else ""), noted)

    async def action_undo(self) -> None:
        """Take back the latest change, on this text or on one before it."""
        await self._turn_back("undo")

    async def action_redo(self) -> None:
        """Do again what was taken back."""
        await self._turn_back("redo")

    async def _turn_back(self, which: str) -> None:
        back = which == "undo"
        undone = await self.kept(self.store.undo() if back else self.store.redo())
        if undone is None:
            self.bench.say(_("Nothing to take back.") if back else _("Nothing to do again."))
            return
        if len(undone.ids) > 1:
            sentence = ngettext_(
                "Changed back in {count} text.", "Changed back in {count} texts.", len(undone.ids)
            )
            self.bench.say(sentence.format(count=f"{len(undone.ids):,}"))
        if undone.ids:
            await self.go_to(undone.ids[0])
        await self._count()

    async def go_to(self, text_id: str) -> None:
        """Show one text; the one on the screen comes after it."""
        found = await self.kept(self.store.load(text_id))
        if found is None:
            return
        if self.loaded is not None and self.loaded.id != text_id:
            self.ahead.push_front(self.loaded)
        cursor = self.draft.cursor if self.draft and self.draft.text_id == text_id else None
        self.show(found)
        if cursor is not None and self.draft is not None:
            self.draft.go(cursor)
            self._draw()
