"""The curves of a run as minimum and maximum per bucket, so that a long run opens at once.

`series.json` lies beside events.jsonl and says up to which byte of it it reaches; a reader takes
it and reads only the events after that byte. It can be deleted and is then made again.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.events import EventTail

FORMAT = 1
CAPACITY = 1024
# Step events by which the pace is reckoned.
RECENT = 20

# kind of event -> field of the event -> name of the curve
CURVES: Mapping[str, Mapping[str, str]] = {
    "step": {
        "loss": "loss",
        "learning_rate": "learning_rate",
        "grad_norm": "grad_norm",
        "tokens_per_second": "tokens_per_second",
    },
    "evaluation": {"loss": "dev_loss", "f1": "f1", "precision": "precision", "recall": "recall"},
    "resources": {
        "rss": "rss",
        "cpu": "cpu",
        "gpu_allocated": "gpu_allocated",
        "gpu_reserved": "gpu_reserved",
        "gpu_utilisation": "gpu_utilisation",
    },
}


@dataclass(slots=True)
class Bucket:
    """What a stretch of steps holds of one figure.

    `low` and `high` are NaN where no value was finite; `bad` counts values that were not.
    """

    first: int
    last: int
    low: float
    high: float
    total: float
    count: int
    bad: int

    @property
    def mean(self) -> float:
        """Mean of the finite values; NaN when there is none."""
        return self.total / self.count if self.count else math.nan

    def join(self, other: Bucket) -> None:
        """Take in a later bucket."""
        self.last = other.last
        self.low = _least(self.low, other.low)
        self.high = -_least(-self.high, -other.high)
        self.total += other.total
        self.count += other.count
        self.bad += other.bad


@dataclass(slots=True)
class Curve:
    """One figure over the steps; bucket number `step // width`, at most CAPACITY of them."""

    width: int = 1
    buckets: dict[int, Bucket] = field(default_factory=dict)

    def add(self, step: int, value: float) -> None:
        """Take in the value of a step."""
        good = math.isfinite(value)
        number = value if good else math.nan
        new = Bucket(step, step, number, number, value if good else 0.0, int(good), int(not good))
        at = step // self.width
        if (old := self.buckets.get(at)) is not None:
            old.join(new)
            return
        self.buckets[at] = new
        while len(self.buckets) > CAPACITY:
            self._halve()

    def rewind(self, step: int) -> None:
        """Forget what came at `step` and later: the run goes on from before it.

        A bucket that spans the step keeps what it has: the steps after a resume are those that
        were there before, so its minimum and maximum stay true.
        """
        for at in [at for at, bucket in self.buckets.items() if bucket.first >= step]:
            del self.buckets[at]

    def __iter__(self) -> Iterator[Bucket]:
        return (self.buckets[at] for at in sorted(self.buckets))

    def _halve(self) -> None:
        self.width *= 2
        joined: dict[int, Bucket] = {}
        for bucket in self:
            at = bucket.first // self.width
            if at in joined:
                joined[at].join(bucket)
            else:
                joined[at] = bucket
        self.buckets = joined


class Series:
    """The curves of one run, level with its events after each `catch_up`.

    `latest` holds the last event of each kind, `recent` (time, step) of the last step events.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "series.json"
        self.curves: dict[str, Curve] = {}
        self.events = 0
        self.last_step = -1
        self.latest: dict[str, dict[str, Any]] = {}
        self.recent: list[tuple[float, int]] = []
        self._tail = EventTail(folder / "events.jsonl")
        self._load()

    @property
    def offset(self) -> int:
        """The byte of events.jsonl up to which the curves reach."""
        return self._tail.offset

    def catch_up(self) -> list[dict[str, Any]]:
        """Read the events that are new, take them into the curves and return them."""
        found: list[dict[str, Any]] = []
        while events := self._tail.poll():
            if self._tail.restarted:
                self.curves, self.events, self.last_step = {}, 0, -1
                self.latest, self.recent = {}, []
                found = []
            self.take(events)
            found += events
        return found

    def take(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take events into the curves."""
        for event in events:
            self.events += 1
            step, kind = event.get("step"), str(event.get("kind"))
            self.latest[kind] = dict(event)
            if kind == "start":
                self.recent = []
            names = CURVES.get(kind, {})
            if not isinstance(step, int) or not names:
                continue
            if kind == "step":
                self._stepped(step, float(event.get("time") or 0.0))
            for name, curve in names.items():
                value = event.get(name)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    self.curves.setdefault(curve, Curve()).add(step, float(value))

    def write(self) -> None:
        """Replace series.json by what is known now."""
        curves = {
            name: {"width": curve.width, "buckets": [_row(bucket) for bucket in curve]}
            for name, curve in self.curves.items()
        }
        content = {
            "format": FORMAT,
            "offset": self.offset,
            "events": self.events,
            "last_step": self.last_step,
            "latest": self.latest,
            "recent": self.recent,
            "curves": curves,
        }
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
        fresh.replace(self.path)

    def steps_per_second(self) -> float | None:
        """The pace of the last steps of the present start; None before the second of them."""
        if len(self.recent) < 2 or self.recent[-1][0] <= self.recent[0][0]:
            return None
        (began, first), (ended, last) = self.recent[0], self.recent[-1]
        return (last - first) / (ended - began)

    def _stepped(self, step: int, time: float) -> None:
        if step <= self.last_step:
            for curve in self.curves.values():
                curve.rewind(step)
            self.recent = []
        self.last_step = step
        self.recent = [*self.recent[1 - RECENT :], (time, step)]

    def _load(self) -> None:
        """Take what was written before; a file that is not ours or torn is as good as none."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                return
            curves = {name: _curve(values) for name, values in content["curves"].items()}
            numbers = [int(content[name]) for name in ("offset", "events", "last_step")]
            if numbers[0] > self._tail.path.stat().st_size:
                return
            latest = {str(kind): dict(event) for kind, event in content["latest"].items()}
            recent = [(float(time), int(step)) for time, step in content["recent"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        self.curves, self.latest, self.recent = curves, latest, recent
        self._tail.offset, self.events, self.last_step = numbers


def _row(bucket: Bucket) -> list[float | int | None]:
    low, high = (None if math.isnan(v) else _short(v) for v in (bucket.low, bucket.high))
    total = _short(bucket.total)
    return [bucket.first, bucket.last, low, high, total, bucket.count, bucket.bad]


def _curve(values: Mapping[str, Any]) -> Curve:
    curve = Curve(int(values["width"]))
    for first, last, low, high, total, count, bad in values["buckets"]:
        low, high = (math.nan if v is None else float(v) for v in (low, high))
        bucket = Bucket(int(first), int(last), low, high, float(total), int(count), int(bad))
        curve.buckets[bucket.first // curve.width] = bucket
    return curve


def _short(value: float) -> float:
    return float(f"{value:.7g}")


def _least(one: float, other: float) -> float:
    if math.isnan(one):
        return other
    return one if math.isnan(other) else min(one, other)
