"""The mistakes of both strategies by kind, and the words that they concern most often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.compare_view import CompareView
from kwtui.themes import MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.record_table import Cell, Column, RecordTable

if TYPE_CHECKING:
    from engines.evaluation.comparing import Wanted
    from kwtui.panes.compare import ComparePane

_WORDS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the list: a group, or a word of one."""

    group: str
    word: str
    first: int
    second: int
    texts: int = 0


class ErrorsView(CompareView):
    """Groups with their words; Enter shows the texts."""

    view_id: ClassVar[str] = "errors"

    def __init__(self, pane: ComparePane) -> None:
        super().__init__(pane)
        self.lines: list[Line] = []

    def compose(self) -> ComposeResult:
        """The groups; what to do about the chosen one."""
        keys = self.bench.key_names("compare.leave", "compare.run")
        empty = _(
            "Nothing is compared yet.\n"
            "{leave} goes to the table, {run} runs the ladder there; `kwtui ladder` too."
        ).format(leave=keys[0], run=keys[1])
        yield RecordTable([], self._fetch, id="groups", empty=empty)
        yield Lines(id="group-about")

    @property
    def table(self) -> RecordTable:
        """The groups and words."""
        return self.query_one("#groups", RecordTable)

    @property
    def line(self) -> Line | None:
        """What is under the cursor."""
        row = self.table.cursor
        return self.lines[row] if row < len(self.lines) else None

    async def opened(self) -> None:
        """Stand in the list."""
        self.table.focus()
        self.changed()

    def changed(self) -> None:
        """Draw the groups of the pair that is open."""
        opened = self.pane.opened
        names = (opened.pair.first, opened.pair.second) if opened is not None else ("1", "2")
        self.table.set_columns(
            [Column(_("Mistake")), *(Column(printable(n)[:16], 16, True) for n in names),
             Column(_("Texts"), 7, True)]
        )  # fmt: skip
        self.lines = [] if opened is None else _lines(self.pane)
        self.table.reload(len(self.lines))
        self._moved()

    def _fetch(self, offset: int, limit: int) -> Sequence[Sequence[Cell]]:
        from engines.evaluation.sending import group_names

        names = group_names()
        rows: list[list[Cell]] = []
        for line in self.lines[offset : offset + limit]:
            if line.word:
                name: Cell = f"    {printable(line.word)}"
                rows.append([name, "", Content.styled(f"{line.second:,}", MUTED), ""])
            else:
                name = Content.styled(names[line.group], "b")
                rows.append([name, f"{line.first:,}", f"{line.second:,}", f"{line.texts:,}"])
        return rows

    @on(RecordTable.Highlighted, "#groups")
    def _moved(self) -> None:
        line = self.line
        lines = self.query_one("#group-about", Lines)
        lines.show([Content.styled(f" {advice()[line.group]}", MUTED)] if line else [])

    @property
    def wanted(self) -> Wanted:
        """The texts of the line under the cursor."""
        from engines.evaluation.comparing import Wanted

        line = self.line
        return Wanted(group=line.group, word=line.word) if line is not None else Wanted()

    @on(RecordTable.Selected, "#groups")
    async def _selected(self) -> None:
        self.pane.wanted = self.wanted
        await self.pane.show_view("texts")

    async def action_glossary(self) -> None:
        """Send a missed word to the candidates of the glossary."""
        from engines.evaluation.errors import MISSED, UNSEEN

        line = self.line
        if line is not None and line.word and line.group in (MISSED, UNSEEN):
            await self.pane.send_to_glossary(line.word, line.group)
        else:
            self.bench.say(_("Choose a missed word."))

    async def action_train(self) -> None:
        """Send the texts of this group, or of this word, to the training split."""
        if self.line is not None:
            await self.pane.send_to_training(self.wanted)

    async def action_leave(self) -> None:
        """Back to the table."""
        await self.pane.show_view("table")


def _lines(pane: ComparePane) -> list[Line]:
    assert pane.opened is not None
    summary = pane.opened.summary
    found = []
    for one, other in zip(summary.groups_first, summary.groups_second, strict=True):
        found.append(Line(other.group, "", one.count, other.count, other.texts))
        found += [Line(other.group, word, 0, count) for word, count in other.words[:_WORDS]]
    return found


def advice() -> dict[str, str]:
    """What to do about each kind of mistake."""
    from engines.evaluation.errors import GROUPS

    words = (
        _("Known from training, missed here: more examples, or the glossary's definition."),
        _("No training text has it: send it to the glossary, label texts that hold it."),
        _("Begins or ends elsewhere: say in the guideline where such a word ends."),
        _("A josa or 형, 용, 성, 들 sticks to the word: label more such texts."),
        _("One word of several, or several in one: say in the guideline what stays whole."),
        _("No keyword for the labels: the not-a-keyword list, or a label that is missing."),
        _("The text does not hold it: constrained decoding makes this impossible."),
    )
    return dict(zip(GROUPS, words, strict=True))
