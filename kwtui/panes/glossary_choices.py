"""What the sheet shows: kinds, order, keywords or the others; files of terms in and out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.widget import Widget

from glossary.i18n import _, ngettext_
from glossary.listing import WHICH, View
from glossary.text import printable
from kwtui.panes.glossary_view import working

if TYPE_CHECKING:
    from glossary.term import Term
    from kwtui.app import Workbench
    from kwtui.panes.glossary import GlossaryPane


class ChoiceActions(Widget):
    """The part of the terms view that chooses what is shown."""

    bench: Workbench
    pane: GlossaryPane
    wanted: View

    if TYPE_CHECKING:

        @property
        def current(self) -> Term | None:
            """The term under the cursor."""

        async def ask(self, method: str, **params: Any) -> Any:
            """The answer of the glossary's process."""

        async def use(self, view: View, row: int = 0) -> None:
            """Show these terms."""

        async def place(self, term_id: str) -> int | None:
            """The row of a term."""

    async def _show(self, view: View) -> None:
        """Show other terms, or in another order, the cursor on the same term if it is there."""
        current = self.current
        self.wanted = view
        row = await self.place(current.id) if current else None
        await self.use(view, row or 0)

    @working
    async def action_category(self) -> None:
        """Show only the terms of one kind."""
        from kwtui.widgets.dialogs import ChooseScreen

        found = await self.ask("facets", filter=self.wanted.filter, which=self.wanted.which)
        if found is None:
            return
        counts: dict[str, int] = found.get("category", {})
        names: list[str | None] = [None, *counts]
        rows = [(_("all kinds"), f"{sum(counts.values()):,}")]
        rows += [(printable(name) or _("no kind"), f"{n:,}") for name, n in counts.items()]

        async def chosen(index: int | None) -> None:
            if index is not None:
                await self._show(replace(self.wanted, category=names[index]))

        at = names.index(self.wanted.category) if self.wanted.category in names else 0
        self.app.push_screen(ChooseScreen(_("Kind"), rows, at), chosen)

    def action_order(self) -> None:
        """Choose the order of the terms."""
        from kwtui.widgets.dialogs import ChooseScreen

        names = list(orders())

        async def chosen(index: int | None) -> None:
            if index is not None:
                await self._show(replace(self.wanted, sort=names[index]))

        rows = [(title, "") for title in orders().values()]
        at = names.index(self.wanted.sort)
        self.app.push_screen(ChooseScreen(_("Order"), rows, at), chosen)

    @working
    async def action_which(self) -> None:
        """All terms, only keywords, only the not-a-keyword list."""
        at = WHICH.index(self.wanted.which)
        which = WHICH[(at + 1) % len(WHICH)]
        await self._show(replace(self.wanted, which=which))
        self.bench.say(_("Shown: {which}").format(which=shown_kinds()[which]))

    # Files

    def action_import(self) -> None:
        """Take terms from a file, after a look at what that would do."""
        from kwtui.panes.glossary_import import ImportScreen

        async def done(said: str | None) -> None:
            if said:
                await self.pane.changed()
                self.bench.say(said)

        start = self.pane.restored.get("import", "")
        self.app.push_screen(ImportScreen(self.pane, str(start)), done)

    def action_embed(self) -> None:
        """Make the vectors that retrieval lacks, in the background; again: stop."""
        self.run_worker(self.pane.embed(), group="embed")

    def action_export(self) -> None:
        """Write all terms to a file."""
        from kwtui.widgets.dialogs import AskScreen

        asked: set[str] = set()

        def check(name: str) -> str:
            path = self._path(name)
            if not name.strip() or (path.exists() and name not in asked):
                asked.add(name)
                return _("{path} is there already: Enter again replaces it.").format(path=path)
            return ""

        async def chosen(name: str | None) -> None:
            if name and name.strip():
                await self._export(self._path(name))

        start = str(self.bench.workspace.root / "glossary.csv")
        title = _("Write all terms to (csv, tsv, xlsx, jsonl, tbx, txt)")
        self.app.push_screen(AskScreen(title, start, check=check), chosen)

    def _path(self, name: str) -> Path:
        return self.bench.workspace.root / Path(name.strip()).expanduser()

    async def _export(self, path: Path) -> None:
        count = await self.ask("export_file", file=path)
        if count is not None:
            sentence = ngettext_("{count} term: {path}", "{count} terms: {path}", count)
            self.bench.say(sentence.format(count=f"{count:,}", path=path))


def orders() -> dict[str, str]:
    """The orders as a person reads them."""
    return {
        "canonical": _("by term"),
        "-canonical": _("by term, backwards"),
        "category": _("by kind"),
        "-updated": _("last changed first"),
        "updated": _("first changed first"),
        "-created": _("newest first"),
        "definition": _("by definition, missing ones first"),
        "source": _("by source"),
        "author": _("by author"),
        "language": _("by language"),
    }


def shown_kinds() -> dict[str, str]:
    """What can be shown."""
    return {
        "all": _("all terms"),
        "keywords": _("only keywords"),
        "excluded": _("only the not-a-keyword list"),
    }
