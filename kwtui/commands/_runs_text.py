"""Runs as lines of text."""

from __future__ import annotations

import math
import string
import time
from typing import TYPE_CHECKING

from glossary.i18n import _
from kwtui.columns import cells, shortened, table
from kwtui.progress import duration

if TYPE_CHECKING:
    from engines.training.comparing import Comparison
    from engines.training.runs import Run
    from engines.training.snapshot import Snapshot

Line = list[str]
SILENT_SECONDS = 120.0


def state(name: str) -> str:
    """A state in the language of the settings."""
    words = {
        "waiting": _("waiting"),
        "starting": _("starting"),
        "running": _("running"),
        "stopping": _("stopping"),
        "stopped": _("stopped"),
        "finished": _("finished"),
        "failed": _("failed"),
        "interrupted": _("interrupted"),
        "broken": _("broken"),
    }
    return words.get(name, name)


def listing(lines: list[Line]) -> list[str]:
    """The table of the runs."""
    head = [_("run"), _("method"), _("state"), _("step"), _("loss"), "F1", _("best"), _("left")]
    return table([head, *lines]) if lines else []


def line(run: Run, shot: Snapshot) -> Line:
    """One run in the table."""
    steps = f"{shot.step}/{shot.steps}" if shot.steps else str(shot.step)
    where = f" ({shot.host})" if shot.elsewhere else ""
    return [
        run.id,
        str(run.values.get("method", "")),
        state(shot.state) + where,
        steps,
        number(shot.loss),
        number(shot.f1),
        number(shot.best_f1),
        "-" if shot.seconds_left is None else duration(shot.seconds_left),
    ]


def number(value: float | None, digits: int = 4) -> str:
    """A figure; what is not finite is named, never shown as 0."""
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if math.isfinite(value) else str(value)


def news(shot: Snapshot) -> str:
    """What `watch` says about one look."""
    parts = [time.strftime("%H:%M:%S"), state(shot.state)]
    if shot.steps:
        parts.append(_("step {step}/{steps}").format(step=shot.step, steps=shot.steps))
    if shot.loss is not None:
        parts.append(_("loss {value}").format(value=number(shot.loss)))
    if shot.dev_loss is not None:
        parts.append(_("dev loss {value}").format(value=number(shot.dev_loss)))
    if shot.f1 is not None:
        parts.append(f"F1 {number(shot.f1)}")
    if shot.tokens_per_second is not None:
        parts.append(_("{rate} tokens/s").format(rate=f"{shot.tokens_per_second:.0f}"))
    if shot.seconds_left is not None:
        parts.append(_("{time} left").format(time=duration(shot.seconds_left)))
    if silent(shot):
        parts.append(_silence(shot))
    if shot.reason and shot.state in ("failed", "stopped", "interrupted"):
        parts.append(shot.reason)
    return "  ".join(parts)


def silent(shot: Snapshot) -> bool:
    """Whether nothing was heard of a run for longer than its heart should take."""
    return shot.silent_seconds is not None and shot.silent_seconds > SILENT_SECONDS


def _silence(shot: Snapshot) -> str:
    return _("no heartbeat from {host} for {time}").format(
        host=shot.host or "?", time=duration(shot.silent_seconds or 0)
    )


def details(run: Run, shot: Snapshot, checkpoints: list[int]) -> list[str]:
    """All about one run."""
    values = run.values
    rows = [
        (_("run"), run.id),
        (_("state"), state(shot.state)),
        (_("reason"), shot.reason),
        (_("model"), f"{values.get('model', '')} ({values.get('method', '')})"),
        (_("step"), f"{shot.step}/{shot.steps}" if shot.steps else ""),
        (_("loss"), number(shot.loss)),
        (_("dev loss"), number(shot.dev_loss)),
        ("F1", number(shot.f1)),
        (_("best F1"), _best(shot)),
        (_("tokens/s"), number(shot.tokens_per_second, 0)),
        (_("memory"), size(shot.resources["rss"]) if "rss" in shot.resources else ""),
        (_("left"), "" if shot.seconds_left is None else duration(shot.seconds_left)),
        (_("heartbeat"), _silence(shot) if silent(shot) else ""),
        (_("checkpoints"), ", ".join(map(str, checkpoints))),
        (_("output"), str(values.get("output", ""))),
        (_("author"), str(values.get("author", ""))),
        (_("host"), f"{values.get('host', '')} {values.get('pid', '')}".strip()),
        (_("data"), str(values.get("data_digest", ""))[:16]),
        (_("folder"), str(run.folder.path)),
    ]
    kept = [(name, text) for name, text in rows if text and text != "-"]
    wide = max(len(name) for name, _text in kept)
    return [f"{name:<{wide}}  {text}" for name, text in kept]


def _best(shot: Snapshot) -> str:
    if shot.best_f1 is None:
        return ""
    at = _("step {step}").format(step=shot.best_step)
    return f"{number(shot.best_f1)} ({at})"


def comparison(result: Comparison, width: int = 0) -> list[str]:
    """Runs side by side: figures first, then what differs in the recipes.

    Where that is wider than `width` columns (0: any width will do), a letter stands for each run
    and what is long is cut.
    """
    words = _figure_words()
    rows = [
        [words.get(name, name), *(state(v) if name == "state" else _cell(v) for v in values)]
        for name, values in result.figures.items()
    ]
    rows += [[name, *map(_cell, values)] for name, values in result.differences.items()]
    lines = table([["", *result.ids], *rows])
    if not width or max(map(cells, lines)) <= width:
        return lines
    letters = string.ascii_lowercase[: len(result.ids)]
    legend = [f"{letter}  {run}" for letter, run in zip(letters, result.ids, strict=True)]
    names = min(max(cells(row[0]) for row in rows), width // 2)
    room = max(6, (width - names) // len(letters) - 2)
    cut = [[shortened(row[0], names), *(shortened(v, room) for v in row[1:])] for row in rows]
    return [*legend, "", *table([["", *letters], *cut])]


def _figure_words() -> dict[str, str]:
    return {
        "state": _("state"),
        "steps": _("step"),
        "loss": _("loss"),
        "dev_loss": _("dev loss"),
        "f1": "F1",
        "best_f1": _("best F1"),
        "best_step": _("best at step"),
        "tokens_per_second": _("tokens/s"),
        "seconds": _("seconds"),
    }


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return number(value) if abs(value) < 100 else f"{value:,.1f}"
    return str(value)[:40]


def size(count: float) -> str:
    """Bytes for people."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            found = count / scale
            return f"{found:.0f} {unit}" if found >= 100 else f"{found:.3g} {unit}"
    return f"{int(count)} B"
