"""The window to import terms, where its file is drug data: a preset makes records and terms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui.themes import KEY, MUTED
from kwtui.widgets.record_table import Cell

if TYPE_CHECKING:
    from glossary.record_import import Imported
    from kwtui.app import Workbench
    from kwtui.panes.glossary import GlossaryPane
    from kwtui.services.messages import Progress
    from kwtui.services.request import Request


class RecordsPart(ModalScreen[str | None]):
    """The part of the window about context records; `preset` "" means a file of terms."""

    pane: GlossaryPane

    if TYPE_CHECKING:

        @property
        def bench(self) -> Workbench:
            """The app."""

        def _file(self) -> Path:
            """The file that is named."""

        def _look(self) -> None:
            """Read the file anew."""

        def _progress(self, words: str) -> None:
            """Say what is being done."""

    def __init__(self) -> None:
        super().__init__()
        self.preset = ""
        self.records: Imported | None = None
        self._encoding = ""
        self._importing: Request | None = None

    async def guess_preset(self) -> None:
        """A file that cannot be one of terms is taken for drug data, if a preset fits."""
        if self._file().is_file():
            found = await self._fitting()
            self.preset = found[0] if found else ""

    async def _fitting(self) -> tuple[str, ...]:
        found: tuple[str, ...] = await self.pane.request(
            "presets", file=self._file(), encoding=self._encoding
        )
        return found

    async def look_at_records(self) -> None:
        """Learn what importing by the preset would do. Raises UserError."""
        self.records = await self.pane.request(
            "preview_records", file=self._file(), preset=self.preset, encoding=self._encoding
        )

    async def action_records(self) -> None:
        """Choose what the rows of the file become: terms, or records and terms by a preset."""
        from kwtui.widgets.dialogs import ChooseScreen

        if not self.query_one("#import-file", Input).value.strip() or self._importing is not None:
            return
        try:
            fitting = await self._fitting()
        except UserError:
            fitting = ()
        known = (await self.bench.settings()).records
        names = ["", *fitting, *sorted(set(known) - set(fitting))]
        rows = [(_("Terms"), _("a row is a term"))]
        rows += [
            (name, _("fits this file") if name in fitting else printable(known[name].title))
            for name in names[1:]
        ]

        def chosen(index: int | None) -> None:
            if index is not None:
                self.preset = names[index]
                self._look()

        at = names.index(self.preset) if self.preset in names else 0
        self.app.push_screen(ChooseScreen(_("What the rows become"), rows, at), chosen)

    async def run_records(self) -> str:
        """Import, and say what was done; "" when it was stopped. Raises UserError."""
        from kwtui.panes.glossary import author
        from kwtui.services.request import RequestCancelled

        def on_progress(step: Progress) -> None:
            total = f" {step.done:,}/{step.total:,}" if step.total else ""
            self._progress(step.stage + total + "  " + _("Esc stops"))

        values: dict[str, Any] = {
            "file": self._file(), "preset": self.preset, "encoding": self._encoding,
            "author": author(),
        }  # fmt: skip
        await self.bench.settings()
        host = self.bench.host("glossary")
        self._importing = host.submit(
            "import_records", values, background=True, on_progress=on_progress
        )
        self.pane.waiting += 1
        try:
            done: Imported = await self._importing
        except RequestCancelled:
            return ""
        finally:
            self._importing = None
            self.pane.waiting -= 1
        said = _("Imported from {name}: {records} records and {terms} terms, new or changed")
        records = done.records.new + done.records.changed
        terms = done.terms_new + done.terms_changed
        return said.format(name=self._file().name, records=f"{records:,}", terms=f"{terms:,}")

    def stop_records(self) -> bool:
        """Stop an import that is running; returns whether there was one."""
        if self._importing is None:
            return False
        self.bench.host("glossary").cancel(self._importing)
        return True

    def record_rows(self) -> Sequence[Sequence[Cell]]:
        """The first records with their rows, then the first terms that would be written."""
        if self.records is None:
            return []
        found: list[Sequence[Cell]] = [
            (f"{one.row:,}", _("record"), one.title, printable(one.text))
            for one in self.records.some_records
        ]
        for term in self.records.some_terms:
            about = ", ".join(filter(None, (term.category, ", ".join(term.aliases))))
            found.append(("", Content.styled(_("term"), KEY), term.canonical, printable(about)))
        found += [("", Content.styled(_("note"), MUTED), "", printable(n)) for n in self._notes()]
        return found

    def _notes(self) -> Sequence[str]:
        return self.records.notes[:50] if self.records is not None else ()


def counted_records(made: Imported) -> str:
    """What an import of drug data does, in numbers."""
    sentence = _(
        "{rows} rows: records new {new}, changed {changed}, same {same}, removed {removed}; "
        "terms new {terms_new}, changed {terms_changed}, same {terms_same}"
    )
    counts = made.to_json()
    terms = {f"terms_{name}": f"{value:,}" for name, value in counts["terms"].items()}
    records = {name: f"{value:,}" for name, value in counts["records"].items()}
    return sentence.format(rows=f"{made.rows:,}", **records, **terms)
