"""Adding a term and changing all its fields: the actions; the window is in glossary_fields.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual.widget import Widget

from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import Term
from kwtui.panes.glossary_view import working

if TYPE_CHECKING:
    from glossary.listing import View
    from kwtui.app import Workbench
    from kwtui.panes.glossary import GlossaryPane


class FormActions(Widget):
    """The part of the terms view that shows one term whole: form, editor, history."""

    bench: Workbench
    pane: GlossaryPane
    wanted: View

    if TYPE_CHECKING:

        @property
        def current(self) -> Term | None:
            """The term under the cursor."""

        @property
        def field(self) -> str:
            """The field of the chosen cell."""

        async def ask(self, method: str, **params: Any) -> Any:
            """The answer of the glossary's process."""

        async def merge_into(self, kept: str, others: list[str]) -> None:
            """Make one term of several."""

    async def action_add(self) -> None:
        """A form for a new term, of the kind that is shown."""
        fresh = Term("", "", category=self.wanted.category or "")
        fresh = replace(fresh, keyword=self.wanted.which != "excluded")
        await self.pane.open_form(fresh)

    async def action_form(self) -> None:
        """Every field of the term, to be changed."""
        if self.current is not None:
            await self.pane.open_form(self.current, self.field)

    async def action_editor(self) -> None:
        """The definition in the person's own editor."""
        from kwtui.panes.glossary import author
        from kwtui.panes.glossary_editor import edit_text

        term = self.current
        if term is None:
            return
        try:
            text = edit_text(self.app, term.definition)
            if text == term.definition:
                self.bench.say(_("Nothing was changed."))
                return
            wanted = replace(term, definition=text)
            await self.pane.request("revise", seen=term, wanted=wanted, author=author())
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        await self.pane.changed(term.id)
        self.bench.say(_("Kept: {term}").format(term=term.canonical))

    @working
    async def action_history(self) -> None:
        """What was changed in this term, by whom, with what it was."""
        from kwtui.panes.glossary_history import HistoryScreen

        term = self.current
        if term is None:
            return
        changes = await self.ask("history", term_id=term.id)
        if changes is None:
            return

        async def chosen(version: Term | None) -> None:
            if version is not None:
                await self._bring_back(term, version)

        self.app.push_screen(HistoryScreen(term.canonical, changes), chosen)

    async def _bring_back(self, term: Term, version: Term) -> None:
        """Make the term say again what it said then, as a change."""
        from kwtui.panes.glossary import author
        from kwtui.panes.glossary_preview import local_time

        reason = _("as of {time}").format(time=local_time(version.updated))
        made = await self.ask(
            "revise", seen=term, wanted=replace(version, id=term.id), author=author(), reason=reason
        )
        if made is not None:
            await self.pane.changed(made.id)
            self.bench.say(_("Brought back: {term}").format(term=made.canonical))
