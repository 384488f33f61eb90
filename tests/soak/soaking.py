"""Everything at once for a while, and what came of it."""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.soak import verdict
from tests.soak.acks import Acks, counts, findings
from tests.soak.hands import Hand, Trainer, Weather
from tests.soak.living import creatures
from tests.soak.memory import WINDOWS, Calm, Stormy, growth, leaks, peaks
from tests.soak.place import Place, make
from tests.soak.storm import Storm, begin


@dataclass(frozen=True)
class Length:
    """How long, and how many seconds between two blows."""

    seconds: float
    pace: float = 6.0
    small: bool = False

    @property
    def windows(self) -> int:
        """Windows that fill the screen's caches first, where there is time to measure memory."""
        return WINDOWS if self.seconds >= 600 else 0


@dataclass(frozen=True)
class Summary:
    """What happened, what was compared at the end, and what was found."""

    seed: str
    seconds: float
    machine: str
    disk: str
    happened: dict[str, dict[str, int]]
    compared: dict[str, int]
    memory: dict[str, dict[str, float]]
    peaks: dict[str, list[int]]
    findings: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The same for a person and for a table of results."""
        said = [f"| soak | {self.seconds / 60:.0f} min, seed {self.seed}, {self.disk} |"]
        for what, found in self.happened.items():
            total = sum(found.values())
            parts = ", ".join(f"{name or what} {count:,}" for name, count in found.items())
            said.append(f"| {what} | {total:,}: {parts} |")
        held = ", ".join(f"{name} {count:,}" for name, count in self.compared.items())
        said.append(f"| compared at the end | {held} |")
        for name, row in self.memory.items():
            said.append(
                f"| memory of {name} | {row['early_mib']:.0f} to {row['late_mib']:.0f} MiB,"
                f" {100 * (row['ratio'] - 1):+.1f} % over {row['cycles']:.0f} cycles |"
            )
        for name, found in self.peaks.items():
            each = ", ".join(f"{mib:,}" for mib in found)
            said.append(f"| peaks of {name}, each process | {each} MiB |")
        said.append(f"| findings | {len(self.findings)} |")
        return said + [f"FOUND: {sentence}" for sentence in self.findings]


def soak(out: Path, seed: str, length: Length) -> Summary:
    """Work on a scratch workspace in the middle of a storm, then hold it against the log."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / "acks.jsonl"
    log.unlink(missing_ok=True)
    acks = Acks(log)
    root = Path(tempfile.mkdtemp(prefix="kwtui-soak-"))
    place = make(root / "place", acks, small=length.small)
    try:
        began = time.monotonic()
        calm = _live(place, seed, length)
        took = time.monotonic() - began
        compared = verdict.check(place)
        memory = _memory(calm, acks)
        _keep(place, out)
    finally:
        for creature in creatures(place.mark):
            creature.kill()
        place.leave()
        shutil.rmtree(root, ignore_errors=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    disk = "disk of its own" if place.mounted else "limited file size"
    disk += ", clocks moved" if place.moved else ", clocks not moved (no C compiler)"
    happened, found = counts(log), findings(log)
    most = peaks(calm.samples)
    summary = Summary(seed, round(took, 1), machine, disk, happened, compared, memory, most, found)
    (out / "summary.json").write_text(_json(asdict(summary)), encoding="utf-8")
    return summary


def _live(place: Place, seed: str, length: Length) -> Calm:
    """Everybody at work until the time is over; then all of them end."""
    weather = Weather()
    calm = Calm(place, weather, seed, windows=length.windows)
    stormy = Stormy(place, weather, seed)
    checkpoints = verdict.Checkpoints(place, weather)
    threads = [
        begin(_guarded(place, stormy.work), "stormy"),
        begin(_guarded(place, checkpoints.work), "checkpoints"),
        begin(_guarded(place, Storm(place, weather, seed, length.pace).work), "storm"),
    ]
    for name in ("one", "two"):
        hand = Hand(place, weather, name, seed)
        threads.append(begin(_guarded(place, _steps(hand.step, weather, seed + name)), name))
    trainer = Trainer(place, weather, seed)
    threads.append(begin(_guarded(place, _steps(trainer.step, weather, seed)), "trainer"))
    at_calm = begin(_guarded(place, calm.work), "calm")
    time.sleep(length.seconds)
    weather.over.set()
    code = calm.end(at_calm)
    if code != 0:
        place.acks.finding(f"the calm app ended with {code}: {calm.seat.last!r}")
    for thread in threads:
        thread.join(400)
        if thread.is_alive():
            place.acks.finding(f"the driver {thread.name} did not end")
    checkpoints.look()
    return calm


def _steps(step: Callable[[], None], weather: Weather, seed: str) -> Callable[[], None]:
    rng = random.Random(seed)

    def work() -> None:
        while not weather.over.wait(rng.uniform(0.0, 2.0)):
            step()

    return work


def _guarded(place: Place, work: Callable[[], None]) -> Callable[[], None]:
    """The work, whose own mistakes are findings too."""

    def run() -> None:
        try:
            work()
        except Exception as error:
            import traceback

            text = "".join(traceback.format_exception(error))
            place.acks.finding(f"a driver failed: {text[-1500:]}")

    return run


def _memory(calm: Calm, acks: Acks) -> dict[str, dict[str, float]]:
    found = growth(calm.samples)
    for name, row in found.items():
        if leaks(row):
            acks.finding(f"memory of {name} grew from {row['early_mib']} to {row['late_mib']} MiB")
    return found


def _keep(place: Place, out: Path) -> None:
    """The logs of services and runs, for whoever looks for the cause of a finding."""
    shutil.rmtree(out / "logs", ignore_errors=True)
    shutil.copytree(place.state, out / "logs", dirs_exist_ok=True)
    for run in place.space.runs.glob("*/log.txt"):
        shutil.copy(run, out / "logs" / f"run-{run.parent.name}.txt")
    queue = next(place.space.runs.glob(".queue/*/log.txt"), None)
    if queue is not None:
        shutil.copy(queue, out / "logs" / "queue.txt")


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
