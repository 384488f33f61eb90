"""`kwtui train --preflight`: what a run will take, as bars or JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from glossary.i18n import _
from glossary.text import printable
from kwtui.columns import cells
from kwtui.progress import duration

if TYPE_CHECKING:
    from engines.training.folder import RunFolder
    from engines.training.preflight import Preflight
    from engines.training.recipe import Recipe

GIB = 2**30
BAR = 40


def show(recipe: Recipe, path: Path | None, as_json: bool, *, card: float = 0.0) -> None:
    """Print what a completed recipe will take; starts nothing. `path`: the run's, if there is one.

    Nothing is written but the pace of this machine, and the data of a run that is there already.
    `card`: for empty GPUs of so many GiB, of which the time is not known.
    """
    from engines.training.command_line import launch_of
    from engines.training.preflight import imagined, preflight

    known = path if path and (path / "run.json").is_file() else None
    if card:
        devices = imagined(card, launch_of(recipe))
        found = preflight(recipe, known, trial=False, devices=devices)
    else:
        found = preflight(recipe, known)
    if as_json:
        sys.stdout.write(json.dumps(found.to_json(), ensure_ascii=False, indent=1) + "\n")
        return
    for line in lines(found):
        sys.stdout.write(printable(line) + "\n")


def enqueue(folder: RunFolder, as_json: bool) -> None:
    """Put a prepared run at the end of the queue of its workspace."""
    from engines.training.launching import enqueue as put
    from engines.training.queue import Conditions, Queue

    run = folder.path.name
    place, warning = put(Queue(folder.path.parent), run, Conditions())
    if warning:
        print(printable(warning), file=sys.stderr)
    if as_json:
        sys.stdout.write(json.dumps({"run": str(folder.path), "place": place}) + "\n")
        return
    said = _("{id} is number {place} of the queue.").format(id=run, place=place)
    print(printable(said), file=sys.stderr)


def lines(found: Preflight) -> list[str]:
    """The preflight for people: a bar a device, the parts, time, disk, and what to change."""
    said: list[str] = []
    for device in found.devices:
        name = device.name if device.index is None else f"GPU {device.index} {device.name}"
        said.append(f"{name}  {bar(found.total, device.free, device.total)}")
        said += [
            _("  {user} holds {gib} GiB").format(
                user=p["user"] or "?", gib=f"{(p['used'] or 0) / GIB:.1f}"
            )
            for p in device.others
        ]
    verdict = _("It fits.") if found.fits else _("It does not fit.")
    said.append(verdict)
    sizes = parts(found)
    wide = max(cells(name) for name in sizes)
    for name, size in sizes.items():
        if size >= 2**20:
            said.append(f"  {name}{' ' * (wide - cells(name))}  {gib(size):>10}")
    said += _about(found)
    if found.proposals and not found.fits:
        said.append(_("What saves memory:"))
        for p in found.proposals:
            mark = "*" if p.fits else " "
            said.append(f" {mark} -{gib(p.saves)}  {p.title}: {p.options}")
    return said + found.notes


def _about(found: Preflight) -> list[str]:
    data = found.data
    batch = _("largest batch: {rows} x {length} tokens; {steps} steps of about {time} s")
    step = "?" if found.step_seconds is None else f"{found.step_seconds:.2f}"
    said = [
        _("trained: {count} of {all} weights").format(
            count=f"{found.trained:,}", all=f"{found.parameters:,}"
        ),
        batch.format(rows=data.rows, length=data.length, steps=data.steps, time=step),
        _("disk: {need} of {free} free").format(need=gib(found.disk), free=gib(found.disk_free)),
    ]
    if found.seconds is not None:
        said.append(_("time: about {time}").format(time=duration(found.seconds)))
    return said


def parts(found: Preflight) -> dict[str, int]:
    """The bytes of each part of what is foretold, by name."""
    estimate = found.estimate
    gpu = any(device.index is not None for device in found.devices)
    return {
        _("weights"): estimate.weights,
        _("adapters"): estimate.adapters,
        _("gradients"): estimate.gradients,
        _("optimizer"): estimate.optimizer,
        _("activations"): estimate.activations,
        _("logits"): estimate.logits,
        _("evaluation"): estimate.evaluation,
        _("passing"): estimate.temporary,
        _("libraries and CUDA") if gpu else _("libraries"): estimate.context,
        _("reserve"): estimate.reserve,
    }


def bar(need: int, free: int, total: int) -> str:
    """What is taken now (-), what the run will take (#), what stays free (.), as one line."""
    total = max(1, total)
    taken = round(BAR * (total - free) / total)
    ours = max(1, round(BAR * need / total))
    inside = min(ours, BAR - taken)
    over = "!" if need > free else ""
    drawn = "-" * taken + "#" * inside + "." * (BAR - taken - inside)
    text = _("{need} of {free} free").format(need=gib(need), free=gib(free))
    return f"[{drawn}]{over} {text}"


def gib(size: float) -> str:
    """Bytes as GiB or MiB."""
    return f"{size / GIB:.2f} GiB" if size >= GIB / 10 else f"{size / 2**20:.0f} MiB"
