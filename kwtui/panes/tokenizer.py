"""The tokenizer pane: what a vocabulary does to the domain, and a model with another one."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.job import WorkingPane
from kwtui.panes.tokenizer_job import TokenizerJob
from kwtui.panes.tokenizer_view import (
    coloured,
    figure_columns,
    figure_rows,
    report,
    term_columns,
    term_row,
)
from kwtui.services.tokenizer_types import Measured, Order, TermRow
from kwtui.themes import KEY, MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, RecordTable


class TokenizerPane(WorkingPane):
    """Figures of one tokenizer or of two side by side, and the terms that cost most."""

    pane_id = "tokenizer"

    def __init__(self) -> None:
        super().__init__()
        self.model = "kw-mini"
        self.other = ""
        self.found: Measured | None = None
        self.job = TokenizerJob(self)
        self.said: list[Content] = []
        self.filter = ""
        self._figures: list[tuple[Cell, ...]] = []
        self._rows: list[TermRow] = []
        self._again = False

    def compose(self) -> ComposeResult:
        """Which tokenizers; their figures and the costliest terms; what to do about it."""
        yield Lines(id="token-head")
        with Container(id="token-body"):
            figures = RecordTable(figure_columns(()), self._fetch_figures, id="token-figures")
            figures.add_class("box")
            yield figures
            empty = _("Nothing measured yet: {key} measures.\n`kwtui tokenizer audit` too.").format(
                key=self.bench.key_names("tokenizer.measure")[0]
            )
            terms = RecordTable(term_columns(1), self._fetch, id="token-terms", empty=empty)
            terms.add_class("box")
            yield terms
        with VerticalScroll(id="token-about", classes="box"):
            yield Static("", id="token-said")

    def on_mount(self) -> None:
        """Name the boxes."""
        super().on_mount()
        self.query_one("#token-figures").border_title = Content(_("Figures"))
        self.query_one("#token-about").border_title = Content(_("Advice"))
        self.draw()

    def shown(self) -> None:
        """Go on at the list; what was measured the last time is measured again."""
        if not self.has_focus_within:
            self.terms.focus()
        if self._again and self.found is None and not self.job.running:
            self._again = False
            self.action_measure()

    def help_text(self) -> str:
        """What the pane is for."""
        return _(
            "A model reads pieces of words. A term that falls into many of them costs time and "
            "context, and copying it is harder. The figures say how many tokens the workspace's "
            "texts and terms take; the list has the terms that cost most, each split as the model "
            "sees it. Choose a second tokenizer to see both side by side.\n\n"
            "A new vocabulary gives the best terms a token each. Terms that would harm other text "
            "are refused, every check is a figure, and nothing is written unless all of them pass. "
            "The new model lies in models/; its new rows must be taught before it is of use: "
            "train it as any model.\n\n"
            "The advice follows from what was measured. Compare models on the ladder with the "
            "same data and steps before you keep one. Texts that scores are measured on are not "
            "read here."
        )

    @property
    def terms(self) -> RecordTable:
        """The list of terms."""
        return self.query_one("#token-terms", RecordTable)

    @property
    def names(self) -> list[str]:
        """The tokenizers that are looked at."""
        return [name for name in (self.model, self.other) if name]

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self.job.running

    def _fetch(self, offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [term_row(row) for row in self._rows[offset : offset + limit]]

    def _fetch_figures(self, offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return self._figures[offset : offset + limit]

    def draw(self) -> None:
        """Bring everything up to what is known."""
        audits = self.found.audits if self.found else ()
        self._figures = figure_rows(audits)
        figures = self.query_one("#token-figures", RecordTable)
        figures.set_columns(figure_columns(tuple(one.name for one in audits)))
        figures.reload(len(self._figures))
        self._rows = [
            row
            for row in (self.found.terms if self.found else ())
            if self.filter.casefold() in row.term.casefold()
        ]
        self.terms.set_columns(term_columns(max(1, len(audits))))
        self.terms.reload(len(self._rows))
        self._draw_titles()
        advice = [Content(printable(line)) for line in self.found.advice] if self.found else []
        said = Content("\n").join(self.said or advice or [self._first_words()])
        self.query_one("#token-said", Static).update(said)
        self.draw_progress()

    def _draw_titles(self) -> None:
        title = _("Terms that cost most")
        if self.filter:
            title = _("Terms with '{word}': {count}").format(
                word=printable(self.filter), count=len(self._rows)
            )
        self.terms.border_title = Content(title)

    def _first_words(self) -> Content:
        key = self.bench.key_names("tokenizer.measure")[0]
        sentence = _("{key} measures how the model's tokenizer splits this workspace.")
        return Content(sentence.format(key=key))

    def draw_progress(self) -> None:
        """The first line: the tokenizers, and what is being done."""
        parts: list[Any] = [(printable(self.model), KEY)]
        if self.other:
            parts += [("  |  ", MUTED), (printable(self.other), KEY)]
        if self.job.line:
            parts += ["   ", self.job.line]
        self.query_one("#token-head", Lines).show([Content.assemble(" ", *parts)])

    # Actions

    def action_measure(self) -> None:
        """Measure the chosen tokenizers."""
        self.said = []
        self.job.measure(self.names)

    def measured(self, found: Measured) -> None:
        """Take what was measured."""
        self.found = found
        self.draw()

    async def action_model(self) -> None:
        """Choose the model whose tokenizer is measured."""
        self.job.choose(_("Model"), self.model, self._model_chosen)

    def _model_chosen(self, name: str) -> None:
        self.model = name
        self.action_measure()

    async def action_other(self) -> None:
        """Choose a second tokenizer, or none."""
        self.job.choose(_("Compare with"), self.other, self._other_chosen, none=True)

    def _other_chosen(self, name: str) -> None:
        self.other = name if name != self.model else ""
        self.action_measure()

    def action_build(self) -> None:
        """Fill in what the new vocabulary is to be, and build it."""
        from kwtui.panes.tokenizer_dialog import BuildScreen

        first = self.found.audits[0] if self.found else None
        taken = {path.name for path in self.bench.workspace.models.glob("*")}

        def chosen(order: Order | None) -> None:
            if order is not None:
                self.job.build(order)

        self.app.push_screen(BuildScreen(self.model, first, taken), chosen)

    def built(self, made: Any) -> None:
        """Show what was built, and measure it beside the old one."""
        self.said = report(made)
        self.other = made.path.name
        self.draw()
        self.job.measure(self.names)

    def action_try(self) -> None:
        """Type a text and see its pieces."""
        from kwtui.widgets.dialogs import AskScreen

        def typed(text: str | None) -> None:
            if text:
                self.job.split(self.names, text)

        self.app.push_screen(AskScreen(_("Text to split")), typed)

    def split(self, pieces: tuple[tuple[str, ...], ...]) -> None:
        """Show the pieces of a typed text."""
        self.said = [
            Content.assemble(
                (f"{printable(name)} {len(found)}: ", MUTED), coloured(found, colours=True)
            )
            for name, found in zip(self.names, pieces, strict=True)
        ]
        self.draw()

    def action_search(self) -> None:
        """Show the terms that hold what is typed."""
        from kwtui.widgets.dialogs import AskScreen

        def typed(word: str | None) -> None:
            if word is not None:
                self.filter = word.strip()
                self.draw()

        self.app.push_screen(AskScreen(_("Search"), self.filter), typed)

    def action_stop(self) -> None:
        """Stop what is running; otherwise show all terms and the advice again."""
        if self.job.running:
            self.job.stop()
        else:
            self.filter, self.said = "", []
            self.draw()

    # State

    def state(self) -> dict[str, Any]:
        """The chosen models, the filter, and whether they were measured."""
        return {
            "model": self.model,
            "other": self.other,
            "filter": self.filter,
            "measured": self.found is not None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last time ended."""
        for name in ("model", "other", "filter"):
            value = state.get(name)
            if isinstance(value, str) and (value or name != "model"):
                setattr(self, name, value)
        self._again = bool(state.get("measured"))
        self.draw()
