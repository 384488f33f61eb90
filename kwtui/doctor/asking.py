"""Questions to the terminal itself, answered through what it would type."""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import time
import tty
from types import TracebackType
from typing import Any

PATIENCE = 0.4
_POSITION = re.compile(rb"\x1b\[(\d+);(\d+)R")
_KITTY = re.compile(rb"\x1b\[\?(\d+)u")


class Terminal:
    """The controlling terminal, raw while the block runs; silent where there is none."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._before: list[Any] = []

    def __enter__(self) -> Terminal:
        with contextlib.suppress(OSError, termios.error):
            self._file = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            self._before = termios.tcgetattr(self._file)
            tty.setraw(self._file, termios.TCSAFLUSH)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            if self._before:
                termios.tcsetattr(self._file, termios.TCSAFLUSH, self._before)
            os.close(self._file)

    def width(self, text: str) -> int | None:
        """The cells that `text` takes at the start of a line; None when it does not tell."""
        found = self._ask(b"\r" + text.encode() + b"\x1b[6n\r\x1b[K", _POSITION)
        return int(found[2]) - 1 if found else None

    def has_kitty_keys(self) -> bool:
        """Whether it knows Kitty's key protocol."""
        return self._ask(b"\x1b[?u", _KITTY) is not None

    def _ask(self, question: bytes, answer: re.Pattern[bytes]) -> re.Match[bytes] | None:
        if self._file is None or not self._before:
            return None
        os.write(self._file, question)
        received, deadline = b"", time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._file], [], [], left)[0]:
                break
            received += os.read(self._file, 1024)
            if found := answer.search(received):
                return found
        return None
