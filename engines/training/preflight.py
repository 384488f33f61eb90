"""Before a run: the memory, time and disk it will take, and what to change when it will not fit.

Nothing of the model but its config and the headers of its files is read; the recipe's data is
tokenised, as the run would do, so that its largest batch is known and not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from engines import hardware
from engines.hardware import GIB, Gpu
from engines.training.calibration import BUSY, Pace, Trial, calibrate, kept
from engines.training.memory import Estimate, Job, estimate
from engines.training.preflight_job import DataShape, Setting, measure, setting_of
from engines.training.proposals import Proposal, proposals
from engines.training.recipe import Recipe
from engines.training.shapes import Shape
from engines.training.tune_recipe import Launch
from glossary.errors import FailedError, UserError
from glossary.i18n import _

# What a process with torch, transformers and TRL holds before anything is loaded, until a trial
# has weighed it on this machine; and what tokenizer, data and trainer add to that.
BASE = 650 * 2**20
BESIDES = 120 * 2**20


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or main memory, that a process of the run is to use. Bytes."""

    name: str
    total: int
    free: int
    index: int | None = None
    uuid: str = ""
    others: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, gpu: Gpu) -> Device:
        """A GPU with who is on it."""
        others = [asdict(process) for process in gpu.processes]
        return cls(gpu.name, gpu.total, gpu.free, gpu.index, gpu.uuid, others)


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is foretold. Bytes and seconds; `seconds` is None where no trial was made.

    `fits`: on what is free now; `could_fit`: on the same devices when nobody else is there.
    """

    devices: list[Device]
    estimate: Estimate
    fits: bool
    could_fit: bool
    proposals: list[Proposal]
    data: DataShape
    seconds: float | None
    step_seconds: float | None
    disk: int
    disk_free: int
    parameters: int
    trained: int
    notes: list[str]

    @property
    def total(self) -> int:
        """Bytes at the peak on each device."""
        return self.estimate.total

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object, with `total` beside them."""
        return {**asdict(self), "total": self.total}


def preflight(
    recipe: Recipe,
    folder: Path | None = None,
    *,
    trial: bool = True,
    devices: Sequence[Gpu] | None = None,
    place: Path | None = None,
) -> Preflight:
    """Foretell a completed recipe. `folder` is the run's, where its data is kept if it is there.

    `place`: where the checkpoints will lie, if not there. `trial`: try the machine's pace where it
    is not known yet. `devices`: instead of those that are here. Raises UserError for a recipe that
    cannot run at all.
    """
    found = list(hardware.visible(hardware.gpus()) if devices is None else devices)
    setting = setting_of(recipe, gpu=bool(found))
    data = measure(recipe, folder)
    used = _devices(recipe, found, setting)
    pace, notes = _pace(setting, data, trial=trial)
    base = pace.base + BESIDES if pace else BASE
    job = replace(setting.job(data), base=base)
    guess = estimate(setting.shape, job)
    fits = all(guess.total <= device.free for device in used)
    could_fit = all(guess.total <= device.total for device in used)
    disk = setting.disk(data)
    place = place or folder or Path.cwd()
    step = _step_seconds(setting, data, pace)
    return Preflight(
        devices=used,
        estimate=guess,
        fits=fits,
        could_fit=could_fit,
        proposals=proposals(recipe, setting, job, min(device.free for device in used)),
        data=data,
        seconds=_seconds(setting, data, pace, step),
        step_seconds=step,
        disk=disk,
        disk_free=hardware.disk_free(place),
        parameters=setting.shape.total,
        trained=setting.trained,
        notes=[*data.notes, *notes],
    )


def imagined(gib: float, launch: Launch) -> list[Gpu]:
    """Empty GPUs of `gib` GiB each, as many as a run wants."""
    size = round(gib * GIB)
    name = _("an empty GPU of {gib} GiB").format(gib=f"{gib:g}")
    indices = launch.gpus or list(range(launch.processes))
    return [Gpu(index, f"imagined-{index}", name, size, 0, size) for index in indices]


