"""What a recipe will take, as lines; and examples as the model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from glossary.i18n import _
from glossary.text import printable
from kwtui.commands._preflight import gib, parts
from kwtui.progress import duration
from kwtui.themes import KEY, KEYWORD, MUTED, WRONG
from kwtui.widgets.gauge import gauge, sparks

if TYPE_CHECKING:
    from engines.training.preflight import Device, Preflight
    from kwtui.services.training import Examples

NAME = 8


def foretold(found: Preflight, width: int, *, ascii_only: bool) -> list[Content]:
    """Memory on each device, time, steps, data and disk; what to change where it does not fit."""
    lines: list[Content] = []
    for device in found.devices:
        lines += _device(found, device, width, ascii_only)
    lines.append(_verdict(found))
    lines += _parts(found, width)
    lines += [_row(name, text) for name, text in _facts(found)]
    if found.data.histogram:
        lines.append(_histogram(found, width, ascii_only))
    if not found.fits:
        lines += _proposals(found)
    lines += [Content.styled(printable(note), MUTED) for note in found.notes]
    return [piece for line in lines for piece in wrapped(line, width)]


def wrapped(line: Content, width: int) -> list[Content]:
    """A line as one or several that fit."""
    if line.cell_length <= width or width < 8:
        return [line]
    return list(line.wrap(width))


def _device(found: Preflight, device: Device, width: int, ascii_only: bool) -> list[Content]:
    name = device.name if device.index is None else f"GPU {device.index} {device.name}"
    lines = [_row(_("Memory"), printable(name))]
    taken, total = device.total - device.free, max(1, device.total)
    style = "$primary" if found.total <= device.free else WRONG
    bar = gauge(
        [(taken / total, MUTED), (found.total / total, style)], max(8, width - 2), ascii_only
    )
    words = _("{need} of {free} free").format(need=gib(found.total), free=gib(device.free))
    lines += [Content.assemble(" ", bar), Content(" " * (NAME + 1) + words)]
    for other in device.others:
        used = gib(other["used"] or 0)
        said = _("{user} holds {size}").format(user=other["user"] or "?", size=used)
        lines.append(Content.styled(" " * (NAME + 1) + printable(said), MUTED))
    return lines


def _verdict(found: Preflight) -> Content:
    if found.fits:
        return _row(_("Fits"), _("yes"))
    words = _("no, unless others make room") if found.could_fit else _("no")
    return Content.assemble((_padded(_("Fits")), KEY), (words, WRONG))


def _parts(found: Preflight, width: int) -> list[Content]:
    """The largest parts of the memory, as many as two lines hold."""
    sizes = sorted(parts(found).items(), key=lambda item: -item[1])
    lines = [""]
    for name, size in sizes:
        one = f"{name} {gib(size)}"
        room = width - 2 - Content(lines[-1]).cell_length
        if size < found.total / 100:
            break
        if Content(one).cell_length + 2 > room and lines[-1]:
            if len(lines) == 2:
                break
            lines.append("")
        lines[-1] += (", " if lines[-1] else "") + one
    return [Content.styled("  " + text, MUTED) for text in lines if text]


def _facts(found: Preflight) -> list[tuple[str, str]]:
    data = found.data
    time = _("t tries this machine's pace")
    if found.seconds is not None:
        time = _("about {time}; a step {seconds} s").format(
            time=duration(found.seconds), seconds=f"{found.step_seconds or 0:.2f}"
        )
    steps = _("{steps} of up to {rows} x {length} tokens").format(
        steps=f"{data.steps:,}", rows=data.rows, length=f"{data.length:,}"
    )
    told = _("{examples} examples, {dev} dev texts").format(
        examples=f"{data.examples:,}", dev=data.dev_texts
    )
    trained = _("{count} of {all} weights").format(
        count=f"{found.trained:,}", all=f"{found.parameters:,}"
    )
    disk = _("{need} of {free} free").format(need=gib(found.disk), free=gib(found.disk_free))
    return [
        (_("Time"), time),
        (_("Steps"), steps),
        (_("Data"), told),
        (_("Tokens"), f"{data.tokens:,}"),
        (_("Trained"), trained),
        (_("Disk"), disk),
    ]


def _histogram(found: Preflight, width: int, ascii_only: bool) -> Content:
    bars = found.data.histogram
    first, last = bars[0][0], bars[-1][1] - 1
    drawn = sparks([count for _from, _to, count in bars], ascii_only)
    return _row(_("Lengths"), f"{drawn} {first}-{last:,}")


def _proposals(found: Preflight) -> list[Content]:
    lines = [Content.styled(_("What saves memory (its digit makes the change):"), KEY)]
    for number, one in enumerate(found.proposals[:6], start=1):
        fits = _("fits") if one.fits else _("not enough")
        lines.append(
            Content.assemble(
                (f" {number} ", KEY), one.title, f"  -{gib(one.saves)}  ", (fits, MUTED)
            )
        )
    return lines


def _row(name: str, text: str) -> Content:
    return Content.assemble((_padded(name), KEY), text)


def _padded(name: str) -> str:
    return " " + name + " " * max(1, NAME - Content(name).cell_length)


def examples_page(found: Examples) -> Content:
    """Examples with the part that is learnt set off; it shows without colours too."""
    blocks = [Content.styled(printable(note), MUTED) for note in found.notes]
    legend = Content.assemble(
        _("learnt tokens look "), (_("like this"), KEYWORD), _("; | ends a token")
    )
    blocks.append(legend)
    for number, one in enumerate(found.examples, start=1):
        head = _("Example {number}: {prompt} tokens read, {answer} learnt").format(
            number=number, prompt=one.answer, answer=len(one.pieces) - one.answer
        )
        blocks.append(Content.assemble((head, KEY), "\n", _tokens(one.pieces, one.answer)))
    return Content("\n\n").join(blocks)


def _tokens(pieces: Sequence[str], answer: int) -> Content:
    made: list[Content | tuple[str, str]] = []
    for at, piece in enumerate(pieces):
        shown = printable(piece).replace("\n", "\\n\n")
        made += [(shown, KEYWORD if at >= answer else ""), ("|", MUTED)]
    return Content.assemble(*made)
