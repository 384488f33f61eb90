"""The labeling view in a real terminal over a corpus of any size.

    python tests/benchmarks/ui.py [--texts 1000000] [--keys 300] [--workspace DIR]

`--workspace`: a workspace with texts that wait, instead of one made of `--texts` texts; it is
labeled in.

The app runs in a pty of 80 columns and 24 lines; what it writes is read as a terminal would. A key
is timed from when it is written to when the answer has begun to be painted: the first bytes after
it, at rest before. Every key of the mix changes labels, and so is on disk before it is painted.
Aims on 2 cores: p95 33 ms, under 2,000 bytes a key, under 300 MB of the app's process.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.children import python_command, python_environment
from engines.corpus.store import Corpus
from engines.records import Example
from engines.workspace import Workspace, assets

COLUMNS, LINES = 80, 24
REST_SECONDS = 0.12
ANSWER_SECONDS = 5.0
AIMS = {"p95": 33.0, "bytes": 2000.0, "rss": 300.0}
# What a labeler does: digits, hints off, the cursor, and on to the next text.
MIX = ["1", "2", "3", "\x1b[C", "\x1b[B", " ", "1", "2", "\r"]


def texts(count: int) -> Iterator[Example]:
    """Texts of the demo, made different by a number."""
    rows = (assets() / "demo" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    known = [json.loads(row)["text"] for row in rows]
    for number in range(count):
        text = known[number % len(known)]
        yield Example(f"t{number:07}", f"{text} {number}번", labeled=False)


class Terminal:
    """A program at the other end of a pty, with a count of what it wrote."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        leader, follower = pty.openpty()
        size = struct.pack("HHHH", LINES, COLUMNS, 0, 0)
        fcntl.ioctl(follower, termios.TIOCSWINSZ, size)
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=environment,
            start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        self.fd = leader
        self.written = b""

    def read(self, seconds: float) -> bytes:
        """What comes within `seconds`, b"" when nothing does."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return b""
        try:
            found = os.read(self.fd, 1 << 16)
        except OSError:
            return b""
        self.written = (self.written + found)[-200_000:]
        return found

    def rest(self, seconds: float = REST_SECONDS) -> int:
        """Read until nothing comes for `seconds`; returns the bytes."""
        count = 0
        while found := self.read(seconds):
            count += len(found)
        return count

    def until(self, words: str, seconds: float) -> bool:
        """Read until the screen has been sent `words`."""
        end = time.monotonic() + seconds
        while words.encode() not in self.written:
            if time.monotonic() > end:
                return False
            self.read(0.05)
        return True

    def press(self, key: str) -> tuple[float, int]:
        """Milliseconds to the first answer to a key, and the bytes of the whole answer."""
        started = time.perf_counter()
        os.write(self.fd, key.encode())
        first = self.read(ANSWER_SECONDS)
        spent = (time.perf_counter() - started) * 1000
        return spent, len(first) + self.rest()

    def close(self) -> None:
        """End the program."""
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()
        os.close(self.fd)


def resident(pid: int) -> float:
    """MB that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def prepare(folder: Path, count: int) -> Workspace:
    space = Workspace.create(folder / "space")
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.add(texts(count))
    return space


def measure(space: Workspace, keys: int, home: Path) -> dict[str, float]:
    environment = python_environment() | {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "KWTUI_LANGUAGE": "en",
    }
    started = time.perf_counter()
    terminal = Terminal(python_command("kwtui", "-w", str(space.root)), environment)
    try:
        assert terminal.until("Labels", 60), "the app did not open"
        opened = time.perf_counter() - started
        terminal.rest(1.0)
        started = time.perf_counter()
        os.write(terminal.fd, b"\x1bOS")  # F4
        assert terminal.until("left", 60), "no text came"
        first = time.perf_counter() - started
        assert terminal.until("Nouns", 60), "no candidates came"
        terminal.rest(1.0)
        return {"open": opened, "first": first, **_keys(terminal, keys)}
    finally:
        terminal.close()


def _keys(terminal: Terminal, count: int) -> dict[str, float]:
    draw = random.Random(5)
    times: list[float] = []
    sizes: list[int] = []
    approved: list[float] = []
    for number in range(count):
        key = MIX[number % len(MIX)]
        spent, size = terminal.press(key)
        times.append(spent)
        sizes.append(size)
        if key == "\r":
            approved.append(spent)
        time.sleep(draw.uniform(0.0, 0.03))
    return {
        "median": statistics.median(times),
        "p95": statistics.quantiles(times, n=20)[-1],
        "approve": statistics.median(approved),
        "bytes": statistics.mean(sizes),
        "rss": resident(terminal.process.pid),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--keys", type=int, default=270)
    parser.add_argument("--workspace", type=Path, help="a workspace that is there already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        started = time.perf_counter()
        there = given.workspace is not None
        space = Workspace.open(given.workspace) if there else prepare(home, given.texts)
        seconds = time.perf_counter() - started
        with Corpus.open(space.corpus_path, readonly=True) as corpus:
            texts_there = corpus.count()
        found = measure(space, given.keys, home)
    made = "there before" if there else f"imported in {seconds:.0f} s"
    sys.stdout.write(
        f"{texts_there:,} texts ({made}), {given.keys} keys at"
        f" {COLUMNS}x{LINES}: screen after {found['open']:.1f} s, first text {found['first']:.1f} s"
        " after its key\n"
        f"key to paint: median {found['median']:.0f} ms, p95 {found['p95']:.0f} ms"
        f" (aim {AIMS['p95']:.0f}), Enter to next text {found['approve']:.0f} ms\n"
        f"{found['bytes']:.0f} bytes a key (aim {AIMS['bytes']:.0f}), app {found['rss']:.0f} MB"
        f" (aim {AIMS['rss']:.0f})\n"
    )


if __name__ == "__main__":
    main()
