"""The real app at one end of a pty, and somebody at the other who types and reads."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import threading
import time
from collections.abc import Callable

import psutil

from tests.screen.test_terminal import Terminal
from tests.soak.grid import Grid
from tests.soak.living import gone
from tests.soak.place import Place

F2, F3, F4, F5, F6 = "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~", "\x1b[17~"
ESCAPE, ENTER, BACKSPACE, RUN, SAVE, QUIT = "\x1b", "\r", "\x7f", "\x12", "\x13", "\x11"
PATIENCE = 90.0
TEXTS = (
    "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다.",
    "두통이 심하면 타이레놀을 드시고 물을 많이 마시세요.",
    "연고를 바르면 발진이 가라앉습니다.",
)
# A sentence of before is drawn again with its screen: it counts when no answer came for so long.
PROMPT = 8.0
# What the screen says when a service was killed, or the disk is full.
REFUSALS = ("process has ended", "No space left", "disk is full")
# Where a pane shows that it is there.
SHOWN = {F2: "Keywords", F3: "terms", F4: " done", F5: "examples, ", F6: "Curves"}
_DONE = re.compile(r"([\d,]+) done")
_STARTED = re.compile(r"(\S+) has started\.")
_QUEUED = re.compile(r"(\S+) is number \d+ of the queue")


class NoAnswer(Exception):  # noqa: N818
    """The screen did not show what a key should bring."""


class Refused(NoAnswer):
    """The screen said in a sentence why it does not come: a killed service, a full disk."""


class Seat(Terminal):
    """The app with a thread that reads what it writes, so that it never waits for a reader."""

    def __init__(self, place: Place, role: str, annotator: str) -> None:
        self._news = threading.Condition()
        self.gone = False
        self.grid = Grid()
        super().__init__("-w", place.space.root, **place.environment(role, annotator))
        self.place, self.annotator = place, annotator
        self._reader = threading.Thread(target=self._pump, daemon=True)
        self._reader.start()

    def _pump(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while select.select([self.master], [], [])[0]:
                data = os.read(self.master, 65536)
                if not data:
                    break
                with self._news:
                    self.raw = (self.raw + data)[-500_000:]
                    self.grid.feed(data)
                    self._news.notify_all()
        with self._news:
            self.gone = True
            self._news.notify_all()

    def _read(self, seconds: float) -> bool:
        with self._news:
            before = len(self.raw)
            self._news.wait_for(lambda: len(self.raw) != before or self.gone, seconds)
            return not self.gone

    def press(self, keys: str) -> None:
        """Type, and forget what was shown before."""
        with self._news:
            self.raw = b""
        try:
            self.send(keys)
        except OSError:
            raise NoAnswer(f"{keys!r}: the app is gone") from None

    def until(self, count: int, seconds: float = PATIENCE) -> None:
        """Until so many texts stand as done on the screen."""
        end, soon = time.monotonic() + seconds, time.monotonic() + PROMPT
        while self.done != count:
            self._refused(soon)
            if time.monotonic() > end or not self._read(0.5):
                raise NoAnswer(f"not {count} but {self.done} done: {self.last!r}")

    @property
    def done(self) -> int | None:
        """The texts that stand as done on the screen."""
        found = _DONE.search(self.shown)
        return int(found[1].replace(",", "")) if found else None

    def await_(self, words: str, seconds: float = PATIENCE) -> None:
        """Until the words were written after the last keys; NoAnswer when they are not."""
        self.find(re.compile(f"({re.escape(words)})"), seconds)

    def await_end(self, words: str, seconds: float = PATIENCE) -> None:
        """Until the words no longer stand on the screen; NoAnswer when they stay."""
        end = time.monotonic() + seconds
        while words in self.shown:
            if time.monotonic() > end or not self._read(0.5):
                raise NoAnswer(f"{words!r} is still there")

    @property
    def shown(self) -> str:
        """What stands on the screen."""
        with self._news:
            return self.grid.text

    def find(self, pattern: re.Pattern[str], seconds: float = PATIENCE) -> str:
        """What stands for the group of the pattern, the last one; Refused when it cannot come."""
        end, soon = time.monotonic() + seconds, time.monotonic() + PROMPT
        while not (found := pattern.findall(self.text)):
            self._refused(soon)
            if time.monotonic() > end or not self._read(0.5):
                raise NoAnswer(f"{pattern.pattern!r} is not in {self.last!r}")
        return str(found[-1])

    def _refused(self, soon: float) -> None:
        """Raise Refused for a sentence that says so, unless the answer may still come."""
        told = next((words for words in REFUSALS if words in self.text), "")
        if told and time.monotonic() > soon:
            raise Refused(told)

    @property
    def last(self) -> str:
        """What was shown last, in one line."""
        return " ".join(self.text.split())[-700:]

    def leave(self) -> int | None:
        """Quit by its key; the exit code, None when it does not end."""
        with contextlib.suppress(OSError):
            self.send(ESCAPE + ESCAPE)
            time.sleep(0.3)
            self.send(QUIT)
        with contextlib.suppress(psutil.TimeoutExpired, Exception):
            return self.process.wait(30)
        return None

    def close(self) -> None:
        """End it by force, if it has not ended, and close the pty."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10)
        with contextlib.suppress(OSError):
            os.close(self.master)

    def outlived(self, hosts: list[psutil.Process]) -> list[int]:
        """Services that still live ten seconds after the app."""
        return gone([host.pid for host in hosts], 10)


