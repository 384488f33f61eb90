"""Marks on terms of the sheet, and what is done to all that are marked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from textual.widget import Widget

from glossary.i18n import _, ngettext_
from glossary.term import Term
from kwtui.panes.glossary_view import working

if TYPE_CHECKING:
    from glossary.listing import View
    from kwtui.app import Workbench
    from kwtui.panes.glossary import GlossaryPane
    from kwtui.panes.glossary_rows import Rows
    from kwtui.panes.glossary_sheet import Sheet


class Marks:
    """Which terms are marked: some by id, or all that the view shows."""

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}
        self.all = False

    def has(self, term_id: str) -> bool:
        """Whether a term is marked."""
        return self.all or term_id in self.ids

    def toggle(self, term_id: str) -> None:
        """Mark a term, or take its mark off."""
        if term_id in self.ids:
            del self.ids[term_id]
        else:
            self.ids[term_id] = None

    def clear(self) -> None:
        """Mark nothing."""
        self.ids.clear()
        self.all = False

    def count(self, shown: int) -> int:
        """How many are marked, where the view shows so many."""
        return shown if self.all else len(self.ids)


class ManyActions(Widget):
    """The part of the terms view for marks: delete, merge, set a field."""

    bench: Workbench
    pane: GlossaryPane
    rows: Rows
    wanted: View

    if TYPE_CHECKING:

        @property
        def sheet(self) -> Sheet:
            """The table."""

        @property
        def current(self) -> Term | None:
            """The term under the cursor."""

        async def ask(self, method: str, **params: Any) -> Any:
            """The answer of the glossary's process."""

        async def merge_into(self, kept: str, others: list[str]) -> None:
            """Make one term of several."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.marks = Marks()

    # Marks

    def show_marks(self) -> None:
        """Draw the marks as they are now."""
        self.sheet.reload()
        self.pane.draw_head()

    def action_mark(self) -> None:
        """Mark the term, or take its mark off, and go down."""
        self._mark(1)

    def action_mark_down(self) -> None:
        """The same with a key that other tables use for it."""
        self._mark(1)

    def action_mark_up(self) -> None:
        """Mark and go up."""
        self._mark(-1)

    def _mark(self, step: int) -> None:
        term = self.current
        if term is None:
            return
        if self.marks.all:
            self.marks.clear()
        self.marks.toggle(term.id)
        self.sheet.cursor += step
        self.show_marks()

    def action_mark_all(self) -> None:
        """Mark every term that the filter shows, or none."""
        everything = not self.marks.all
        self.marks.clear()
        self.marks.all = everything and self.rows.total > 0
        self.show_marks()

    def _target(self) -> tuple[int, dict[str, Any]]:
        """How many terms are meant and how to name them: the marked ones, or the cursor's."""
        if self.marks.all:
            return self.rows.total, {"view": self.wanted}
        if self.marks.ids:
            return len(self.marks.ids), {"ids": list(self.marks.ids)}
        term = self.current
        return (1, {"ids": [term.id]}) if term is not None else (0, {})

    # What is done to them

    @working
    async def action_delete(self) -> None:
        """Remove the marked terms, or that under the cursor; many only after a question."""
        count, which = self._target()
        if count == 1:
            await self._delete(which)
        elif count:
            from kwtui.widgets.dialogs import ChooseScreen

            sentence = ngettext_("Delete {count} term", "Delete {count} terms", count)
            rows = [(sentence.format(count=f"{count:,}"), ""), (_("Keep them"), "")]

            def chosen(index: int | None) -> None:
                if index == 0:
                    self.run_worker(self._delete(which), group="actions")

            self.app.push_screen(ChooseScreen(_("Delete"), rows), chosen)

    async def _delete(self, which: dict[str, Any]) -> None:
        from kwtui.panes.glossary import author

        gone = await self.ask("remove", author=author(), **which)
        if gone is None:
            return
        self.marks.clear()
        await self.pane.changed()
        key = self.bench.key_names("glossary.undo")[0]
        sentence = ngettext_(
            "{count} term deleted; {key} takes that back.",
            "{count} terms deleted; {key} takes that back.",
            gone,
        )
        self.bench.say(sentence.format(count=f"{gone:,}", key=key))

    @working
    async def action_exclude(self) -> None:
        """Put the terms on the not-a-keyword list, or take them off it."""
        term = self.current
        if term is not None:
            _count, which = self._target()
            await self._set({"keyword": not term.keyword}, which)

    def action_bulk(self) -> None:
        """Set a field of the marked terms, or of all that the filter shows."""
        from kwtui.panes.glossary_terms import field_titles
        from kwtui.widgets.dialogs import ChooseScreen

        count, which = self._target()
        if not self.marks.all and not self.marks.ids:
            count, which = self.rows.total, {"view": self.wanted}
        if not count:
            return
        titles = field_titles()
        fields = ("category", "language", "source", "notes", "definition")
        flags = {"keyword": _("A keyword"), "not": _("Not a keyword")}
        rows = [*((titles[name], "") for name in fields), *((one, "") for one in flags.values())]
        title = ngettext_("Set for {count} term", "Set for {count} terms", count)

        def chosen(index: int | None) -> None:
            if index is None:
                return
            if index < len(fields):
                self._ask_value(fields[index], titles[fields[index]], which)
            else:
                self._start_setting({"keyword": index == len(fields)}, which)

        self.app.push_screen(ChooseScreen(title.format(count=f"{count:,}"), rows), chosen)

    def _ask_value(self, name: str, title: str, which: dict[str, Any]) -> None:
        from kwtui.widgets.dialogs import AskScreen

        def typed(value: str | None) -> None:
            if value is not None:
                self._start_setting({name: value}, which)

        self.app.push_screen(AskScreen(title), typed)

    def _start_setting(self, values: dict[str, Any], which: dict[str, Any]) -> None:
        self.run_worker(self._set(values, which), group="actions")

    async def _set(self, values: dict[str, Any], which: dict[str, Any]) -> None:
        from kwtui.panes.glossary import author

        changed = await self.ask("alter", values=values, author=author(), **which)
        if changed is None:
            return
        self.marks.clear()
        await self.pane.changed()
        sentence = ngettext_("{count} term changed.", "{count} terms changed.", changed)
        self.bench.say(sentence.format(count=f"{changed:,}"))

    @working
    async def action_merge(self) -> None:
        """Merge the marked terms into that under the cursor, or with one that is looked for."""
        term = self.current
        if term is None:
            return
        if self.marks.all:
            self.bench.warn(_("Mark the terms to merge one by one."))
            return
        others = [one for one in self.marks.ids if one != term.id]
        if others:
            self.marks.clear()
            await self.merge_into(term.id, others)
            return
        from kwtui.panes.glossary_pick import PickTerm

        def chosen(other: Term | None) -> None:
            if other is not None:
                self.run_worker(self.merge_into(term.id, [other.id]), group="actions")

        title = _("Merge into '{term}'").format(term=term.canonical)
        self.app.push_screen(PickTerm(title, self.near, without=term.id), chosen)

    async def near(self, text: str) -> Iterable[Term]:
        """The terms whose names, then whose definitions, hold something."""
        return await self.ask("search", text=text, limit=50) or ()
