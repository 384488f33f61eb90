"""One text with two answers, as lines: what was right, what was missed, what was too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from glossary.i18n import _
from kwtui.themes import KEY, MUTED, WRONG
from kwtui.widgets.span_editor import drawn, wrapped

if TYPE_CHECKING:
    from engines.evaluation.comparing import Answer, ComparedText
    from engines.records import Keyword

RIGHT, MISSED, EXTRA = "b u $success", "b reverse $warning", "strike $error"
_LEAST = 36


def compared(text: ComparedText, width: int) -> list[Content]:
    """Both answers beside each other, one under the other where the window is narrow."""
    sides = (text.first, text.second)
    half = (width - 1) // 2 - 2
    if half < _LEAST:
        lines: list[Content] = []
        for number, answer in enumerate(sides, start=1):
            lines += [*_column(text, answer, number, width - 2), Content("")]
        return [Content.assemble(" ", line) for line in lines]
    columns = [_column(text, a, n, half) for n, a in enumerate(sides, start=1)]
    made = []
    for row in range(max(map(len, columns))):
        parts: list[Content | str] = [" "]
        for column in columns:
            line = column[row] if row < len(column) else Content("")
            parts += [line, " " * (half - line.cell_length + 2)]
        made.append(Content.assemble(*parts))
    return made


def legend() -> Content:
    """What the styles mean."""
    return Content.assemble(
        " ", (_("right"), RIGHT), "  ", (_("missed"), MISSED), "  ", (_("too much"), EXTRA)
    )


def _column(text: ComparedText, answer: Answer, number: int, width: int) -> list[Content]:
    head = Content.assemble((str(number), KEY), " ", (drawn(answer.strategy), MUTED))
    lines = [head if head.cell_length <= width else head.truncate(width, ellipsis=True)]
    spans = _spans(text.gold, answer.keywords)
    for row in wrapped(text.text, width):
        line = Content(drawn(text.text[row.start : row.end]))
        for start, end, style in spans:
            first, last = max(start, row.start) - row.start, min(end, row.end) - row.start
            if first < last:
                line = line.stylize(style, first, last)
        lines.append(line.rstrip())
    return [*lines, *_mistakes(answer, width)]


def _spans(gold: Sequence[Keyword], found: Sequence[Keyword]) -> list[tuple[int, int, str]]:
    """Spans with their styles; what is missed lies on top of what is too much."""
    wanted, answered = {k.surface for k in gold}, {k.surface for k in found}
    extra = [(k.start, k.end, EXTRA) for k in found if k.surface not in wanted]
    right = [(k.start, k.end, RIGHT) for k in found if k.surface in wanted]
    missed = [(k.start, k.end, MISSED) for k in gold if k.surface not in answered]
    return [*extra, *right, *missed]


def _mistakes(answer: Answer, width: int) -> list[Content]:
    """One line a mistake: its kind, the word that was wanted, what was answered."""
    from engines.evaluation.sending import group_names

    names = group_names()
    lines = []
    if not answer.valid:
        lines.append(Content.styled(_("the answer was no JSON list"), WRONG))
    for error in answer.errors:
        found = error.found.surface if error.found is not None else error.absent
        shown = f"{error.word} > {found}" if found and found != error.word else error.word
        line = Content.assemble((names[error.group], MUTED), " ", drawn(shown))
        lines.append(line if line.cell_length <= width else line.truncate(width, ellipsis=True))
    return lines
