"""All changes, newest first: what they touched, moments that have a name, the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.panes.glossary_history import DiffScreen, fields_diff, named, sign
from kwtui.panes.glossary_preview import local_time
from kwtui.panes.glossary_view import GlossaryView, working
from kwtui.themes import KEY, MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import PAGE, Cell, Column, RecordTable

if TYPE_CHECKING:
    from glossary.changes import Batch, Change, Snapshot
    from kwtui.panes.glossary import GlossaryPane

_SHOWN = 40


class ChangesView(GlossaryView):
    """A table of changes; the terms that the chosen one touched beneath."""

    view_id: ClassVar[str] = "changes"

    def __init__(self, pane: GlossaryPane) -> None:
        super().__init__(pane)
        self._batches: dict[int, Batch] = {}
        self._asked: set[int] = set()
        self._named: dict[int, list[Snapshot]] = {}
        self._touched: dict[int, tuple[Change, ...]] = {}

    def compose(self) -> ComposeResult:
        """The changes, and what one of them touched."""
        columns = [
            Column(_("Change"), 8), Column(_("Time"), 16), Column(_("Author"), 10),
            Column("+", 6, right=True), Column("~", 6, right=True), Column("-", 6, right=True),
            Column(_("Reason")),
        ]  # fmt: skip
        keys = self.bench.key_names("glossary.next-view", "glossary.add")
        empty = _(
            "Nothing was changed yet.\n"
            "{view} goes to the terms, where {add} adds one; `kwtui glossary add TERM` too."
        ).format(view=keys[0], add=keys[1])
        yield RecordTable(columns, self._fetch, id="changes", empty=empty)
        yield Lines(id="change-about")

    @property
    def table(self) -> RecordTable:
        """The changes."""
        return self.query_one(RecordTable)

    @property
    def busy(self) -> bool:
        """Whether something is on its way."""
        return any(not worker.is_finished for worker in self.workers if worker.node is self)

    def about(self) -> Sequence[str]:
        """How many changes, how many moments with a name."""
        moments = sum(len(found) for found in self._named.values())
        changes = ngettext_("{count} change", "{count} changes", self.table.count)
        named_ = ngettext_("{count} moment named", "{count} moments named", moments)
        return [
            changes.format(count=f"{self.table.count:,}"),
            named_.format(count=moments) if moments else "",
        ]

    async def opened(self) -> None:
        """Show the changes as they are now."""
        self.table.focus()
        await self.changed()

    async def changed(self, term_id: str = "") -> None:
        """Read the changes anew."""
        latest = await self.ask("version")
        moments = await self.ask("snapshots")
        if latest is None or moments is None:
            return
        self._named = {}
        for one in moments:
            self._named.setdefault(one.position, []).append(one)
        self._batches.clear()
        self._asked.clear()
        self.table.reload(latest)
        await self._read(self.table.cursor // PAGE)
        self._moved()

    def _number(self, row: int) -> int:
        return self.table.count - row

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        page = offset // PAGE
        if page not in self._asked:
            self.run_worker(self._read(page), group="changes")
        rows: list[Sequence[Cell]] = []
        for row in range(offset, min(offset + limit, self.table.count)):
            batch = self._batches.get(self._number(row))
            rows.append(self._cells(batch) if batch is not None else (f"#{self._number(row)}",))
        return rows

    def _cells(self, batch: Batch) -> Sequence[Cell]:
        counts = (f"{n:,}" if n else "" for n in (batch.new, batch.changed, batch.removed))
        names = ", ".join(one.name for one in self._named.get(batch.number, ()))
        parts: list[Content | tuple[str, str] | str] = []
        if names:
            parts += [(printable(f"[{names}]"), KEY), " "]
        return (
            f"#{batch.number}",
            Content.styled(local_time(batch.at), MUTED),
            printable(batch.author),
            *counts,
            Content.assemble(*parts, printable(_reason(batch))),
        )

    async def _read(self, page: int) -> None:
        self._asked.add(page)
        before = self._number(page * PAGE) + 1
        found = await self.ask("batches", limit=PAGE, before=before)
        for batch in found or ():
            self._batches[batch.number] = batch
        self.table.reload()

    # What one change touched

    @property
    def current(self) -> Batch | None:
        """The change under the cursor."""
        return self._batches.get(self._number(self.table.cursor)) if self.table.count else None

    @on(RecordTable.Highlighted, "#changes")
    def _moved(self) -> None:
        self.run_worker(self._show(), group="touched", exclusive=True)

    async def _show(self) -> None:
        number = self._number(self.table.cursor)
        if not self.table.count:
            return
        if number not in self._touched:
            found = await self.ask("changes_of", number=number, limit=_SHOWN)
            if found is None:
                return
            self._touched[number] = found
        if number == self._number(self.table.cursor):
            lines = self.query_one("#change-about", Lines)
            lines.show(_touched_lines(self._touched[number], lines.size.width))

    # Keys

    @working
    async def action_take_back(self) -> None:
        """Undo the change under the cursor, whoever made it; undone already, do it again."""
        from kwtui.panes.glossary import author, told

        batch = self.current
        if batch is None:
            return
        made = await self.ask("take_back", number=batch.number, author=author())
        if made is not None:
            which, undone = made
            await self.pane.changed()
            sentence = _("Undone: {change}") if which == "undo" else _("Redone: {change}")
            self.bench.say(sentence.format(change=told(undone)))

    def action_restore(self) -> None:
        """Make all terms as they were after this change, after a question."""
        from kwtui.widgets.dialogs import ChooseScreen

        batch = self.current
        if batch is None:
            return
        number = batch.number

        def chosen(index: int | None) -> None:
            if index == 0:
                self.run_worker(self._restore(number), group="actions")

        rows = [
            (_("Make all terms as they were after change #{number}").format(number=number), ""),
            (_("Leave them as they are"), ""),
        ]
        self.app.push_screen(ChooseScreen(_("Restore"), rows), chosen)

    async def _restore(self, number: int) -> None:
        from kwtui.panes.glossary import author

        names = self._named.get(number)
        moment = names[0].name if names else str(number)
        count = await self.ask("restore", moment=moment, author=author())
        if count is not None:
            self.table.cursor = 0
            await self.pane.changed()
            sentence = ngettext_("{count} term restored.", "{count} terms restored.", count)
            self.bench.say(sentence.format(count=f"{count:,}"))

    def action_snapshot(self) -> None:
        """Give the present state a name."""
        from kwtui.panes.glossary import author
        from kwtui.widgets.dialogs import AskScreen

        async def typed(name: str | None) -> None:
            if not name or not name.strip():
                return
            made = await self.ask("snapshot", name=name.strip(), author=author())
            if made is not None:
                await self.pane.changed()
                said = _("The state after change #{number} is called {name}.")
                self.bench.say(said.format(number=made.position, name=made.name))

        self.app.push_screen(AskScreen(_("Name of the present state")), typed)

    @working
    async def action_delete(self) -> None:
        """Forget the name of the moment under the cursor; the changes stay."""
        from kwtui.panes.glossary import author

        batch = self.current
        names = self._named.get(batch.number, []) if batch else []
        if not names:
            self.bench.say(_("Changes stay for ever; only a name can be forgotten."))
            return
        name = names[-1].name
        if await self.ask("drop_snapshot", name=name, author=author()) is not None:
            await self.pane.changed()
            self.bench.say(_("Forgotten: {name}").format(name=name))

    @working
    async def action_compare(self) -> None:
        """What differs between the state after this change and now."""
        batch = self.current
        if batch is None:
            return
        found = await self.ask("diff", since=str(batch.number))
        if found is not None:
            title = _("Since change #{number}").format(number=batch.number)
            self.app.push_screen(DiffScreen(title, found))

    async def action_leave(self) -> None:
        """Back to the terms."""
        await self.pane.show_view("terms")


def _reason(batch: Batch) -> str:
    kinds = {
        "undo": _("undo of #{of}").format(of=batch.of),
        "redo": _("redo of #{of}").format(of=batch.of),
    }
    return " ".join(filter(None, (kinds.get(batch.kind, ""), batch.reason)))


def _touched_lines(changes: Sequence[Change], width: int) -> list[Content]:
    lines: list[Content] = []
    for change in changes:
        head = f" {sign(change.before, change.after)} {named(change.before, change.after)}"
        lines.append(Content.styled(head, "b"))
        if change.before is not None and change.after is not None:
            for line in fields_diff(change.before, change.after, width):
                lines.append(Content.assemble("  ", line))
    if not lines:
        lines.append(Content(" " + _("It touched no term.")))
    return lines
