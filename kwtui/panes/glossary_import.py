"""A window to import terms: the file, what its columns are taken for, what would happen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Input

from glossary.errors import UserError
from glossary.exchange import FORMATS
from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.glossary_preview import refused, wrapped
from kwtui.panes.glossary_records import RecordsPart, counted_records
from kwtui.themes import KEY, MUTED, WRONG
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable

if TYPE_CHECKING:
    from glossary.columns import Table
    from glossary.importing import Preview, Row
    from kwtui.app import Workbench
    from kwtui.panes.glossary import GlossaryPane
    from kwtui.services.messages import Progress

MODES = ("complete", "keep", "replace")
_SHOWN = ("", "conflicting", "refused", "changed", "new")
_FIELDS = (
    "canonical", "aliases", "definition", "category", "language", "source", "notes", "keyword",
    "ambiguous",
)  # fmt: skip


class ImportScreen(RecordsPart):
    """Shows first, imports on Ctrl+S; the result is the sentence that says what was done."""

    BINDINGS = [
        Binding("escape", "close", show=False),
        Binding("ctrl+s", "run", show=False, priority=True),
        Binding("m,ㅡ", "mode", show=False),
        Binding("e,ㄷ", "encoding", show=False),
        Binding("f,ㄹ", "only", show=False),
        Binding("r,ㄱ", "records", show=False),
    ]

    def __init__(self, pane: GlossaryPane, start: str) -> None:
        super().__init__()
        self.pane, self._start = pane, start
        self._table: Table | None = None
        self._preview: Preview | None = None
        self._named: dict[str, str] = {}
        self._mode, self._only = "complete", ""
        self._doing, self._wrong = "", ""

    @property
    def bench(self) -> Workbench:
        """The app."""
        return cast("Workbench", self.app)

    def compose(self) -> ComposeResult:
        """The file; its columns; the rows and what would happen to each."""
        with Vertical(classes="window tall") as window:
            window.border_title = Content(_("Import terms"))
            window.border_subtitle = Content(_("Ctrl+S imports, Esc closes"))
            yield Input(
                self._start,
                placeholder=_(
                    "a csv, tsv, xlsx, jsonl, tbx or txt file, or drug data as json or xml; "
                    "Enter looks into it"
                ),
                suggester=PathSuggester(self.pane.bench.workspace.root),
                id="import-file",
                compact=True,
            )
            yield Lines(id="import-about")
            fields = [
                Column(_("Field"), 12),
                Column(_("Column of the file"), 24),
                Column(_("First")),
            ]
            yield RecordTable(fields, self._fetch_fields, id="import-fields")
            rows = [
                Column(_("Line"), 7, right=True), Column(_("What"), 12), Column(_("Term"), 20),
                Column(_("Note")),
            ]  # fmt: skip
            yield RecordTable(rows, self._fetch_rows, id="import-rows")

    def on_mount(self) -> None:
        """Begin with the name of the file."""
        self.query_one("#import-file", Input).focus()
        self._draw()

    # Looking

    @on(Input.Submitted)
    def _named_file(self) -> None:
        self._named, self._encoding, self.preset = {}, "", ""
        self.run_worker(self._read(guess=True), group="import", exclusive=True)

    def _look(self) -> None:
        self.run_worker(self._read(), group="import", exclusive=True)

    def _file(self) -> Path:
        name = self.query_one("#import-file", Input).value.strip()
        return self.bench.workspace.root / Path(name).expanduser()

    def _chosen(self) -> dict[str, Any]:
        return {"file": self._file(), "encoding": self._encoding, "columns": self._named}

    async def _read(self, guess: bool = False) -> None:
        self._preview = self._table = self.records = None
        self._wrong = ""
        self._progress(_("Reading the file"))
        try:
            if guess and self._file().suffix.lower().lstrip(".") not in FORMATS:
                await self.guess_preset()
            if not self.preset:
                await self._look_at_terms()
            if guess and self._wrong:
                await self.guess_preset()
            if self.preset:
                self._table, self._wrong = None, ""
                await self.look_at_records()
        except UserError as error:
            self._table = None
            self._wrong = error.sentence.replace(str(self._file()), self._file().name)
        self._doing = ""
        if self.is_mounted:
            self._show_found()

    async def _look_at_terms(self) -> None:
        self._table = await self.pane.request("show_table", **self._chosen())
        if self._table is not None and "canonical" not in self._table.columns:
            self._wrong = _("No column is known to hold the term: choose it for 'Term'.")
            return
        self._preview = await self.pane.request("preview_import", **self._chosen(), mode=self._mode)

    def _show_found(self) -> None:
        fields, rows = self.query_one("#import-fields"), self.query_one("#import-rows")
        assert isinstance(fields, RecordTable) and isinstance(rows, RecordTable)
        away = fields.has_focus or self.query_one("#import-file").has_focus
        fields.display = self._table is not None
        fields.reload(len(_FIELDS) if self._table else 0)
        rows.reload(len(self._shown()))
        found = self._preview or self._table or self.records
        if found is not None and away:
            (fields if self._table else rows).focus()
        self._draw()

    def _progress(self, words: str) -> None:
        self._doing = words
        self._draw()

    def _rows(self) -> list[Row]:
        rows = self._preview.rows if self._preview else []
        return [row for row in rows if self._only in ("", row.outcome)]

    def _shown(self) -> Sequence[object]:
        return self.record_rows() if self.preset else self._rows()

    def _draw(self) -> None:
        about = self.query_one("#import-about", Lines)
        lines: list[Content] = []
        if self._wrong:
            lines = refused(self._wrong, about.size.width)[:2]
        elif self._doing:
            lines = [Content.styled(self._doing, MUTED)]
        elif self._preview is not None:
            lines = [Content.styled(counted(self._preview), "b")]
        elif self.records is not None:
            lines = wrapped(counted_records(self.records), about.size.width, 2)
            lines = [line.stylize("b") for line in lines]
        about.show([*lines, *[Content("")] * (2 - len(lines)), self._keys()])

    def _keys(self) -> Content:
        """What the keys choose, as it is chosen now."""
        modes = {
            "complete": _("completes what is there"),
            "keep": _("keeps what is there"),
            "replace": _("replaces what is there"),
        }
        encoding = self._encoding or (self._preview.encoding if self._preview else "")
        only = outcomes()[self._only] if self._only else _("every row")
        shown = {"r": _("as {preset}").format(preset=self.preset or _("terms"))}
        shown |= {} if self.preset else {"m": modes[self._mode]}
        shown["e"] = encoding or _("encoding")
        shown |= {} if self.preset else {"f": only}
        parts: list[Content | tuple[str, str] | str] = []
        for name, words in shown.items():
            parts += [(name, KEY), " ", printable(words), "  "]
        return Content.assemble(*parts)

    def _fetch_fields(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        from kwtui.panes.glossary_terms import field_titles

        titles, table = field_titles(), self._table
        if table is None:
            return []
        found = []
        for name in _FIELDS[offset : offset + limit]:
            header = table.columns.get(name, "")
            at = table.header.index(header) if header else -1
            first = next((row[at] for row in table.sample if 0 <= at < len(row) and row[at]), "")
            found.append((titles[name], header or Content.styled(_("none"), MUTED), first))
        return found

    def _fetch_rows(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        if self.preset:
            return self.record_rows()[offset : offset + limit]
        words = outcomes()
        styles = {"refused": WRONG, "conflicting": "b $text-warning", "same": MUTED, "new": KEY}
        return [
            (
                f"{row.line:,}",
                Content.styled(words[row.outcome], styles.get(row.outcome, "")),
                row.term.canonical,
                _note(row),
            )
            for row in self._rows()[offset : offset + limit]
        ]

    # Choosing

    @on(RecordTable.Selected, "#import-fields")
    def _column(self, event: RecordTable.Selected) -> None:
        """Choose the column of a field."""
        from kwtui.panes.glossary_terms import field_titles
        from kwtui.widgets.dialogs import ChooseScreen

        table = self._table
        if table is None:
            return
        name = _FIELDS[event.row]
        headers = [header for header in table.header if header]

        def chosen(index: int | None) -> None:
            if index is not None:
                self._named[name] = headers[index - 1] if index else ""
                self._look()

        samples = {
            header: next((row[at] for row in table.sample if at < len(row)), "")
            for at, header in enumerate(table.header)
        }
        rows = [(_("none"), ""), *((printable(h), printable(samples[h])[:40]) for h in headers)]
        now = table.columns.get(name, "")
        at = headers.index(now) + 1 if now in headers else 0
        self.app.push_screen(ChooseScreen(field_titles()[name], rows, at), chosen)

    def action_mode(self) -> None:
        """What counts where file and glossary differ."""
        if self.preset:
            return
        self._mode = MODES[(MODES.index(self._mode) + 1) % len(MODES)]
        self._look()

    def action_only(self) -> None:
        """Show the rows of one outcome."""
        if self.preset:
            return
        self._only = _SHOWN[(_SHOWN.index(self._only) + 1) % len(_SHOWN)]
        self.query_one("#import-rows", RecordTable).reload(len(self._rows()))
        self._draw()

    def action_encoding(self) -> None:
        """Name the encoding of the file."""
        from kwtui.widgets.dialogs import AskScreen

        def typed(name: str | None) -> None:
            if name is not None:
                self._encoding = name.strip()
                self._look()

        self.app.push_screen(AskScreen(_("Encoding, such as cp949; nothing: tried out")), typed)

    async def action_run(self) -> None:
        """Import as one change, and close."""
        if (self._preview is None and self.records is None) or self._doing:
            return
        if self._preview is not None and not self._preview.terms():
            self._wrong = _("Nothing in this file is new or changed.")
            self._draw()
            return
        self._progress(_("Writing the terms"))
        self.run_worker(self._import(), group="run")

    async def _import(self) -> None:
        try:
            said = await (self.run_records() if self.preset else self._run_terms())
        except UserError as error:
            self._doing, self._wrong = "", error.sentence
            self._draw()
            return
        if said:
            self.dismiss(said)
            return
        self._doing = ""
        self._wrong = _("Stopped: its terms are there, its records are not; import it again.")
        self._draw()

    async def _run_terms(self) -> str:
        from kwtui.panes.glossary import author

        def on_progress(step: Progress) -> None:
            self._progress(step.stage)

        counts = await self.pane.request(
            "import_file", **self._chosen(), mode=self._mode, author=author(),
            on_progress=on_progress,
        )  # fmt: skip
        said = _(
            "Imported from {name}: new {new}, changed {changed}, same {same}, refused {refused}"
        )
        return said.format(name=self._file().name, **counts)

    def action_close(self) -> None:
        """Stop an import that is running, or import nothing."""
        if not self.stop_records():
            self.dismiss(None)


class PathSuggester(Suggester):
    """The rest of a file's name, from what lies there."""

    def __init__(self, root: Path) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._root = root

    async def get_suggestion(self, value: str) -> str | None:
        """The first name that begins so."""
        head, slash, tail = value.rpartition("/")
        folder = self._root / Path(head + slash).expanduser()
        if not tail:
            return None
        try:
            names = sorted(entry.name for entry in folder.iterdir())
        except OSError:
            return None
        return next((f"{head}{slash}{name}" for name in names if name.startswith(tail)), None)


def outcomes() -> dict[str, str]:
    """What may happen to a row."""
    return {
        "new": _("new"),
        "changed": _("changed"),
        "conflicting": _("differs"),
        "same": _("same"),
        "refused": _("refused"),
    }


def counted(made: Preview) -> str:
    """What an import would do, in numbers."""
    counts = made.counts()
    sentence = _("new {new}, changed {changed}, same {same}, refused {refused}")
    if counts["conflicting"]:
        sentence = _(
            "new {new}, changed {changed} ({conflicting} of them said otherwise before), "
            "same {same}, refused {refused}"
        )
    return sentence.format(**counts)


def _note(row: Row) -> Cell:
    from glossary.changes import differing

    if row.notes:
        return printable(" ".join(row.notes))
    if row.before is None:
        return printable(row.term.definition)
    from kwtui.panes.glossary_terms import field_titles, shown_value

    titles = field_titles()
    names = [name for name, _old, _new in differing(row.before, row.term)]
    said = "; ".join(
        f"{titles.get(n, n)}: {shown_value(row.before, n) or '-'} → {shown_value(row.term, n)}"
        for n in names
    )
    return printable(said)
