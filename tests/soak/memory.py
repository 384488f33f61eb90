"""Memory of an app that lives through the whole soak, over windows of the same work.

A service that ends after its work (kwtui.services.IDLE_SECONDS) is told by the peaks of its
processes: what it held went with each of them, and each learns from more labels than the last.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Mapping

import psutil

from kwtui.services import IDLE_SECONDS
from tests.soak.hands import Weather
from tests.soak.living import APP
from tests.soak.place import Place
from tests.soak.seat import TEXTS, NoAnswer, Refused, Seat, Sitter

MIB = 2**20
# A cycle counts for memory when it went through undisturbed; the first ones warm up.
WARM_UP = 0.3
LEAST_CYCLES = 9
GROWTH = 1.05
# What grows steadily does half of it between the middle window and the late one.
STILL_GROWING = 1.02
# Textual keeps what it drew of the last 1,024 widgets, of which the form of a term has 25.
WINDOWS = 45


class Calm:
    """An app that nobody kills, doing the same again and again; its memory after each cycle."""

    def __init__(self, place: Place, weather: Weather, seed: str, *, windows: int = 0) -> None:
        """`windows`: so many are opened and closed before anything is measured."""
        self.place, self.weather, self.windows = place, weather, windows
        self.seat = Seat(place, "calm", "calm")
        self.sitter = Sitter(self.seat, random.Random(f"{seed} calm"))
        self.samples: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.cycles = 0
        self.vain = 0

    def work(self) -> None:
        """Cycle until it is over; the app is then left by its key."""
        self.sitter.begin()
        while not self.weather.over.is_set():
            try:
                while self.windows and not self.weather.over.is_set():
                    self.sitter.look_at_form()
                    self.windows -= 1
                self.cycle()
                self.vain = 0
                self.measure()
            except NoAnswer as error:
                what = "refused" if isinstance(error, Refused) else "calm"
                self.place.acks.note("no answer", what=what, shown=str(error))
                self.vain += not isinstance(error, Refused)
                if self.seat.gone:
                    self.place.acks.finding(f"the calm app ended: {self.seat.last!r}")
                    return
                if self.vain == 4:
                    self.place.acks.finding(f"the calm app gave no answer four times: {error}")
                self.sitter.escape()
            self.weather.over.wait(1.0)

    def cycle(self) -> None:
        """Four texts labeled and taken back, a term added and taken back, three extractions."""
        sitter = self.sitter
        sitter.label()
        sitter.take_back()
        sitter.undo_term(sitter.term())
        for text in TEXTS:
            sitter.extract(text)
        sitter.monitor()
        self.cycles += 1

    def measure(self) -> None:
        """The resident memory of the app and of each service, by name and process."""
        for process in [psutil.Process(self.seat.process.pid), *self.seat.hosts()]:
            words = process.cmdline()
            name = APP if APP in words else words[words.index("kwtui.services") + 1]
            self.samples[name].append((process.pid, process.memory_info().rss))
        resident = {name: found[-1][1] // MIB for name, found in self.samples.items()}
        self.place.acks.note("memory", what="cycle", cycle=self.cycles, mib=resident)

    def end(self, thread: threading.Thread) -> int | None:
        """Wait for the work and quit; the exit code."""
        thread.join(300)
        code = None if self.seat.gone else self.seat.leave()
        self.seat.close()
        return code


def growth(samples: dict[str, list[tuple[int, int]]]) -> dict[str, dict[str, float]]:
    """For each process that lived long enough: MiB in an early, a middle and a late window.

    Windows are thirds of what comes after the warm-up; the median counts. `ratio`: late by early.
    """
    found = {}
    for name, values in samples.items():
        if name in IDLE_SECONDS:
            continue
        last = values[-1][0]
        sizes = [rss / MIB for pid, rss in values if pid == last]
        sizes = sizes[round(len(sizes) * WARM_UP) :]
        if len(sizes) >= LEAST_CYCLES:
            third = len(sizes) // 3
            windows = sizes[:third], sizes[third:-third], sizes[-third:]
            early, middle, late = map(statistics.median, windows)
            figures = {"early_mib": early, "middle_mib": middle, "late_mib": late}
            figures["ratio"] = late / early
            found[name] = {key: round(value, 3) for key, value in figures.items()}
            found[name]["cycles"] = len(sizes)
    return found


def leaks(row: Mapping[str, float]) -> bool:
    """Whether the memory of `growth` grew and still grows: a library loaded late is one step."""
    still = row["late_mib"] / row["middle_mib"]
    return row["ratio"] > GROWTH and still > STILL_GROWING


def peaks(samples: dict[str, list[tuple[int, int]]]) -> dict[str, list[int]]:
    """For each service that ends after its work: the most MiB that each process was seen with."""
    found: dict[str, list[int]] = {}
    for name in samples.keys() & IDLE_SECONDS:
        most: dict[int, int] = {}
        for pid, rss in samples[name]:
            most[pid] = max(most.get(pid, 0), rss // MIB)
        found[name] = list(most.values())
    return found


class Stormy:
    """Somebody whose app is killed again and again, and who opens it each time."""

    def __init__(self, place: Place, weather: Weather, seed: str) -> None:
        self.place, self.weather = place, weather
        self.rng = random.Random(f"{seed} stormy")
        self.lives = 0
        self.vain = 0

    def work(self) -> None:
        """One life of the app after the other."""
        while not self.weather.over.is_set():
            self.lives += 1
            seat = Seat(self.place, "app", f"app{self.lives}")
            try:
                self._live(seat)
            finally:
                seat.close()

    def _live(self, seat: Seat) -> None:
        sitter = Sitter(seat, self.rng)
        try:
            sitter.begin()
        except NoAnswer as error:
            self._vain(seat, error)
            return
        for _n in range(self.rng.randint(6, 20)):
            if self.weather.over.is_set() or seat.gone:
                break
            what = self.rng.choices(
                ["label", "term", "extract", "train", "monitor"], [6, 4, 3, 1, 2]
            )[0]
            try:
                sitter.act(what)
                self.vain = 0
            except NoAnswer as error:
                self._vain(seat, error)
                if not seat.gone:
                    sitter.escape()
            self.weather.over.wait(self.rng.uniform(0, 2))
        self._leave(seat)

    def _vain(self, seat: Seat, error: NoAnswer) -> None:
        """An answer that did not come: right when the app was killed, else once in a while."""
        if seat.gone:
            time.sleep(0.5)
            code = seat.process.poll()
            if code not in (-9, None):
                self.place.acks.finding(f"an app ended by itself ({code}): {seat.last!r}")
            return
        self.vain += not isinstance(error, Refused)
        what = "refused" if isinstance(error, Refused) else "stormy"
        self.place.acks.note("no answer", what=what, shown=str(error))
        if self.vain == 4:
            self.place.acks.finding(f"an app gave no answer four times: {error}")

    def _leave(self, seat: Seat) -> None:
        """Quit by key or by a lost connection; its services end with it."""
        if seat.gone:
            return
        try:
            hosts = seat.hosts()
        except psutil.NoSuchProcess:
            return
        if self.rng.random() < 0.5:
            code = seat.leave()
            self.place.acks.note("end", what="quit")
            if code is None:
                self.place.acks.finding(f"Ctrl+Q did not end the app: {seat.last!r}")
        else:
            seat.process.send_signal(1)
            self.place.acks.note("end", what="hangup")
        if left := seat.outlived(hosts):
            self.place.acks.finding(f"services outlived their app: {left}")
