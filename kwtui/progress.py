"""One line of progress on stderr, only where a person watches."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from glossary.i18n import _

BAR = 24
INTERVAL = 0.1


class Progress:
    """Shows done, total, rate and time left while the block runs; silent without a terminal.

    `first`: how many were done before, which say nothing about the rate.
    """

    def __init__(
        self, total: int | None = None, stream: TextIO | None = None, *, first: int = 0
    ) -> None:
        self._total = total
        self._first = first
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._start = time.monotonic()
        self._last = 0.0
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def update(self, done: int, total: int | None = None) -> None:
        """Show that `done` things are done; redrawn at most ten times a second.

        `total`: of so many, where that is only known now.
        """
        now = time.monotonic()
        self._total = total or self._total
        if self._shown and now - self._last >= INTERVAL:
            self._last = now
            seconds = now - self._start
            if self._first:
                seconds *= done / max(1, done - self._first)
            self._draw(progress_line(done, self._total, seconds))

    def clear(self) -> None:
        """Take the line off the screen, so that something else can be printed."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def say(self, sentence: str) -> None:
        """Print a sentence without tearing the line."""
        self.clear()
        print(sentence, file=self._stream)

    def _draw(self, line: str) -> None:
        # A wide character takes two cells, so the line never shrinks below twice its length.
        padding = max(0, self._width - len(line))
        self._stream.write("\r" + line + " " * padding)
        self._stream.flush()
        self._width = 2 * len(line)


def progress_line(done: int, total: int | None, seconds: float) -> str:
    """`done` of `total`, the rate a second and the time left, as one line."""
    rate = done / seconds if seconds > 0 else 0.0
    speed = _("{rate}/s").format(rate=f"{rate:.1f}")
    if not total or done > total:
        return f"{done:,}  {speed}"
    filled = BAR * done // total
    bar = "#" * filled + "-" * (BAR - filled)
    if not rate:
        return f"[{bar}] {done:,}/{total:,}"
    left = _("{time} left").format(time=duration((total - done) / rate))
    return f"[{bar}] {done:,}/{total:,}  {speed}  {left}"


def duration(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
