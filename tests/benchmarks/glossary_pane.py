"""The glossary pane in a real terminal over any number of terms.

    python -P tests/benchmarks/glossary_pane.py [--terms 100000] [--keys 200] [--glossary FOLDER]

The app runs in a pty of 80 columns and 24 lines. A key is timed from when it is written to the
first bytes of its answer, and to the last ones before the screen rests; what is typed into the
filter counts until the rows are there, an edit until it is on disk and in the sheet. Aims on 2
cores at a million terms: p95 50 ms from key to paint. `--glossary`: a glossary.lance of
`glossary.py build` with its journal beside it, which is copied.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.children import python_command, python_environment
from engines.workspace import Workspace
from glossary.store import Glossary, journal_path
from tests.benchmarks.glossary import CHUNK, terms
from tests.benchmarks.ui import COLUMNS, LINES, REST_SECONDS, Terminal, resident

DOWN, UP, RIGHT, LEFT = "\x1b[B", "\x1b[A", "\x1b[C", "\x1b[D"
PAGE_DOWN, PAGE_UP, HOME, END = "\x1b[6~", "\x1b[5~", "\x1b[H", "\x1b[F"
F3 = b"\x1bOR"
MOVES = [DOWN, DOWN, RIGHT, DOWN, UP, LEFT, PAGE_DOWN, DOWN, PAGE_DOWN, PAGE_UP, END, UP, HOME]
FILTERS = ["신장", "ㅍㅎㅇ", "출혈", "간", "ㅅㅈ", "알레르기", "없는말"]
AIM = 50.0


def prepare(folder: Path, count: int, ready: Path | None) -> Workspace:
    """A workspace with so many terms, or with a copy of those that are there."""
    space = Workspace.create(folder / "space")
    if ready is not None:
        shutil.copytree(ready, space.glossary_path)
        shutil.copy(journal_path(ready), journal_path(space.glossary_path))
        # Else the disk still writes the copy while edits wait for theirs.
        os.sync()
        return space
    with Glossary.open(space.glossary_path, create=True) as glossary:
        chunk = []
        for term in terms(count):
            chunk.append(term)
            if len(chunk) == CHUNK:
                glossary.upsert(chunk, author="benchmark")
                chunk = []
        glossary.upsert(chunk, author="benchmark")
    return space


def press(terminal: Terminal, key: str) -> tuple[float, float]:
    """Milliseconds to the first bytes of an answer, and to the last."""
    started = time.perf_counter()
    os.write(terminal.fd, key.encode())
    first = last = 0.0
    while terminal.read(5.0 if not first else REST_SECONDS):
        last = (time.perf_counter() - started) * 1000
        first = first or last
    return first, last


def measure(space: Workspace, keys: int, home: Path, count: int) -> dict[str, object]:
    """Open the pane, move about in it, filter and edit."""
    environment = python_environment() | {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "KWTUI_LANGUAGE": "en",
    }
    terminal = Terminal(python_command("kwtui", "-w", str(space.root)), environment)
    try:
        assert terminal.until("Nothing extracted", 60), "the app did not open"
        terminal.rest(1.0)
        found: dict[str, object] = {}
        started = time.perf_counter()
        os.write(terminal.fd, F3)
        assert terminal.until("Candidates", 60), "no pane came"
        found["pane"] = time.perf_counter() - started
        assert terminal.until(f"{count:,} terms", 120), "no terms came"
        found["terms"] = time.perf_counter() - started
        found["early"] = spread([press(terminal, DOWN)[0] for _ in range(20)])
        while _reading(terminal):
            time.sleep(0.1)
        found["ready"] = time.perf_counter() - started
        terminal.rest(1.0)
        found["moves"] = spread([press(terminal, key)[0] for key in _moves(keys)])
        found["filter"] = spread(list(_filters(terminal)))
        found["edits"] = spread(list(_edits(terminal)))
        found["rss"] = resident(terminal.process.pid)
        found["host"] = sum(resident(child.pid) for child in _hosts(terminal))
        return found
    finally:
        terminal.close()


def _hosts(terminal: Terminal) -> list[psutil.Process]:
    return psutil.Process(terminal.process.pid).children(recursive=True)


def _reading(terminal: Terminal) -> bool:
    """Whether the glossary's process still works; it rests once every row is read."""
    terminal.read(0.05)
    before = sum(sum(child.cpu_times()[:2]) for child in _hosts(terminal))
    terminal.rest(0.5)
    return sum(sum(child.cpu_times()[:2]) for child in _hosts(terminal)) - before > 0.05


def _moves(count: int) -> Iterator[str]:
    draw = random.Random(5)
    for number in range(count):
        yield MOVES[number % len(MOVES)]
        time.sleep(draw.uniform(0.0, 0.03))


def _filters(terminal: Terminal) -> Iterator[float]:
    """Milliseconds from each letter of a filter to its rows."""
    for word in FILTERS:
        press(terminal, "/")
        for letter in word:
            yield press(terminal, letter)[1]
        for _letter in word:
            yield press(terminal, "\x7f")[1]
        press(terminal, "\r")


def _edits(terminal: Terminal) -> Iterator[float]:
    """Milliseconds from Enter in a cell to its row being painted, when it is on disk."""
    press(terminal, HOME)
    for number in range(30):
        press(terminal, DOWN)
        press(terminal, RIGHT * 3)
        press(terminal, "\r")
        press(terminal, str(number % 10))
        yield press(terminal, "\r")[0]


def spread(times: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--terms", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--glossary", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        space = prepare(Path(folder), given.terms, given.glossary)
        with Glossary.open(space.glossary_path) as glossary:
            count = glossary.count()
        found = measure(space, given.keys, Path(folder), count)
    sys.stdout.write(
        f"{count:,} terms at {COLUMNS}x{LINES}: pane after {found['pane']:.2f} s, terms after"
        f" {found['terms']:.2f} s, every row read after {found['ready']:.1f} s\n"
    )
    names = {
        "early": "moving while the rows are read",
        "moves": "moving",
        "filter": "a letter in the filter, to its rows",
        "edits": "an edit, to disk and sheet",
    }
    for name, title in names.items():
        median, p95 = found[name]  # type: ignore[misc]
        sys.stdout.write(f"  {title}: median {median:.0f} ms, p95 {p95:.0f} ms (aim {AIM:.0f})\n")
    sys.stdout.write(f"  app {found['rss']:.0f} MB, glossary's process {found['host']:.0f} MB\n")


if __name__ == "__main__":
    main()
