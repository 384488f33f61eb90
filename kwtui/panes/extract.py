"""The Extract pane: a text, a strategy, the keywords it finds, and what a person says to them."""

from __future__ import annotations

from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static, TextArea

from glossary.i18n import _
from kwtui.panes.extract_job import ExtractJob
from kwtui.panes.extract_output import ask_and_write, copy, keep_notes, send
from kwtui.panes.extract_view import columns, details, list_line, marks, meaning, summary
from kwtui.panes.job import WorkingPane
from kwtui.panes.marking import Marking, Row
from kwtui.widgets.keyword_area import LIMIT, KeywordArea
from kwtui.widgets.record_table import Cell, RecordTable

DRAFT = 20_000


class ExtractPane(WorkingPane):
    """Type or paste a text and see its keywords."""

    pane_id = "extract"

    def __init__(self) -> None:
        super().__init__()
        self.strategy = ""
        self.marking: Marking | None = None
        self.prompt = ""
        self.job = ExtractJob(self)
        self._rows: list[Row] = []
        self._warmed = ""

    def compose(self) -> ComposeResult:
        """The text, what was found beneath it, the prompt beside or behind it."""
        keys = self.bench.key_names("extract.run", "extract.pick")
        yield KeywordArea(
            id="text",
            placeholder=_("Type or paste a text here. {run} extracts, {pick} picks one.").format(
                run=keys[0], pick=keys[1]
            ),
        )
        with VerticalScroll(id="details", classes="box"):
            yield Static("", id="details-text")
        empty = _(
            "Nothing extracted yet.\n"
            "{run} extracts the text above; `kwtui extract FILE` a whole file."
        )
        table = RecordTable(columns(), self._fetch, id="found", empty=empty.format(run=keys[0]))
        table.add_class("box")
        yield table

    def on_mount(self) -> None:
        """Name the boxes and learn the strategies."""
        super().on_mount()
        self.query_one("#text").border_title = Content(_("Text"))
        self.query_one("#details").border_title = Content(_("Prompt and rounds"))
        self._draw()
        self.run_worker(self._learn_strategies(), exit_on_error=False)

    async def _learn_strategies(self) -> None:
        settings = await self.bench.settings()
        if self.strategy not in settings.strategies:
            self.strategy = settings.extraction.strategy
        self._draw()

    def shown(self) -> None:
        """Go on typing."""
        if not self.has_focus_within:
            self.area.focus()

    def help_text(self) -> str:
        """What the pane is for."""
        return _(
            "Type or paste a text, or pick one from the corpus, and extract its keywords with a "
            "strategy. The list says where each one stands, in characters from 0, and where it "
            "comes from.\n\n"
            "Mark what is wrong on the list, or a word that was missed: select it in the text, or "
            "type it. Then ask again, keep the marks as notes of the strategy, or send the "
            "corrected keywords to the corpus, where they become the next training example.\n\n"
            "Letter keys work on the list; Esc and Tab go there from the text. The others work "
            "everywhere."
        )

    # What is on the screen

    @property
    def area(self) -> KeywordArea:
        """The text."""
        return self.query_one("#text", KeywordArea)

    @property
    def table(self) -> RecordTable:
        """The list of keywords."""
        return self.query_one("#found", RecordTable)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self.job.running

    @property
    def stale(self) -> bool:
        """Whether the text is no longer the one that the keywords were found in."""
        return self.marking is None or self.marking.prediction.text != self.area.text

    def _fetch(self, offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [list_line(row) for row in self._rows[offset : offset + limit]]

    def _draw(self) -> None:
        """Bring list, marks, titles and details up to what is known."""
        self._rows = self.marking.rows() if self.marking else []
        self.table.reload(len(self._rows))
        self.table.border_title = Content(
            _("Keywords: {count}").format(count=len(self._rows)) if self.marking else _("Keywords")
        )
        self.area.border_subtitle = Content(self.strategy)
        self._draw_marks()
        self.draw_progress()
        self.query_one("#details-text", Static).update(
            details(self.marking, self.prompt, stale=self.stale)
        )

    def _draw_marks(self) -> None:
        rows = [] if self.stale else self._rows
        self.area.show_marks(marks(rows, self.table.cursor if self.table.has_focus else None))

    def draw_progress(self) -> None:
        """The line under the list: what is going on, or how the last answer came about."""
        line = self.job.line or ("" if self.marking is None else summary(self.marking.prediction))
        if self.marking is not None and self.stale and not self.job.running:
            key = self.bench.key_names("extract.run")[0]
            line = _("the text has changed: {key} extracts again").format(key=key)
        self.table.border_subtitle = Content(line)

    @on(TextArea.Changed, "#text")
    def _text_changed(self) -> None:
        if self.marking is not None:
            self._draw_marks()
            self.draw_progress()
        if self.area.text.strip() and self._warmed != self.strategy:
            self._warmed = self.strategy
            self.job.warm(self.strategy)

    @on(KeywordArea.TooLong)
    def _too_long(self, event: KeywordArea.TooLong) -> None:
        sentence = _(
            "The paste has {length} characters, more than the {limit} that a text here may have; "
            "`kwtui extract FILE` takes files of any size."
        )
        self.bench.warn(sentence.format(length=f"{event.length:,}", limit=f"{LIMIT:,}"))

    @on(RecordTable.Highlighted)
    def _row_changed(self) -> None:
        self._draw_marks()
        if self._rows and not self.stale:
            keyword = self._rows[self.table.cursor].keyword
            self.area.scroll_to_offset(keyword.start)

    def on_descendant_focus(self) -> None:
        """Show in the text which keyword the list stands on."""
        self._draw_marks()

    # Actions

    def action_run(self) -> None:
        """Extract the keywords of the text."""
        text = self.area.tidy()
        if not text.strip():
            self.bench.say(_("There is no text yet."))
        else:
            self.job.extract(text, self.strategy)

    def answered(self, marking: Marking, prompt: str | None = None) -> None:
        """Take an answer that the job has got."""
        self.marking = marking
        if prompt is not None:
            self.prompt = prompt
        self._draw()

    async def action_strategy(self) -> None:
        """Choose a strategy."""
        from kwtui.widgets.dialogs import ChooseScreen

        settings = await self.bench.settings()
        names = list(settings.strategies)
        rows = [(name, meaning(settings, name)) for name in names]
        at = names.index(self.strategy) if self.strategy in names else 0

        def chosen(index: int | None) -> None:
            if index is not None:
                self.strategy = names[index]
                self._draw()
                self._text_changed()

        self.app.push_screen(ChooseScreen(_("Strategy"), rows, at), chosen)

    def action_pick(self) -> None:
        """Choose a text of the corpus."""
        from kwtui.widgets.pick_text import PickText

        path = self.bench.workspace.corpus_path
        if not path.exists():
            self.bench.say(_("The corpus has no texts yet: `kwtui data import FILE` adds some."))
            return

        def chosen(text: str | None) -> None:
            if text is not None:
                self.area.set_text(text)
                self.area.focus()

        self.app.push_screen(PickText(path), chosen)

    def action_view(self) -> None:
        """Show the prompt and the rounds instead of the list, or the list again."""
        self.toggle_class("-details")
        shown = self.has_class("-details")
        (self.query_one("#details") if shown else self.table).focus()

    def action_cancel(self) -> None:
        """Stop what is running; otherwise go from the text to the list and back."""
        if self.job.running:
            self.job.stop()
        elif self.area.has_focus:
            (self.query_one("#details") if self.has_class("-details") else self.table).focus()
        else:
            self.area.focus()

    def action_missed(self) -> None:
        """Mark a word as missed: the selected one, or one that is typed."""
        marking = self._current()
        if marking is None:
            return
        start, end = self.area.selected_span()
        word = marking.prediction.text[start:end]
        if word.strip():
            self._missed(marking, word, start + len(word) - len(word.lstrip()))
            return
        from kwtui.widgets.dialogs import AskScreen

        def chosen(typed: str | None) -> None:
            if typed:
                self._missed(marking, typed, None)

        self.app.push_screen(AskScreen(_("Missed word"), check=marking.refuse_missed), chosen)

    def _missed(self, marking: Marking, word: str, start: int | None) -> None:
        marking.add_missed(word, start)
        self._draw()
        keys = self.bench.key_names("extract.retry", "extract.send")
        sentence = _("'{word}' is marked as missed. {retry}: ask again, {send}: to the corpus.")
        self.bench.say(sentence.format(word=word.strip(), retry=keys[0], send=keys[1]))

    def action_wrong(self) -> None:
        """Call the keyword under the cursor wrong, or take that back."""
        marking = self._current()
        if marking is not None and self._rows:
            marking.toggle(self._rows[self.table.cursor])
            self._draw()

    def action_retry(self) -> None:
        """Tell the model what was marked and ask it again."""
        marking = self._current()
        if marking is None:
            return
        if not marking.touched:
            self.bench.say(_("Mark a missed or a wrong word first."))
        elif not marking.prediction.model:
            self.bench.say(_("A dictionary has nobody to ask again; change the glossary instead."))
        else:
            self.job.retry(marking)

    async def action_keep_note(self) -> None:
        """Write what was marked into config.toml, as notes of the strategy."""
        if marking := self._current():
            await keep_notes(self.bench, marking)

    async def action_send(self) -> None:
        """Send the text with its corrected keywords to the corpus."""
        if marking := self._current():
            await send(self.bench, marking)

    def action_write(self) -> None:
        """Append the corrected result to a file of JSON lines."""
        if marking := self._current():
            ask_and_write(self.bench, marking)

    def action_copy(self) -> None:
        """Copy the corrected keywords as a JSON array."""
        if marking := self._current():
            copy(self.bench, marking)

    def _current(self) -> Marking | None:
        """The marking, if it is of the text that is shown; otherwise says what to do."""
        if self.marking is None or self.stale:
            key = self.bench.key_names("extract.run")[0]
            self.bench.say(_("Extract first: {key}.").format(key=key))
            return None
        return self.marking

    # State

    def state(self) -> dict[str, Any]:
        """The strategy and, so that a lost connection loses nothing, the text."""
        return {"strategy": self.strategy, "text": self.area.text[:DRAFT]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last time ended."""
        strategy, text = state.get("strategy"), state.get("text")
        if isinstance(strategy, str):
            self.strategy = strategy
        if isinstance(text, str) and text:
            self._warmed = self.strategy
            self.area.load_text(text)
        self._draw()
