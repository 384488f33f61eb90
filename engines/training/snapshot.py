"""One look at a run for people and scripts: how far, how good, how fast, how long still."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from engines.training.folder import RunFolder
from engines.training.preflight_file import foretold
from engines.training.runs import Run, look
from engines.training.series import Series


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run's figures; None where there is none yet. Seconds, bytes, tokens a second.

    `loss` may be NaN or infinite: it is shown as what it is.
    """

    id: str
    state: str
    step: int
    steps: int
    loss: float | None = None
    dev_loss: float | None = None
    f1: float | None = None
    best_f1: float | None = None
    best_step: int | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: int | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    silent_seconds: float | None = None
    host: str = ""
    elsewhere: bool = False
    reason: str = ""
    mfu: float | None = None
    resources: dict[str, Any] = field(default_factory=dict)
    foretold: dict[str, Any] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The part of the steps that is done, 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object; numbers that are not finite as strings."""
        values = asdict(self)
        return {name: _plain(value) for name, value in values.items()}


class Watcher:
    """Looks at one run again and again; each look reads only what is new."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.series = Series(folder.path)
        self.new: list[dict[str, Any]] = []
        self._foretold: dict[str, Any] = {}

    def foretold(self) -> dict[str, Any]:
        """What the preflight foretold; it may be written after the folder was first seen."""
        self._foretold = self._foretold or foretold(self.folder.path)
        return self._foretold

    def look(self) -> Snapshot:
        """The run now; `new` are then the events since the look before."""
        run = look(self.folder)
        self.new = self.series.catch_up()
        return snapshot(run, self.series, self.foretold())


def snapshot(run: Run, series: Series, foretold: dict[str, Any] | None = None) -> Snapshot:
    """The figures of a run whose series is level with its events."""
    last = series.latest.get("step", {})
    judged = series.latest.get("evaluation", {})
    best = _best(series)
    step = max(run.step, int(last.get("step") or 0)) if run.alive else run.step or series.last_step
    used = series.latest.get("resources", {})
    return Snapshot(
        id=run.id,
        state=run.state,
        step=max(0, step),
        steps=run.steps or int(last.get("steps") or 0),
        loss=_number(last.get("loss")),
        dev_loss=_number(judged.get("loss")),
        f1=_number(judged.get("f1")),
        best_f1=best[0] if best else None,
        best_step=best[1] if best else None,
        learning_rate=_number(last.get("learning_rate")),
        grad_norm=_number(last.get("grad_norm")),
        tokens=last.get("tokens"),
        tokens_per_second=_number(last.get("tokens_per_second")),
        seconds_left=_seconds_left(run, series),
        silent_seconds=run.silent_seconds,
        host=str(run.values.get("host", "")),
        elsewhere=run.elsewhere,
        reason=str(run.values.get("reason", "")),
        mfu=_mfu(series, _number(last.get("tokens_per_second"))),
        resources={k: v for k, v in used.items() if k not in ("time", "kind", "step")},
        foretold=foretold or {},
        samples=list(judged.get("samples") or []),
    )


def _mfu(series: Series, rate: float | None) -> float | None:
    """Share of the peak of the GPUs, 0 to 1; None where the peak is not known."""
    work = series.latest.get("work", {})
    each, peak = _number(work.get("flops_per_token")), _number(work.get("peak_flops"))
    return None if rate is None or not each or not peak else rate * each / peak


def _best(series: Series) -> tuple[float, int] | None:
    curve = series.curves.get("f1")
    buckets = [b for b in curve or () if not math.isnan(b.high)]
    if not buckets:
        return None
    best = max(buckets, key=lambda bucket: (bucket.high, -bucket.first))
    return best.high, best.first


def _seconds_left(run: Run, series: Series) -> float | None:
    """By the pace of the last steps; what has gone by since the last of them counts."""
    pace = series.steps_per_second()
    if not pace or not run.steps or run.state not in ("running", "stopping"):
        return None
    since = 0.0 if run.elsewhere else max(0.0, time.time() - series.recent[-1][0])
    done = series.recent[-1][1] + since * pace
    return max(0.0, (run.steps - max(done, run.step)) / pace)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return round(value, 6) if isinstance(value, float) else value