class Sitter:
    """What a person does at the app; every acknowledged change goes into the log."""

    def __init__(self, seat: Seat, rng: random.Random) -> None:
        self.seat, self.rng, self.acks = seat, rng, seat.place.acks
        self.done = 0
        self.terms = 0
        self.here = ""

    def begin(self) -> None:
        """Wait for the first screen."""
        self.seat.await_("F2")

    def escape(self) -> None:
        """Out of whatever stands in the way."""
        self.here = ""
        for _n in range(2):
            self.seat.press(ESCAPE)
            time.sleep(0.2)

    def act(self, what: str) -> None:
        """One thing: label, term, extract, train, monitor."""
        ways: dict[str, Callable[[], None]] = {
            "label": self.label, "term": self.term, "extract": self.extract,
            "train": self.train, "monitor": self.monitor,
        }  # fmt: skip
        ways[what]()
        self.acks.note("screen", what=what)

    def go(self, key: str) -> None:
        """To a pane, from another one, to be drawn anew; over labels F2 is the guideline."""
        if self.here in ("", key) or (self.here, key) == (F4, F2):
            self._show(F4 if key == F6 else F6)
        self._show(key)

    def _show(self, key: str) -> None:
        self.here = ""
        self.seat.press(key)
        self.seat.await_(SHOWN[key], 2 * PATIENCE)
        self.here = key

    def to_labels(self) -> None:
        """The labeling view with its count."""
        self.go(F4)
        self.done = self.seat.done or 0
        self.acks.settle(self.acks.attempt("count", self.seat.annotator, self.done), "done")

    def label(self, times: int = 4) -> None:
        """Toggle some candidates and approve, and see each counted."""
        self.to_labels()
        for _n in range(times):
            self.seat.press(self.rng.choice("1234"))
            time.sleep(self.rng.uniform(0.0, 0.2))
            self._counted(ENTER, self.done + 1)

    def take_back(self, times: int = 4) -> None:
        """Undo until the approvals are taken back; marks between them are taken back too."""
        goal = self.done - times
        for _n in range(4 * times):
            if self.done <= goal:
                return
            number = self.acks.attempt("count", self.seat.annotator, self.done - 1)
            self.seat.press(BACKSPACE)
            how = "unknown"
            with contextlib.suppress(NoAnswer):
                # A mark that was taken back leaves the count as it stands on the screen.
                self.seat.until(self.done - 1, 1.0)
                self.done, how = self.done - 1, "done"
            self.acks.settle(number, how)
        raise NoAnswer(f"{goal} done was not reached by undo: {self.done}")

    def _counted(self, keys: str, count: int) -> None:
        number = self.acks.attempt("count", self.seat.annotator, count)
        how = "unknown"
        try:
            self.seat.press(keys)
            self.seat.until(count)
            self.done, how = count, "done"
        finally:
            self.acks.settle(number, how)

    def look_at_form(self) -> None:
        """The form of a new term, opened and left."""
        if self.here != F3:
            self.go(F3)
        self.seat.press("a")
        self.seat.await_("New term")
        self.seat.press(ESCAPE)
        self.seat.await_end("New term")

    def term(self) -> str:
        """A term added by its form; its name."""
        self.terms += 1
        name = f"누름{self.seat.annotator}{self.terms}"
        self.go(F3)
        self.seat.press("a")
        self.seat.await_("New term")
        self.seat.press(name)
        self.seat.await_(name)
        number = self.acks.attempt("term", name, "")
        how = "unknown"
        try:
            self.seat.press(SAVE)
            self.seat.await_(f"Kept: {name}")
            how = "done"
        finally:
            self.acks.settle(number, how)
        return name

    def undo_term(self, name: str) -> None:
        """The last change of the glossary by this app taken back."""
        number = self.acks.attempt("term", name, None)
        how = "unknown"
        try:
            self.seat.press("u")
            self.seat.await_("Undone")
            how = "done"
        finally:
            self.acks.settle(number, how)

    def extract(self, text: str = "") -> None:
        """A text in place of the last one, and its keywords."""
        self.go(F2)
        # A letter first: that it goes is seen, and what is pasted then comes after the emptying.
        self.seat.press("끝말")
        self.seat.await_("끝말")
        self.seat.press(("\x1b[1;5F" + "\x15" * 3) * 3)
        self.seat.await_("Type or paste a text here")
        text = text or self.rng.choice(TEXTS)
        self.seat.press(f"\x1b[200~{text}\x1b[201~")
        self.seat.await_(text[:8])
        self.seat.press(RUN)
        self.seat.await_(" token")

    def train(self) -> None:
        """A run started by keys, or put into the queue."""
        self.go(F5)
        self.seat.press(RUN)
        self.seat.await_("Start now")
        queued = self.rng.random() < 0.5
        if queued:
            self.seat.press("\x1b[B")
        self.seat.press(ENTER)
        name = self.seat.find(_QUEUED if queued else _STARTED)
        self.acks.settle(self.acks.attempt("run", name, "there"), "done")

    def monitor(self) -> None:
        """The runs, and the figures of the first one."""
        self.go(F6)
        time.sleep(2)
        self.seat.press("f")
        time.sleep(1)
