"""The models pane: what lies in the model folders, its cards, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.panes.job import WorkingPane
from kwtui.panes.models_job import ModelsJob
from kwtui.panes.models_view import about, card_lines, columns, row
from kwtui.services.export_types import Done, Found, Wanted
from kwtui.themes import KEY, MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, RecordTable

_WIDE = 120


class ModelsPane(WorkingPane):
    """A list of models, what is known of the one under the cursor, and exports."""

    pane_id = "models"

    def __init__(self) -> None:
        super().__init__()
        self.job = ModelsJob(self)
        self.filter = ""
        self.done: Done | None = None
        self._models: tuple[Found, ...] = ()
        self._shown: tuple[Found, ...] = ()
        self._strategies: tuple[tuple[str, str], ...] = ()
        self._wanted_row = ""

    def compose(self) -> ComposeResult:
        """What is being done; the models; the card of one."""
        yield Lines(id="models-head")
        with Container(id="models-body"):
            empty = _("No models yet: `kwtui models add FOLDER` brings one in.")
            table = RecordTable(columns(False), self._fetch, id="models-list", empty=empty)
            table.add_class("box")
            yield table
            with VerticalScroll(id="models-about", classes="box"):
                yield Static("", id="models-card")

    def on_mount(self) -> None:
        """Name the boxes."""
        super().on_mount()
        self.table.border_title = Content(_("Models"))
        self.query_one("#models-about").border_title = Content(_("Card"))
        self.draw()

    def on_resize(self) -> None:
        """A wide screen has more columns."""
        self.table.set_columns(columns(self._wide))

    def shown(self) -> None:
        """Look for models; go on at the list."""
        if not self.has_focus_within:
            self.table.focus()
        if not self.job.running:
            self.job.look()

    def help_text(self) -> str:
        """What the pane is for."""
        return _(
            "The models and adapters in your model folders, each with its card: what it was made "
            "from, how good it was, how long its context is. One that cannot be used says why.\n\n"
            "Exporting takes a model out of the workbench: a GGUF file for llama.cpp, a folder "
            "for Ollama, a whole model as safetensors, or a strategy as a bundle that works "
            "elsewhere. A GGUF file is run in llama.cpp and compared with the model, tokens "
            "first, then keywords; one that is not the model is not written. The card keeps what "
            "came out.\n\n"
            "Exports lie in models/. The same from a command: `kwtui export`."
        )

    @property
    def table(self) -> RecordTable:
        """The list of models."""
        return self.query_one("#models-list", RecordTable)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self.job.running

    @property
    def chosen(self) -> Found | None:
        """The model under the cursor."""
        at = self.table.cursor
        return self._shown[at] if at < len(self._shown) else None

    @property
    def _wide(self) -> bool:
        return self.app.size.width >= _WIDE

    def _fetch(self, offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [row(found, self._wide) for found in self._shown[offset : offset + limit]]

    def found(self, models: Sequence[Found], strategies: Sequence[tuple[str, str]]) -> None:
        """Take the models that are there."""
        self._strategies = tuple(strategies)
        self._take(models)

    def exported(self, done: Done, models: Sequence[Found]) -> None:
        """Show what came of an export."""
        self.done = done
        self._take(models)

    def _take(self, models: Sequence[Found]) -> None:
        here = self.chosen.name if self.chosen else self._wanted_row
        self._models = tuple(models)
        self.draw()
        names = [found.name for found in self._shown]
        if here in names:
            self.table.cursor = names.index(here)
        self._draw_card()

    def draw(self) -> None:
        """Bring everything up to what is known."""
        word = self.filter.casefold()
        self._shown = tuple(found for found in self._models if word in found.name.casefold())
        self.table.reload(len(self._shown))
        title = ngettext_("{count} model", "{count} models", len(self._shown))
        self.table.border_title = Content(title.format(count=len(self._shown)))
        self._draw_card()
        self.draw_progress()

    def _draw_card(self) -> None:
        box = self.query_one("#models-about")
        if self.done is not None:
            box.border_title = Content(_("Exported"))
            lines = [Content.styled(printable(self.done.folder), KEY)]
            lines += [Content(printable(line)) for line in self.done.lines]
            self.query_one("#models-card", Static).update(Content("\n").join(lines))
            return
        box.border_title = Content(_("Card"))
        chosen = self.chosen
        text = about(chosen) if chosen else Content("")
        self.query_one("#models-card", Static).update(text)

    def draw_progress(self) -> None:
        """The first line: what is being done, else where the models lie."""
        home = _("Exports lie in {path}; `kwtui models add FOLDER` adds a model").format(
            path=f"{self.bench.workspace.models.name}/"
        )
        line = self.job.line or home
        self.query_one("#models-head", Lines).show([Content.assemble(" ", (line, MUTED))])

    @on(RecordTable.Highlighted)
    def _moved(self) -> None:
        self.done = None
        self._draw_card()

    # Actions

    def action_export(self) -> None:
        """Fill in what is to be exported, and do it."""
        chosen = self.chosen
        if chosen is None or not self._strategies:
            self.bench.warn(_("There is no model to export yet."), "warning")
            return
        from kwtui.panes.models_dialog import ExportScreen

        home = self.bench.workspace.models

        def answered(wanted: Wanted | None) -> None:
            if wanted is not None:
                self.done = None
                self.job.export(wanted)

        screen = ExportScreen(chosen, self._strategies, lambda name: (home / name).exists())
        self.app.push_screen(screen, answered)

    def action_card(self) -> None:
        """The whole card in a window."""
        from kwtui.widgets.dialogs import HelpScreen

        chosen = self.chosen
        if chosen is not None:
            text = "\n".join(line.plain for line in card_lines(chosen.card))
            self.app.push_screen(HelpScreen(chosen.name, text or _("It has no card."), ()))

    def action_search(self) -> None:
        """Show the models whose name holds what is typed."""
        from kwtui.widgets.dialogs import AskScreen

        def typed(word: str | None) -> None:
            if word is not None:
                self.filter = word.strip()
                self.draw()

        self.app.push_screen(AskScreen(_("Search"), self.filter), typed)

    def action_refresh(self) -> None:
        """Look for models again."""
        self.done = None
        self.job.look()

    def action_stop(self) -> None:
        """Stop what is running; otherwise show all models and the card again."""
        if self.job.running:
            self.job.stop()
        else:
            self.filter, self.done = "", None
            self.draw()

    # State

    def state(self) -> dict[str, Any]:
        """The filter and the model under the cursor."""
        return {"filter": self.filter, "model": self.chosen.name if self.chosen else ""}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last time ended."""
        for name, place in (("filter", "filter"), ("model", "_wanted_row")):
            value = state.get(name)
            if isinstance(value, str):
                setattr(self, place, value)
        self.draw()
