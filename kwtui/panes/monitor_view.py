"""How runs look in the monitor: rows of the list, lines of values, curves, samples, machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from textual.content import Content

from engines.training.board import Row
from engines.training.series import Bucket
from engines.training.snapshot import Snapshot
from glossary.i18n import _
from glossary.text import printable
from kwtui.commands._runs_text import number, silent, size
from kwtui.commands._runs_text import state as state_word
from kwtui.panes.monitor_feed import Chosen, View
from kwtui.progress import duration
from kwtui.themes import KEY, KEYWORD, MUTED, WRONG
from kwtui.widgets.gauge import gauge
from kwtui.widgets.line_chart import STYLES, Curve, Plot, Point, smoothed
from kwtui.widgets.record_table import Cell, Column

# The curves that a figure draws; the letters mark their ends.
FIGURES = {
    "loss": (("loss", "t"), ("dev_loss", "d")),
    "f1": (("f1", "f"), ("precision", "p"), ("recall", "r")),
    "learning_rate": (("learning_rate", "l"),),
    "grad_norm": (("grad_norm", "g"),),
    "speed": (("tokens_per_second", "s"),),
    "memory": (("rss", "m"), ("gpu_allocated", "g"), ("gpu_reserved", "r")),
    "load": (("cpu", "c"), ("gpu_utilisation", "g")),
}
LETTERS = "abcd"


def titles() -> dict[str, str]:
    """The figures as a person reads them."""
    return {
        "loss": _("loss: t train, d dev"),
        "f1": _("dev: f F1, p precision, r recall"),
        "learning_rate": _("learning rate"),
        "grad_norm": _("gradient norm"),
        "speed": _("tokens/s"),
        "memory": _("memory: m main, g GPU used, r reserved"),
        "load": _("load in %: c CPU, g GPU"),
    }


def columns() -> list[Column]:
    """The columns of the list."""
    return [
        Column("", 1),
        Column(_("Run")),
        Column(_("State"), 11),
        Column(_("Step"), 11, right=True),
        Column(_("Loss"), 7, right=True),
        Column(_("Best F1"), 7, right=True),
        Column(_("Left"), 7, right=True),
    ]


def list_line(row: Row, marked: Sequence[str]) -> tuple[Cell, ...]:
    """One run in the list."""
    shot = row.shot
    steps = (
        f"{shot.step:,}/{shot.steps:,}" if shot.steps else (str(shot.step) if shot.step else "-")
    )
    left = "-" if shot.seconds_left is None else duration(shot.seconds_left)
    mark = "*" if row.run.id in marked else ""
    loss = number(shot.loss)
    bad = shot.loss is not None and not math.isfinite(shot.loss)
    shown: Cell = Content.styled(loss, WRONG) if bad else loss
    return mark, printable(row.run.id), state(row), steps, shown, number(shot.best_f1), left


def state(row: Row) -> str:
    """The state of a run; of one in the queue its place."""
    if row.entry is not None and row.entry.state != "started":
        word = _("held") if row.entry.state == "paused" else _("queue")
        return f"{word} {row.place}"
    return state_word(row.shot.state)


def values(chosen: Chosen, width: int, *, ascii_only: bool) -> list[Content]:
    """Progress, figures, resources, and what a person should know, a line each."""
    shot = chosen.row.shot
    lines = [_progress(chosen, width, ascii_only), _figures(shot), _resources(shot)]
    lines.append(_notes(chosen))
    return lines


def _progress(chosen: Chosen, width: int, ascii_only: bool) -> Content:
    shot = chosen.row.shot
    bar = gauge([(shot.share, "$primary")], 12 if width < 100 else 40, ascii_only)
    steps = _("step {step}/{steps}").format(step=f"{shot.step:,}", steps=f"{shot.steps or '?'}")
    parts: list[Any] = [" ", (state(chosen.row), "b"), "  ", bar, f" {shot.share:.0%}  ", steps]
    if shot.seconds_left is not None:
        parts += ["  ", (_("{time} left").format(time=duration(shot.seconds_left)), "b")]
    if shot.best_f1 is not None:
        best = _("best F1 {f1} at {step}").format(f1=number(shot.best_f1), step=shot.best_step)
        parts += ["  ", (best, KEY)]
    return Content.assemble(*parts)


def _figures(shot: Snapshot) -> Content:
    rate, speed = shot.learning_rate, shot.tokens_per_second
    pairs = [
        (_("loss"), number(shot.loss)),
        (_("dev"), number(shot.dev_loss)),
        ("F1", number(shot.f1)),
        (_("tok/s"), "-" if speed is None else f"{speed:,.0f}"),
        ("lr", "-" if rate is None else f"{rate:.2e}"),
        (_("grad"), number(shot.grad_norm, 2)),
    ]
    if shot.mfu is not None:
        pairs.append(("MFU", f"{shot.mfu:.0%}"))
    return _pairs(pairs)


def _pairs(pairs: Sequence[tuple[str, str]]) -> Content:
    made: list[Any] = []
    for name, value in pairs:
        odd = value.lstrip("-") in ("nan", "inf")
        made += [(f" {name} ", MUTED), (value, WRONG if odd else "b"), " "]
    return Content.assemble(*made)


def _resources(shot: Snapshot) -> Content:
    used = shot.resources
    if not used:
        return Content("")
    pairs = []
    foretold = shot.foretold.get("total")
    told = _("foretold {size}").format(size=size(foretold)) if foretold else ""
    if "gpu_peak" in used:
        for gpu in used.get("gpus", []):
            name = f"GPU {gpu.get('index', '?')}"
            text = f"{size(gpu['allocated'])} / {size(gpu['reserved'])}"
            pairs.append((name, text + " " + _("peak {size}").format(size=size(gpu["peak"]))))
    elif "rss" in used:
        text = size(used["rss"])
        if "rss_peak" in used:
            text += ", " + _("peak {size}").format(size=size(used["rss_peak"]))
        pairs.append((_("memory"), text + (f", {told}" if told else "")))
        told = ""
    if "cpu" in used:
        pairs.append(("CPU", f"{used['cpu']:.0f}%"))
    if told:
        pairs.append(("", told))
    return _pairs(pairs)


def _notes(chosen: Chosen) -> Content:
    """The one thing that matters most besides the figures."""
    row, shot = chosen.row, chosen.row.shot
    if shot.loss is not None and not math.isfinite(shot.loss):
        text = _("The loss is {value}: see not_finite/ in the run's folder.")
        return Content.styled(" " + text.format(value=shot.loss), WRONG)
    if silent(shot):
        text = _("no heartbeat from {host} for {time}").format(
            host=shot.host or "?", time=duration(shot.silent_seconds or 0)
        )
        return Content.styled(" " + text, WRONG)
    if shot.reason and shot.state != "finished":
        style = WRONG if shot.state in ("failed", "interrupted", "broken") else MUTED
        return Content.styled(" " + printable(shot.reason), style)
    if row.entry is not None and row.entry.note:
        return Content.styled(" " + printable(row.entry.note), MUTED)
    kept = ", ".join(map(str, chosen.checkpoints[-6:]))
    where = f" {shot.host}" if shot.elsewhere else ""
    told = _("checkpoints {steps}").format(steps=kept) if kept else _("no checkpoint yet")
    return Content.styled(f" {told}{where}", MUTED)


# Curves


def plot(chosen: Chosen, figure: str, *, zoom: int, shift: float, weight: float) -> Plot:
    """A figure of the chosen run; where others are marked, its first curve of each run."""
    several = len(chosen.curves) > 1
    names = FIGURES[figure][:1] if several else FIGURES[figure]
    curves: list[Curve] = []
    for place, found in enumerate(chosen.curves.values()):
        for at, (name, mark) in enumerate(names):
            points = smoothed(_points(found.get(name, [])), weight)
            number_ = place if several else at
            letter = LETTERS[place] if several else mark
            if points:
                curves.append(Curve(points, letter, STYLES[number_ % len(STYLES)]))
    # The last one lies on top: that is the chosen run's first curve.
    curves.reverse()
    first, last = window(curves, chosen, zoom, shift)
    return Plot(curves, first, last, _pins(chosen), _number(figure), _("Nothing measured yet."))


def _points(buckets: Sequence[Bucket]) -> list[Point]:
    return [Point((b.first + b.last) / 2, b.mean, b.low, b.high, bool(b.bad)) for b in buckets]


def window(curves: Sequence[Curve], chosen: Chosen, zoom: int, shift: float) -> tuple[float, float]:
    """The steps that are shown: all, or a part of them that `shift` (0 to 1) moves to the left."""
    last = max((c.points[-1].x for c in curves), default=0.0)
    if zoom == 1:
        return 0.0, max(1.0, _ahead(last, chosen.row) if chosen.row.run.alive else last)
    width = max(1.0, last / zoom)
    end = last - shift * (last - width)
    return max(0.0, end - width), end


def _ahead(last: float, row: Row) -> float:
    """A round number of steps beyond the last: columns stay where they are while a run goes on."""
    scale = 10.0 ** math.floor(math.log10(max(1.0, last)))
    rounds = (scale * part for part in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10))
    end = next((one for one in rounds if one >= last), last)
    return min(end, float(row.shot.steps)) if row.shot.steps >= last else end


def _pins(chosen: Chosen) -> list[tuple[float, str]]:
    shot = chosen.row.shot
    if shot.best_step is None:
        return []
    return [(float(shot.best_step), _("best"))]


def _number(figure: str) -> Any:
    if figure == "memory":
        return lambda value: size(value).replace("iB", "").replace(" ", "")
    if figure == "learning_rate":
        return lambda value: f"{value:.1e}"
    if figure in ("speed", "load"):
        return lambda value: f"{value:,.0f}"
    return lambda value: f"{value:.3f}" if abs(value) < 100 else f"{value:.3g}"


def legend(chosen: Chosen, figure: str, weight: float) -> str:
    """What the letters mean."""
    text = titles()[figure]
    if len(chosen.curves) > 1:
        runs = [f"{letter} {run}" for letter, run in zip(LETTERS, chosen.curves, strict=False)]
        text = text.partition(":")[0] + ": " + ", ".join(runs)
    if weight:
        text += "  " + _("smoothed {weight}").format(weight=f"{weight:g}")
    return text


# Samples, machine


def samples_page(chosen: Chosen) -> Content:
    """Fixed dev texts with what the model found in them at each judgement, the latest first."""
    judged = [one for one in chosen.judgements if one.get("samples")]
    if not judged:
        return Content(" " + _("No dev text has been extracted yet."))
    blocks = []
    for at, sample in enumerate(judged[-1]["samples"]):
        gold = set(sample["gold"])
        lines = [Content(printable(sample["text"]))]
        lines.append(Content.assemble((_("labels") + "  ", KEY), ", ".join(sample["gold"]) or "-"))
        for event in reversed(judged[-8:]):
            if at < len(event["samples"]):
                lines.append(_answer(event, event["samples"][at]["answer"], gold))
        blocks.append(Content("\n").join(lines))
    return Content("\n\n").join(blocks)


def _answer(event: dict[str, Any], answer: Sequence[str], gold: set[str]) -> Content:
    parts: list[Any] = [(_("step {step}").format(step=event["step"]) + "  ", KEY)]
    for word in answer:
        right = word in gold
        parts += [(printable(word), KEYWORD if right else "strike"), ", "]
    missed = [word for word in gold if word not in set(answer)]
    if missed:
        text = _("missed: {words}").format(words=", ".join(sorted(missed)))
        parts += [(printable(text), WRONG)]
    elif len(parts) > 1:
        parts.pop()
    else:
        parts.append("-")
    return Content.assemble(*parts)


def machine_lines(view: View, width: int, *, ascii_only: bool) -> list[Content]:
    """Memory, load, and each GPU with everybody who is on it."""
    lines: list[Content] = []
    if view.memory is not None:
        lines.append(_memory_line(view, width, ascii_only))
    for gpu in view.gpus:
        share = gpu.used / max(1, gpu.total)
        about = [f"{size(gpu.used)} / {size(gpu.total)}"]
        about += [] if gpu.utilisation is None else [f"{gpu.utilisation}%"]
        about += [] if gpu.temperature is None else [f"{gpu.temperature} C"]
        about += [] if gpu.power is None else [f"{gpu.power:.0f} W"]
        name = f" GPU {gpu.index} {printable(gpu.name)}"[:26]
        bar = gauge([(share, "$primary")], max(8, width - 64), ascii_only)
        lines.append(Content.assemble((f"{name:<27}", KEY), bar, "  " + "  ".join(about)))
        for one in gpu.processes:
            held = "-" if one.used is None else size(one.used)
            text = f"     {one.user or '?'}  {one.name or '?'} ({one.pid})  {held}"
            lines.append(Content.styled(printable(text), MUTED))
    if not view.gpus:
        lines.append(Content.styled(" " + _("No GPU is seen here; runs use the CPU."), MUTED))
    return lines


def _memory_line(view: View, width: int, ascii_only: bool) -> Content:
    assert view.memory is not None
    used = view.memory.total - view.memory.available
    bar = gauge([(used / max(1, view.memory.total), "$primary")], max(8, width - 64), ascii_only)
    text = f"  {size(used)} / {size(view.memory.total)}"
    if view.load is not None:
        text += "  " + _("load {load}").format(load=f"{view.load:.2f}")
    name = " " + _("main memory")
    gap = " " * max(1, 27 - Content(name).cell_length)
    return Content.assemble((name + gap, KEY), bar, text)
