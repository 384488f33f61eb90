"""Kills at random moments, a disk that is filled and freed, a clock that jumps."""

from __future__ import annotations

import errno
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.soak.hands import Weather
from tests.soak.living import APP, HOST, RUN, SUPERVISOR, Creature, creatures, gone
from tests.soak.place import Place

JUMPS = (86_400.0, -86_400.0, 10_800.0, -10_800.0, 90.0, -90.0)
FULL_SECONDS = (4.0, 12.0)
ORPHAN_SECONDS = 15.0
# What is killed how often, by what it is.
VICTIMS: dict[str, tuple[int, Callable[[Creature], bool]]] = {
    "app": (3, lambda c: c.role == "app" and c.module == APP),
    "host": (3, lambda c: c.role == "app" and c.module == HOST),
    "command": (4, lambda c: c.role == "hand" and c.module == APP),
    "run": (2, lambda c: c.module == RUN),
    "supervisor": (1, lambda c: c.module == SUPERVISOR),
}


class Storm:
    """One blow after the other, until it is over."""

    def __init__(self, place: Place, weather: Weather, seed: str, pace: float) -> None:
        self.place, self.weather, self.pace = place, weather, pace
        self.rng = random.Random(f"{seed} storm")
        self.filled = 0.0

    def work(self) -> None:
        """Blow every now and then; `pace` seconds between two blows on average."""
        while not self.weather.over.wait(self.rng.uniform(0.2, 2.0) * self.pace):
            way = self.rng.choices(["kill", "clock", "disk"], [12, 2, 2])[0]
            if way == "kill":
                self.kill()
            elif way == "clock":
                self.jump()
            elif time.monotonic() - self.filled > 6 * self.pace:
                self.fill()
        self.place.set_clock(0.0)

    def kill(self) -> None:
        """SIGKILL for something that lives."""
        living = creatures(self.place.mark)
        there = {
            kind: (weight, [c for c in living if wanted(c)])
            for kind, (weight, wanted) in VICTIMS.items()
        }
        there = {kind: found for kind, found in there.items() if found[1]}
        if not there:
            return
        kind = self.rng.choices(list(there), [weight for weight, _c in there.values()])[0]
        victim = self.rng.choice(there[kind][1])
        below = _services(victim.pid) if kind == "app" else []
        if victim.kill():
            self.place.acks.note("kill", what=kind, pid=victim.pid)
        if below and (left := gone(below, ORPHAN_SECONDS)):
            self.place.acks.finding(f"services outlived their killed app: {left}")

    def jump(self) -> None:
        """Every clock to another time."""
        seconds = self.rng.choice(JUMPS)
        self.place.acks.note("clock", what=f"{seconds:+.0f} s")
        self.place.set_clock(seconds)

    def fill(self) -> None:
        """Not a byte left for some seconds, then room again."""
        self.weather.times += 1
        self.weather.full.set()
        self.place.acks.note("disk", what="full" if self.place.mounted else "little room")
        file = self.place.disk / "filler"
        try:
            if self.place.mounted:
                _fill(file)
            end = time.monotonic() + self.rng.uniform(*FULL_SECONDS)
            while time.monotonic() < end and not self.weather.over.wait(0.5):
                if self.place.mounted:
                    _fill(file)
        finally:
            file.unlink(missing_ok=True)
            self.weather.full.clear()
            self.weather.times += 1
            self.filled = time.monotonic()


def _fill(file: Path) -> None:
    """Let the file grow until nothing more fits, down to the last byte."""
    for size in (2**20, 2**12, 1):
        try:
            with file.open("ab", buffering=0) as stream:
                while True:
                    stream.write(b"x" * size)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def _services(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def begin(work: Callable[[], None], name: str) -> threading.Thread:
    """The work in a thread of its own."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
