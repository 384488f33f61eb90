"""Editing a cell where it stands, with its faults and its matches shown as one types."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual import on
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from glossary.errors import UserError
from glossary.i18n import _
from kwtui.panes.glossary_sheet import CellInput, Sheet
from kwtui.widgets.record_table import RecordTable

if TYPE_CHECKING:
    from glossary.term import Term
    from kwtui.app import Workbench
    from kwtui.panes.glossary import GlossaryPane
    from kwtui.panes.glossary_preview import Previewer
    from kwtui.panes.glossary_rows import Rows

LISTS = ("aliases", "ambiguous")
_PAUSE = 0.15


class CellEditing(Widget):
    """The part of the terms view that changes one cell."""

    bench: Workbench
    pane: GlossaryPane
    preview: Previewer
    rows: Rows
    trouble: tuple[str, str]

    if TYPE_CHECKING:

        @property
        def sheet(self) -> Sheet:
            """The table."""

        @property
        def current(self) -> Term | None:
            """The term under the cursor."""

        @property
        def field(self) -> str:
            """The field of the chosen cell."""

        async def ask(self, method: str, **params: Any) -> Any:
            """The answer of the glossary's process."""

        def draw_about(self) -> None:
            """Bring the lines beneath up to date."""

        async def action_form(self) -> None:
            """Every field of the term."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.editor: CellInput | None = None
        self._seen: Term | None = None
        self._other = ""
        self._check_timer: Timer | None = None
        self._saving = False
        self._said = ""
        self._kept = ""
        self._refused: str | None = None

    @on(RecordTable.Selected, "#sheet")
    async def _selected(self) -> None:
        await self.action_edit()

    async def action_edit(self) -> None:
        """Type in the chosen cell; what needs lines is edited in the form."""
        term = self.current
        if term is None or self.editor is not None:
            return
        if not fits_a_cell(term, self.field):
            await self.action_form()
            return
        region = self.sheet.cell()
        editor = CellInput(written(term, self.field), compact=True, id="cell")
        editor.cursor_blink = editor.select_on_focus = False
        editor.styles.offset = (region.x, region.y)
        editor.styles.width = region.width
        self.editor, self._seen, self._refused = editor, term, None
        await self.query_one("#sheet-area").mount(editor)
        self.screen.set_focus(editor)
        self._said = ""
        self.bench.say(_("Enter keeps, Tab keeps and goes on, Esc leaves it as it was."))

        if self.field == "category":
            self.run_worker(self._suggest(editor), group="kinds")

    async def _suggest(self, editor: CellInput) -> None:
        """Offer the kinds that are there while one is typed."""
        found = await self.ask("facets")
        known = [name for name in (found or {}).get("category", {}) if name]
        editor.suggester = SuggestFromList(known, case_sensitive=False)

    def _draft(self) -> Term:
        assert self.editor is not None and self._seen is not None
        return replace(self._seen, **{self.field: read(self.editor.value, self.field)})

    @on(Input.Changed, "#cell")
    def _cell_changed(self) -> None:
        if self.editor is None or self._saving:
            return
        if self._check_timer is not None:
            self._check_timer.stop()
        self._check_timer = self.set_timer(_PAUSE, self._check)

    async def _check(self) -> None:
        """Say what is wrong with what stands there, and show what it matches."""
        self._check_timer = None
        if self.editor is None or self.editor.value == self._refused:
            return
        draft = self._draft()
        plan = await self.ask("check", terms=[draft])
        if plan is None or self.editor is None:
            return
        self._show_refusal(plan.refused)
        if not plan.refused and self.field in ("canonical", "aliases"):
            self.preview.of(draft)
        self.draw_about()

    def _show_refusal(self, refused: list[Any]) -> None:
        self._other = refused[0].other if refused else ""
        offer = _("Ctrl+G merges the two") if self._other else ""
        self.trouble = (refused[0].reason, offer) if refused else ("", "")

    @on(CellInput.Left)
    async def _left(self, event: CellInput.Left) -> None:
        if self.editor is None or self._saving:
            return
        if event.keep and not await self._keep():
            return
        await self._close()
        if event.step:
            self.sheet.choose(self.sheet.chosen + event.step)
            await self.action_edit()
        if self.editor is None and self._kept:
            # The row shows the change already; its place among the others may be another now.
            self.run_worker(self.pane.changed(self._kept), group="kept")
            self._kept = ""

    async def _keep(self) -> bool:
        """Have the change on disk; False, with the reason shown, when it was refused."""
        draft, seen = self._draft(), self._seen
        assert seen is not None
        if draft == seen:
            return True
        self._saving = True
        try:
            from kwtui.panes.glossary import author

            made = await self.pane.request("revise", seen=seen, wanted=draft, author=author())
        except UserError as error:
            # What was refused stays said until something else is typed.
            self._refused = self.editor.value if self.editor is not None else None
            plan = await self.ask("check", terms=[draft])
            self._show_refusal(plan.refused if plan else [])
            if not self.trouble[0]:
                self.trouble = (error.sentence, "")
            self.draw_about()
            return False
        finally:
            self._saving = False
        self.trouble = ("", "")
        self._kept = made.id
        self.rows.put(made)
        self.sheet.renew([self.sheet.cursor])
        self._said = _("Kept: {term}").format(term=made.canonical)
        return True

    async def _close(self) -> None:
        """Back to the sheet."""
        editor, self.editor, self._seen, self._other = self.editor, None, None, ""
        self.trouble = ("", "")
        if editor is not None:
            await editor.remove()
            self.bench.say(self._said)
        self.sheet.focus()
        self.preview.of(self.current)
        self.draw_about()

    @on(CellInput.Merge)
    async def _merge_offered(self) -> None:
        """Merge the term with the one that has the typed name."""
        seen, other = self._seen, self._other
        if seen is None or not other:
            return
        await self._close()
        await self.merge_into(other, [seen.id])

    async def merge_into(self, kept: str, others: list[str]) -> None:
        """Make one term of several, by their ids; `kept` stays."""
        from kwtui.panes.glossary import author

        made = None
        for other in others:
            made = await self.ask("merge", kept=kept, other=other, author=author())
            if made is None:
                break
        await self.pane.changed(kept)
        if made is not None:
            names = Content(", ".join(made.surfaces)).truncate(60, ellipsis=True)
            self.bench.say(_("One term now: {names}").format(names=names.plain))


def written(term: Term, name: str) -> str:
    """A field as it is typed in a cell."""
    value = getattr(term, name)
    return "; ".join(value) if isinstance(value, tuple) else str(value)


def read(text: str, name: str) -> Any:
    """The value of a field from what was typed in a cell; names stand apart by ; or a comma."""
    if name not in LISTS:
        return text
    from glossary.term_file import names

    return names(text)


def fits_a_cell(term: Term, name: str) -> bool:
    """Whether a field can be typed in one line without being changed by that."""
    if name in LISTS:
        return bool(read(written(term, name), name) == getattr(term, name))
    return "\n" not in getattr(term, name)
