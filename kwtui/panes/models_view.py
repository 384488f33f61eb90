"""How the models pane shows a model in a row and in full."""

from __future__ import annotations

from typing import Any

from textual.content import Content

from glossary.i18n import _
from glossary.text import printable
from kwtui.services.export_types import Found
from kwtui.themes import KEY, MUTED, WRONG
from kwtui.widgets.record_table import Cell, Column

_UNITS = (("G", 1e9), ("M", 1e6), ("k", 1e3))


def columns(wide: bool) -> list[Column]:
    """Name, kind, parameters, bytes; on a wide screen also type, template and context."""
    more = [
        Column(_("Type"), 9),
        Column(_("Template"), 10),
        Column(_("Context"), 9, right=True),
    ]
    return [
        Column(_("Model")),
        Column(_("Kind"), 14),
        Column(_("Parameters"), 11, right=True),
        Column(_("Size"), 9, right=True),
        *(more if wide else ()),
    ]


def row(found: Found, wide: bool) -> tuple[Cell, ...]:
    """The cells of a model; one that cannot be used is dim."""
    name: Cell = printable(found.name)
    if found.refusal:
        name = Content.styled(printable(found.name), WRONG)
    more = (found.dtype, template(found), f"{found.context:,}" if found.context else "")
    return (
        name,
        kind(found),
        short(found.parameters) if found.parameters else "",
        f"{short(found.size)}B" if found.size else "",
        *(more if wide else ()),
    )


def kind(found: Found) -> str:
    """Model or adapter, in a word."""
    if found.refusal:
        return _("not usable")
    if found.kind == "adapter":
        return found.architecture or _("adapter")
    return found.architecture.removesuffix("ForCausalLM") or _("model")


def template(found: Found) -> str:
    """How it is asked."""
    names = {"chat": _("chat"), "plain": _("plain")}
    return names.get(found.template, found.template)


def about(found: Found) -> Content:
    """All that is known: why it cannot be used, where it lies, its card."""
    lines: list[Any] = []
    if found.refusal:
        lines.append(Content.styled(printable(found.refusal), WRONG))
    where = [(printable(found.path), MUTED)]
    if found.base:
        where += [("  ", ""), (_("base: {base}").format(base=printable(found.base)), KEY)]
    lines.append(Content.assemble(*where))
    lines += card_lines(found.card) or [Content.styled(_("It has no card."), MUTED)]
    return Content("\n").join(lines)


def card_lines(card: str) -> list[Content]:
    """Markdown as a person reads it on a terminal: headings bold, tables in two columns."""
    lines = list[Content]()
    for line in _paragraphs(printable_lines(card)):
        if line.startswith("#"):
            lines.append(Content.styled(line.lstrip("# "), "b"))
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if any(cells) and not all(set(cell) <= set("-: ") for cell in cells):
                lines.append(Content.assemble((cells[0], KEY), "  ", "  ".join(cells[1:])))
        elif line.strip() or (lines and lines[-1].plain):
            lines.append(Content(line))
    return lines


def _paragraphs(lines: list[str]) -> list[str]:
    """Lines that were broken for an editor put together again."""
    joined, flowing = list[str](), False
    for line in lines:
        plain = bool(line) and not line.startswith(("#", "|", "- ", "    "))
        if plain and flowing:
            joined[-1] += " " + line
        else:
            joined.append(line)
        flowing = plain or (flowing and line.startswith("- "))
    return joined


def printable_lines(card: str) -> list[str]:
    """The lines of a card without its YAML head, safe for a terminal."""
    text = card.removeprefix("---\n")
    if text is not card and "\n---\n" in text:
        text = text.split("\n---\n", 1)[1]
    return [printable(line) for line in text.strip().splitlines()]


def short(count: float) -> str:
    """`count` with three digits and a unit: 4.27M."""
    for unit, size in _UNITS:
        if count >= 0.9995 * size:
            return f"{count / size:.3g}{unit}"
    return str(int(count))
