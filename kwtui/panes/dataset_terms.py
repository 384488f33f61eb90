"""What a labeler tells the glossary: a new term, a note pinned to one, a word that is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.widget import Widget

from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import Term

if TYPE_CHECKING:
    from kwtui.app import Workbench
    from kwtui.panes.dataset_ahead import Ahead
    from kwtui.panes.dataset_store import Store
    from kwtui.widgets.draft import Draft

SOURCE = "labeling"


class TermActions(Widget):
    """Keys that change the glossary by what is under the cursor."""

    draft: Draft | None
    store: Store
    ahead: Ahead
    bench: Workbench

    @property
    def surface(self) -> str:
        """What is under the cursor, "" without a text."""
        draft = self.draft
        return " ".join(draft.text[draft.start : draft.end].split()) if draft else ""

    async def action_glossary(self) -> None:
        """Add what is under the cursor to the glossary."""
        surface = self.surface
        if surface:
            await self._change(surface, lambda term: replace(term, keyword=True), _("{term} added"))

    def action_note(self) -> None:
        """Pin a note to the term under the cursor; it is shown wherever the term stands."""
        self._ask(
            _("Note for {term}"),
            lambda note: lambda term: replace(term, notes=note),
            _("{term}: noted"),
        )

    def action_bar(self) -> None:
        """Put what is under the cursor on the not-a-keyword list, with a reason."""
        self._ask(
            _("Why {term} is no keyword"),
            lambda why: lambda term: replace(term, keyword=False, notes=why),
            _("{term} is on the not-a-keyword list"),
        )

    def _ask(self, title: str, make: Callable[[str], Callable[[Term], Term]], said: str) -> None:
        from kwtui.widgets.dialogs import AskScreen

        surface = self.surface

        async def typed(words: str | None) -> None:
            if words is not None:
                await self._change(surface, make(words), said)

        if surface:
            self.app.push_screen(AskScreen(title.format(term=surface)), typed)

    async def _change(self, surface: str, change: Callable[[Term], Term], said: str) -> None:
        """Change the term with this surface, a new one where there is none; said when on disk."""
        try:
            await self.bench.settings()
            host = self.bench.host("glossary")
            known: Term | None = await host.request("lookup", surface=surface)
            before = known or Term("", surface, source=SOURCE)
            after = change(before)
            if known is None or after != known:
                await host.request(
                    "upsert", terms=[after], author=self.store.annotator, reason=SOURCE
                )
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        self.bench.say(said.format(term=surface))
        self.ahead.refresh()