def check(found: Preflight, *, queued: bool = False) -> None:
    """FailedError with what to change when a run cannot fit; a queued one may wait for room."""
    if found.disk > found.disk_free:
        message = _(
            "The checkpoints will take {need} GiB and {free} GiB are free: free some, or lower "
            "saving.keep. --force starts in any case."
        )
        need, free = f"{found.disk / GIB:.1f}", f"{found.disk_free / GIB:.1f}"
        raise FailedError(message.format(need=need, free=free))
    if found.fits or (queued and found.could_fit):
        return
    device = min(found.devices, key=lambda d: d.total if queued else d.free)
    message = _("The run will take {need} GiB, and {device} has {free} GiB free of {total}.")
    said = [
        message.format(
            need=f"{found.total / GIB:.1f}",
            device=device.name,
            free=f"{device.free / GIB:.1f}",
            total=f"{device.total / GIB:.1f}",
        )
    ]
    if people := _people(device):
        said.append(_("On it: {people}.").format(people=people))
    if best := next((p for p in found.proposals if p.fits), None):
        said.append(_("It fits with {changes}.").format(changes=best.options))
    if found.could_fit and not queued:
        said.append(_("--queue waits until there is room."))
    said.append(_("--force starts in any case."))
    raise FailedError(" ".join(said))


def _people(device: Device) -> str:
    found = [f"{p['user'] or '?'} ({(p['used'] or 0) / GIB:.1f} GiB)" for p in device.others[:5]]
    return ", ".join(found)


def _devices(recipe: Recipe, found: Sequence[Gpu], setting: Setting) -> list[Device]:
    """The devices that the run would get if it started now."""
    from engines.training import gpu_locks
    from engines.training.command_line import launch_of

    if not found:
        memory = hardware.memory()
        return [Device(hardware.processor() or _("main memory"), memory.total, memory.available)]
    launch = launch_of(recipe)
    if launch.gpus:
        chosen = gpu_locks.named(found, launch.gpus)
    else:
        chosen = gpu_locks.freest(found, launch.processes)
    return [Device.of(gpu) for gpu in chosen]


def _trial(setting: Setting, data: DataShape) -> Trial:
    """The batch to try: the usual one, within what takes a second or two."""
    length = max(16, min(data.usual_length, 2048))
    rows = max(1, min(data.usual_rows, 8192 // length))
    answers = max(1, min(data.usual_answers or data.answers, length - 1))
    return Trial(
        setting.shape.to_json(),
        setting.method,
        rows,
        length,
        answers,
        setting.bf16,
        setting.checkpointing,
        setting.rank,
        setting.targets,
        setting.threads,
        min(data.usual_head, length - answers - 1) if rows > 1 else 0,
        setting.quantisation,
    )


def _pace(setting: Setting, data: DataShape, *, trial: bool) -> tuple[Pace | None, list[str]]:
    wanted = _trial(setting, data)
    try:
        pace = calibrate(wanted) if trial else kept(wanted)
    except UserError as error:
        return None, [error.sentence]
    if pace is None or pace.busy <= BUSY:
        return pace, []
    message = _(
        "Other work had {share} of the processor during the trial: the time holds beside such "
        "work. The next trial takes its place."
    )
    return pace, [message.format(share=f"{pace.busy:.0%}")]


def _step_seconds(setting: Setting, data: DataShape, pace: Pace | None) -> float | None:
    """Seconds of an optimizer step of usual batches: the trial's time, scaled by tokens."""
    if pace is None:
        return None
    share = data.usual_tokens / max(1, pace.tokens)
    return pace.step(setting.shape.layers) * share * setting.accumulation


def _seconds(
    setting: Setting, data: DataShape, pace: Pace | None, step: float | None
) -> float | None:
    """The whole run: its start, the steps, and the judgements of the dev texts."""
    if pace is None or step is None:
        return None
    judged = setting.evaluations(data) * _judgement_seconds(setting, data, pace)
    return START_SECONDS + data.steps * step + judged


def _judgement_seconds(setting: Setting, data: DataShape, pace: Pace) -> float:
    """The dev texts decoded, and their loss.

    A slot that is free takes the next text, so passes are the answers' tokens over the slots, and
    one more for each round of new prompts. What drafts save, the last texts, which have the slots
    to themselves, take again: 92 to 97 passes for 100 texts of the demo, 97 foretold. Prompts go
    through the layers at the pace of a step's forward pass.
    """
    slots = max(1, setting.eval_rows)
    passes = data.dev_answers / slots + data.dev_texts / slots
    tokens = 2 * data.dev_prompts + data.dev_answers - data.usual_head * data.dev_texts
    layers = setting.shape.layers
    # Forward is a third of a step; where no weight has a gradient, half of it.
    forward = pace.step(layers) / pace.tokens / (2 if setting.method in ("lora", "qlora") else 3)
    return passes * pace.decode(layers) + max(0, tokens) * forward


# From the start of the process to the first step: imports, mostly.
START_SECONDS = 8.0


def shape_and_job(recipe: Recipe, data: DataShape, *, gpu: bool) -> tuple[Shape, Job]:
    """The shape and the job of a recipe on given data, for live bars: nothing is read anew."""
    setting = setting_of(recipe, gpu=gpu)
    return setting.shape, setting.job(data)
