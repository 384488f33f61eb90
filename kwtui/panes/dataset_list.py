"""The list view: every text that passes the filter, however many there are."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import normalise, printable
from kwtui.panes.dataset_store import Store
from kwtui.panes.dataset_view import DatasetView
from kwtui.themes import MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable

if TYPE_CHECKING:
    from engines.corpus.browsing import Rows
    from engines.corpus.queue import Filter
    from kwtui.panes.dataset import DatasetPane


class ListView(DatasetView):
    """A table of texts; Enter opens one in the labeling view."""

    view_id: ClassVar[str] = "list"

    def __init__(self, pane: DatasetPane, store: Store) -> None:
        super().__init__(pane)
        self.store = store
        self._keys: array[int] = array("q")
        self._rows: Rows | None = None
        self._reading = 0

    def compose(self) -> ComposeResult:
        """What is shown, and the texts."""
        columns = [
            Column(_("Status"), 9),
            Column(_("Split"), 6),
            Column(_("Keywords"), 8, right=True),
            Column(_("Text")),
        ]
        yield Lines(id="wanted")
        yield RecordTable(columns, self._fetch, id="texts", empty=_("No text passes the filter."))

    @property
    def table(self) -> RecordTable:
        """The texts."""
        return self.query_one(RecordTable)

    @property
    def busy(self) -> bool:
        """Whether the texts are being looked for."""
        return self._reading > 0

    async def opened(self) -> None:
        """Show what the corpus holds now."""
        self.table.focus()
        await self._read()

    def on_unmount(self) -> None:
        """Close the file."""
        if self._rows is not None:
            self._rows.close()

    async def _read(self) -> None:
        from engines.corpus.browsing import Rows, matching_keys
        from engines.corpus.queue import Filter

        wanted = self.pane.wanted or Filter()
        self._reading += 1
        try:
            keys, whole = await asyncio.to_thread(matching_keys, self.store.path, wanted)
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        finally:
            self._reading -= 1
        if wanted != (self.pane.wanted or Filter()):
            return
        if self._rows is None:
            self._rows = Rows(self.store.path, self.store.annotator)
        self._keys = keys
        self.table.reload(len(keys))
        count = ngettext_("{count} text", "{count} texts", len(keys))
        parts = [count.format(count=f"{len(keys):,}"), *described(wanted)]
        if not whole:
            parts.append(_("the search took too long: these were found"))
        self.query_one("#wanted", Lines).show([Content(" " + printable(" | ".join(parts)))])

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        from kwtui.panes.dataset import statuses

        if self._rows is None:
            return []
        names = statuses()
        return [
            (
                names.get(row.status, row.status),
                Content.styled(row.split, MUTED),
                str(row.keywords or ""),
                printable(" ".join(row.text.split("\n"))),
            )
            for row in self._rows.read(self._keys[offset : offset + limit])
        ]

    # Keys

    @on(RecordTable.Selected)
    async def _selected(self, event: RecordTable.Selected) -> None:
        rows = self._rows.read(self._keys[event.row : event.row + 1]) if self._rows else []
        if rows:
            await self.pane.label_text(rows[0].id)

    async def action_leave(self) -> None:
        """Back to the labeling view."""
        await self.pane.show_view("label")

    def action_search(self) -> None:
        """Texts that hold some letters, or have that id."""
        self._ask("surfaces", _("A piece of the text, or its id"))

    async def action_work(self) -> None:
        """Label the texts that are shown, in the order of work."""
        view = await self.pane.labeling()
        await view.work_on(view.order, self.pane.wanted, view.ranking)

    async def action_filter(self) -> None:
        """Choose which texts are shown."""
        from engines.corpus.browsing import choices
        from engines.corpus.queue import Filter
        from kwtui.widgets.dialogs import ChooseScreen

        wanted = self.pane.wanted or Filter()
        known = await self.bench.work(lambda: choices(self.store.path))
        titles = filter_titles()
        rows = [(titles[name], value or _("any")) for name, value in values(wanted).items()]

        def chosen(index: int | None) -> None:
            if index is None:
                return
            name = [*titles][index] if index < len(titles) else ""
            if name == "statuses" or (known or {}).get(name):
                self._choose(name, (known or {}).get(name, []))
            elif name:
                self._ask(name, titles[name])
            else:
                self._use(Filter())

        rows.append((_("Show every text"), ""))
        self.app.push_screen(ChooseScreen(_("Filter"), rows), chosen)

    def _choose(self, name: str, known: list[str]) -> None:
        from kwtui.panes.dataset import statuses
        from kwtui.widgets.dialogs import ChooseScreen

        shown = list(statuses().values()) if name == "statuses" else known
        names = list(statuses()) if name == "statuses" else known

        def chosen(index: int | None) -> None:
            if index is not None:
                self._set(name, names[index - 1] if index else "")

        rows = [(_("any"), ""), *((printable(one), "") for one in shown)]
        self.app.push_screen(ChooseScreen(filter_titles()[name], rows), chosen)

    def _ask(self, name: str, title: str) -> None:
        from engines.corpus.queue import Filter
        from kwtui.widgets.dialogs import AskScreen

        def typed(value: str | None) -> None:
            if value is not None:
                self._set(name, normalise(value).strip())

        now = values(self.pane.wanted or Filter())[name]
        self.app.push_screen(AskScreen(title, now), typed)

    def _set(self, name: str, value: str) -> None:
        from engines.corpus.queue import Filter

        new: object = value
        if name in ("statuses", "surfaces"):
            new = (value,) if value else ()
        elif name == "split":
            new = value or None
        changes = {name: new}
        self._use(replace(self.pane.wanted or Filter(), **changes))  # type: ignore[arg-type]

    def _use(self, wanted: Filter) -> None:
        self.pane.wanted = wanted
        self.table.cursor = 0
        self.run_worker(self._read(), exit_on_error=True)


def filter_titles() -> dict[str, str]:
    """The fields of a filter as a person reads them."""
    return {
        "statuses": _("Status"),
        "source": _("Source"),
        "annotator": _("Annotator"),
        "split": _("Split"),
        "surfaces": _("Term"),
        "pattern": _("Regular expression"),
    }


def values(wanted: Filter) -> dict[str, str]:
    """What a filter says of each field, "" for nothing."""
    return {
        "statuses": ", ".join(wanted.statuses),
        "source": wanted.source,
        "annotator": wanted.annotator,
        "split": wanted.split or "",
        "surfaces": ", ".join(wanted.surfaces),
        "pattern": wanted.pattern,
    }


def described(wanted: Filter) -> list[str]:
    """What a filter wants, in words."""
    titles = filter_titles()
    return [f"{titles[name]}: {value}" for name, value in values(wanted).items() if value]
