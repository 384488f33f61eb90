"""A window with versions of a term, or with what differs between two moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from glossary.i18n import _, ngettext_
from glossary.term import Term
from glossary.text import printable
from kwtui.panes.glossary_preview import local_time
from kwtui.themes import KEY, MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable

if TYPE_CHECKING:
    from glossary.changes import Change, Difference

OLD, NEW = "strike $text-error", "b $text-success"


class HistoryScreen(ModalScreen[Term | None]):
    """The changes of one term, newest first; the result: the version to bring back, or None."""

    BINDINGS = [
        Binding("escape,q,ㅂ", "close", show=False),
        Binding("r,ㄱ", "restore", show=False),
    ]

    def __init__(self, name: str, changes: Sequence[Change]) -> None:
        super().__init__()
        self._term, self._changes = name, changes

    def compose(self) -> ComposeResult:
        """The changes; what the chosen one changed beneath."""
        columns = [
            Column(_("Change"), 8), Column(_("Time"), 16), Column(_("Author"), 12),
            Column(_("Reason")),
        ]  # fmt: skip
        with Vertical(classes="window tall") as window:
            title = _("History of '{term}'").format(term=printable(self._term))
            window.border_title = Content(title)
            window.border_subtitle = Content(_("r brings this version back, Esc closes"))
            yield RecordTable(columns, self._fetch, len(self._changes), id="versions")
            yield Lines(id="version-diff", classes="diff")

    def on_mount(self) -> None:
        """Show the latest change."""
        self.query_one(RecordTable).focus()
        self.call_after_refresh(self._draw)

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        return [
            (
                f"#{change.batch.number}",
                Content.styled(local_time(change.batch.at), MUTED),
                printable(change.batch.author),
                printable(reason_of(change)),
            )
            for change in self._changes[offset : offset + limit]
        ]

    @on(RecordTable.Highlighted)
    def _draw(self) -> None:
        lines = self.query_one(Lines)
        row = self.query_one(RecordTable).cursor
        if row < len(self._changes):
            change = self._changes[row]
            lines.show(fields_diff(change.before, change.after, lines.size.width))

    def action_restore(self) -> None:
        """Bring back the term as it was after this change."""
        row = self.query_one(RecordTable).cursor
        if row < len(self._changes):
            self.dismiss(self._changes[row].after or self._changes[row].before)

    def action_close(self) -> None:
        """Back to the sheet."""
        self.dismiss(None)


class DiffScreen(ModalScreen[None]):
    """What differs between a moment and now, term by term."""

    BINDINGS = [Binding("escape,q,ㅂ", "close", show=False)]

    def __init__(self, title: str, found: Sequence[Difference]) -> None:
        super().__init__()
        self._title, self._found = title, found

    def compose(self) -> ComposeResult:
        """The terms; the fields of the chosen one beneath."""
        with Vertical(classes="window tall") as window:
            count = ngettext_("{count} term", "{count} terms", len(self._found))
            title = f"{self._title}: {count.format(count=f'{len(self._found):,}')}"
            window.border_title = Content(printable(title))
            window.border_subtitle = Content(_("Esc closes"))
            columns = [Column("", 1), Column(_("Term"))]
            empty = _("Nothing differs.")
            yield RecordTable(columns, self._fetch, len(self._found), empty=empty)
            yield Lines(classes="diff")

    def on_mount(self) -> None:
        """Show the first."""
        self.query_one(RecordTable).focus()
        self.call_after_refresh(self._draw)

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        return [
            (sign(one.before, one.after), named(one.before, one.after))
            for one in self._found[offset : offset + limit]
        ]

    @on(RecordTable.Highlighted)
    def _draw(self) -> None:
        lines = self.query_one(Lines)
        row = self.query_one(RecordTable).cursor
        if row < len(self._found):
            one = self._found[row]
            lines.show(fields_diff(one.before, one.after, lines.size.width))

    def action_close(self) -> None:
        """Back to the changes."""
        self.dismiss(None)


def sign(before: Term | None, after: Term | None) -> str:
    """+ new, - gone, ~ changed."""
    return "+" if before is None else "-" if after is None else "~"


def named(before: Term | None, after: Term | None) -> str:
    """The name of a term that has two versions."""
    term = after or before
    return printable(term.canonical) if term else ""


def reason_of(change: Change) -> str:
    """Why a change was made, or what kind it was."""
    batch = change.batch
    kinds = {
        "undo": _("undo of #{of}").format(of=batch.of),
        "redo": _("redo of #{of}").format(of=batch.of),
    }
    what = {"+": _("added"), "-": _("removed"), "~": _("changed")}
    said = " ".join(filter(None, (kinds.get(batch.kind, ""), batch.reason)))
    return said or what[sign(change.before, change.after)]


def fields_diff(before: Term | None, after: Term | None, width: int) -> list[Content]:
    """The fields in which two versions differ: the old value struck out, the new one bold."""
    from glossary.changes import differing
    from kwtui.panes.glossary_terms import field_titles

    titles, lines = field_titles(), list[Content]()
    for name, old, new in differing(before, after):
        parts: list[Content | tuple[str, str] | str] = [" ", (titles.get(name, name), KEY), ": "]
        if before is not None:
            parts += [(_value(old), OLD), " "]
        if after is not None:
            parts.append((_value(new), NEW))
        lines.append(Content.assemble(*parts))
    return lines


def _value(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return " ".join(printable(text).split()) or "-"
