"""A ladder started from the screen: a process session of its own, which outlives the app."""

from __future__ import annotations

import fcntl
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from engines.children import python_command, python_environment
from engines.workspace import Workspace
from glossary.text import printable

LOG = "ladder.log"
_TAIL = 20_000


@dataclass(frozen=True, slots=True)
class Work:
    """Whether a ladder is at work in the workspace, wherever it was started, and on what."""

    working: bool
    strategy: str = ""


def start(space: Workspace, split: str, *, missing: bool = False) -> subprocess.Popen[bytes]:
    """Start `kwtui ladder` on a split, as a session that ends neither with the app nor with SSH.

    With `missing` it trains the rungs that are not there yet.

    What was measured before is not measured again, and a ladder that is at work already refuses
    the second one, which its log then says.
    """
    folder = space.reports / "ladder"
    folder.mkdir(parents=True, exist_ok=True)
    command = python_command("kwtui", "-w", str(space.root), "ladder", "--split", split)
    command += ["--train-missing"] if missing else []
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path("/"),
            env=python_environment(),
            start_new_session=True,
        )


def look(space: Workspace, *, started: bool = False) -> Work:
    """Whether a ladder is at work in the workspace now, and on what.

    It holds the workspace while it measures; one that was `started` from here and lives may train.
    """
    folder = space.reports / "ladder"
    try:
        with (folder / ".lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                started = True
    except OSError:
        pass
    return Work(True, _at_work(space)) if started else Work(False)


def _at_work(space: Workspace) -> str:
    """The strategy of the answers that were written last, or the training that the log tells of."""
    folder = space.reports / "ladder"
    files = [(path.stat().st_mtime_ns, path) for path in (folder / "cache").glob("*.jsonl")]
    changed, newest = max(files, default=(0, folder))
    try:
        told = (folder / LOG).stat().st_mtime_ns
    except OSError:
        told = 0
    return last_words(space) if told > changed else _strategy(newest)


def _strategy(answers: Path) -> str:
    """The strategy that gave the last of these answers."""
    try:
        values = json.loads(_tail(answers).splitlines()[-1])
        return printable(str(values["strategy"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return ""


def last_words(space: Workspace) -> str:
    """The last line that the ladder started from here has printed."""
    try:
        lines = _tail(space.reports / "ladder" / LOG).splitlines()
    except OSError:
        return ""
    return next((printable(line.strip()) for line in reversed(lines) if line.strip()), "")


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().decode("utf-8", "replace")
