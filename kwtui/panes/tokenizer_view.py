"""How the tokenizer pane shows figures, terms and pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.content import Content

from glossary.i18n import _
from glossary.text import printable
from kwtui.themes import MUTED, WRONG
from kwtui.widgets.record_table import Cell, Column

if TYPE_CHECKING:
    from engines.tokenizer.audit import Audit
    from kwtui.services.tokenizer_types import TermRow

# Neighbouring pieces differ in colour, and a bar parts them where there are no colours.
PIECES = ("$primary", "$accent")
BAR = "|"
WHOLE = "b $success"


def figure_columns(names: Sequence[str]) -> list[Column]:
    """What is measured, then a column a tokenizer."""
    return [
        Column(_("Measured")),
        *(Column(printable(name), 15, right=True) for name in names or ("",)),
    ]


def figure_rows(audits: Sequence[Audit]) -> list[tuple[Cell, ...]]:
    """The figures of each tokenizer; the same ones as `kwtui tokenizer audit` prints."""
    if not audits:
        return []
    from kwtui.tokenizer_figures import rows

    return [(name, *(figure(one) for one in audits)) for name, figure in rows()]


def term_columns(tokenizers: int) -> list[Column]:
    """Term, how often, tokens too many, pieces with each tokenizer."""
    pieces = [_("Pieces"), _("With the second")][:tokenizers]
    return [
        Column(_("Term"), 16),
        Column(_("Times"), 6, right=True),
        Column(_("Lost"), 6, right=True),
        *(Column(title) for title in pieces),
    ]


def term_row(row: TermRow) -> tuple[Cell, ...]:
    """The cells of a term."""
    pieces = [coloured(found, colours=True) for found in row.pieces]
    return (row.term, f"{row.count:,}", f"{row.lost:,}", *pieces)


def coloured(pieces: Sequence[str], *, colours: bool) -> Content:
    """Pieces side by side; a term that is one token is bold."""
    if len(pieces) == 1:
        return Content.styled(printable(pieces[0]), WHOLE)
    parts: list[Any] = []
    for number, piece in enumerate(pieces):
        parts += [(BAR, MUTED)] if number else []
        parts.append((printable(piece), PIECES[number % 2]) if colours else printable(piece))
    return Content.assemble(*parts)


def report(made: Any) -> list[Content]:
    """What was built and what its checks found."""
    head = _("{name}: {tokens} new tokens for {terms} terms ({method}).").format(
        name=made.path.name,
        tokens=made.new_tokens,
        terms=len(made.terms),
        method=made.method,
    )
    lines = [Content.styled(printable(head), "b")]
    for check in made.checks:
        style = "" if check.passed else WRONG
        lines.append(Content.styled(printable(check.sentence), style))
    if made.refused:
        words = ", ".join(list(made.refused)[:8])
        lines.append(
            Content(
                printable(
                    _("Refused: {count} ({words} …)").format(count=len(made.refused), words=words)
                )
            )
        )
    return lines
