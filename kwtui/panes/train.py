"""The train pane: a recipe as a form, what it will take, its examples, and its start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static, TextArea

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.base import Pane
from kwtui.panes.train_edit import edit, open_recipe, write_recipe
from kwtui.panes.train_form import Form, FormRow, about, cells, columns
from kwtui.panes.train_job import TrainJob
from kwtui.panes.train_view import examples_page, foretold
from kwtui.themes import MUTED, ON, WRONG
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, RecordTable

VIEWS = ("form", "text", "examples")


class TrainPane(Pane):
    """Write a recipe, see what it will take, start it."""

    pane_id = "train"

    def __init__(self) -> None:
        super().__init__()
        self.form = Form()
        self.job = TrainJob(self)
        self.view = "form"
        self._rows: list[FormRow] = []

    def compose(self) -> ComposeResult:
        """The views' names; the form with what it takes beside it, or the text, or examples."""
        yield Lines(id="train-head")
        with Horizontal(id="train-form"):
            with Vertical(id="train-fields"):
                yield RecordTable(columns(), self._fetch, id="recipe", empty="")
                yield Lines(id="train-about")
            with VerticalScroll(id="foretold", can_focus=False):
                yield Static("", id="foretold-text")
        yield TextArea("", id="train-text", compact=True)
        with VerticalScroll(id="train-examples", can_focus=True):
            yield Static("", id="examples-text")

    def on_mount(self) -> None:
        """Show the form."""
        super().on_mount()
        self._show("form")
        self.run_worker(self._begin(), exit_on_error=True)

    async def _begin(self) -> None:
        """Begin with the recipe of the embedded model, unless the last time left another."""
        from engines.training.launching import EMBEDDED, default_values

        settings = await self.bench.settings()
        if not self.form.values:
            self.form.take(default_values(settings, "", ""), EMBEDDED)
        self.draw()
        self.job.foretell()

    def shown(self) -> None:
        """Stand on the form; the data may be other than before."""
        if not self.has_focus_within:
            self._focus()
        if self.form.values:
            self.job.foretell()

    def help_text(self) -> str:
        """What the pane is for."""
        return _(
            "Choose a recipe and a model, change its fields, and see beside them what the run will "
            "take: memory against what is free now, time, steps, disk. Enter changes the field "
            "under the cursor and folds a table; what differs from the default is bold. Where a "
            "run does not fit, the digits make the changes that save memory.\n\n"
            "Tab goes to the recipe as text, and to a few examples as the model reads them, with "
            "what it learns marked. A started run belongs to no terminal: it goes on when this "
            "program ends, and the monitor shows it."
        )

    # What is on the screen

    @property
    def table(self) -> RecordTable:
        """The form."""
        return self.query_one("#recipe", RecordTable)

    @property
    def area(self) -> TextArea:
        """The recipe as text."""
        return self.query_one("#train-text", TextArea)

    @property
    def busy(self) -> bool:
        """Whether something asked for is still being worked on."""
        return self.job.running

    @property
    def row(self) -> FormRow:
        """The line of the form under the cursor."""
        return self._rows[self.table.cursor] if self._rows else FormRow()

    def _fetch(self, offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [cells(self.form, row) for row in self._rows[offset : offset + limit]]

    def changed(self) -> None:
        """The recipe is another one now."""
        self.draw()
        self.job.foretell()

    def draw(self) -> None:
        """Bring form, help and head up to what is known."""
        self._rows = self.form.rows()
        self.table.reload(len(self._rows))
        self._draw_about()
        self.draw_head()

    def _draw_about(self) -> None:
        lines = about(self.form, self.row)
        shown = self.query_one("#train-about", Lines)
        width = max(10, shown.size.width)
        shown.show([piece for line in lines for piece in line.wrap(width)])

    def draw_head(self) -> None:
        """The views in a line, and on the right the model with what is being done."""
        titles = {"form": _("Form"), "text": _("Text"), "examples": _("Examples")}
        parts = [
            Content.styled(f" {title} ", ON if name == self.view else MUTED)
            for name, title in titles.items()
        ]
        line = Content.assemble(" ", *parts)
        told = self.job.line or f"{self.form.model.rpartition('/')[2]} {self.form.method}"
        head = self.query_one("#train-head", Lines)
        gap = max(1, head.size.width - line.cell_length - Content(told).cell_length - 1)
        head.show([Content.assemble(line, " " * gap, (printable(told), MUTED))])

    def draw_foretold(self) -> None:
        """What the recipe will take, or why that cannot be said."""
        place = self.query_one("#foretold-text", Static)
        room = self.query_one("#foretold").scrollable_content_region.width - 1
        if self.job.wrong:
            text = Content.styled(printable(self.job.wrong), WRONG)
        elif self.job.found is not None:
            plain = self.bench.choices.borders == "ascii"
            lines = foretold(self.job.found.preflight, max(20, room), ascii_only=plain)
            text = Content("\n").join(lines)
        else:
            text = Content.styled(" " + _("What it will take is being worked out."), MUTED)
        place.update(text)
        self.draw_head()

    def on_resize(self) -> None:
        """Fit the new width."""
        self.call_after_refresh(self.draw_foretold)
        self.call_after_refresh(self._draw_about)

    @on(RecordTable.Highlighted)
    def _row_changed(self) -> None:
        self._draw_about()

    # Views

    def _show(self, view: str) -> None:
        self.view = view
        for name in VIEWS:
            self.query_one(f"#train-{name}").display = name == view
        self.draw_head()

    def _focus(self) -> None:
        target = {"form": "#recipe", "text": "#train-text", "examples": "#train-examples"}
        self.query_one(target[self.view]).focus()

    def action_next_view(self) -> None:
        """Form, text, examples."""
        self._step(1)

    def action_previous_view(self) -> None:
        """The other way round."""
        self._step(-1)

    def _step(self, step: int) -> None:
        if self.view == "text" and not self.take_text():
            return
        self._show(VIEWS[(VIEWS.index(self.view) + step) % len(VIEWS)])
        if self.view == "text":
            import tomli_w

            self.area.load_text(tomli_w.dumps(self.form.values))
        if self.view == "examples":
            self.job.examples()
        self._focus()

    def take_text(self) -> bool:
        """Make what stands in the text the recipe; whether it is one."""
        import tomllib

        from engines.training.recipe import checked

        try:
            values = tomllib.loads(self.area.text)
            checked(values, _("The recipe"))
        except tomllib.TOMLDecodeError as error:
            self.bench.warn(_("The recipe cannot be read: {reason}").format(reason=error))
            return False
        except UserError as error:
            self.bench.warn(error.sentence)
            return False
        if values != self.form.values:
            self.form.values = values
            self.changed()
        return True

    def action_apply(self) -> None:
        """Take the text as the recipe and go back to the form."""
        if self.view == "text" and self.take_text():
            self._show("form")
            self._focus()

    def action_leave(self) -> None:
        """Stop what is being worked out, or go back to the form."""
        if self.view == "form":
            self.job.stop()
        elif self.view != "text" or self.take_text():
            self._show("form")
            self._focus()

    def show_examples(self) -> None:
        """What the job found of the data."""
        place = self.query_one("#examples-text", Static)
        if self.job.shown is not None:
            place.update(examples_page(self.job.shown))
        else:
            place.update(Content(printable(self.job.wrong) or _("Reading the data") + " ..."))

    # Actions

    @on(RecordTable.Selected, "#recipe")
    async def _selected(self) -> None:
        row = self.row
        if row.field is not None:
            await edit(self, row.field)
        elif row.section:
            self.form.fold(row.section)
            self.draw()
        else:
            await self.action_preset()

    def action_reset(self) -> None:
        """Give the field under the cursor the recipe's own value back."""
        if self.view == "form" and self.row.field is not None:
            try:
                self.form.reset(self.row.field)
            except UserError as error:
                self.bench.warn(error.sentence)
            self.changed()

    async def action_preset(self) -> None:
        """Begin with another recipe of the settings."""
        from kwtui.panes.train_edit import choose_preset

        await choose_preset(self)

    async def action_model(self) -> None:
        """Choose among the models of this machine."""
        from kwtui.panes.train_edit import choose_model

        await choose_model(self)

    def action_open(self) -> None:
        """Begin with a recipe file."""
        open_recipe(self)

    def action_write(self) -> None:
        """Write the complete recipe into a file."""
        write_recipe(self)

    def action_measure(self) -> None:
        """Try the pace of this machine, so that the time can be foretold."""
        self.job.foretell(trial=True)

    async def action_start(self) -> None:
        """Ask how, then start the run or put it into the queue."""
        from kwtui.panes.train_start import ask_and_start

        if self.view == "text" and not self.take_text():
            return
        await ask_and_start(self)

    def __getattr__(self, name: str) -> Any:
        """`action_proposal_N`: make the N-th change that saves memory."""
        head, _mid, number = name.rpartition("_")
        if head == "action_proposal" and number.isdigit():
            return lambda: self._propose(int(number))
        raise AttributeError(name)

    def _propose(self, number: int) -> None:
        found = self.job.found
        if found is None or found.preflight.fits or number > len(found.preflight.proposals):
            return
        one = found.preflight.proposals[number - 1]
        self.form.apply(one.changes)
        self.bench.say(_("Changed: {options}").format(options=one.options))
        self.changed()

    # State

    def state(self) -> dict[str, Any]:
        """The recipe that was being written."""
        form = self.form
        return {
            "values": form.values,
            "start": form.start,
            "origin": form.origin,
            "base": str(form.base) if form.base else "",
            "folded": sorted(form.folded),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last time ended; a recipe that is none any more is forgotten."""
        from engines.training.recipe import checked

        values, start = state.get("values"), state.get("start")
        if not isinstance(values, dict) or not values:
            return
        try:
            checked(values, _("The recipe"))
        except UserError:
            return
        base = state.get("base")
        self.form.take(values, str(state.get("origin", "")), Path(base) if base else None)
        self.form.start = dict(start) if isinstance(start, dict) else dict(values)
        if isinstance(state.get("folded"), list):
            self.form.folded = set(map(str, state["folded"]))
        self.draw()
