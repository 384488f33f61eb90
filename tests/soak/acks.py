"""The log of what was acknowledged: append-only, the truth that the workspace is compared with.

One JSON object a line. An attempt says which thing is to get which state; its settlement says
what came of it: `done` (acknowledged), `refused` (said to have changed nothing), or `unknown`
(killed before an answer: both states are right). Each thing belongs to one actor, so that its
attempts follow one another.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# What a thing is: its kind and its name. Its state: a JSON value, None for absent.
Thing = tuple[str, str]
SETTLED = ("done", "refused", "unknown")


class Acks:
    """Writes the log; any thread may."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._number = 0

    def attempt(self, kind: str, name: str, state: Any) -> int:
        """Something is about to be changed; the number to settle it by."""
        with self._lock:
            self._number += 1
            number = self._number
            self._write({"try": number, "kind": kind, "name": name, "state": state})
        return number

    def settle(self, number: int, how: str) -> None:
        """What came of an attempt."""
        assert how in SETTLED
        with self._lock:
            self._write({"settle": number, "how": how})

    def note(self, event: str, /, **values: Any) -> None:
        """Something that happened beside: an action, a kill, a fault, a finding."""
        with self._lock:
            self._write({"note": event, **values})

    def finding(self, sentence: str, **values: Any) -> None:
        """Something that is wrong."""
        self.note("finding", sentence=sentence, **values)

    def _write(self, values: dict[str, Any]) -> None:
        line = {"at": round(time.monotonic(), 3), **values}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The log as it was written."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def allowed(path: Path) -> dict[Thing, list[Any]]:
    """The states that each thing may have by the log, the acknowledged one first."""
    states: dict[Thing, list[Any]] = {}
    waiting: dict[int, tuple[Thing, Any]] = {}
    for line in lines(path):
        if "try" in line:
            thing = (line["kind"], line["name"])
            states.setdefault(thing, [None])
            waiting[line["try"]] = thing, line["state"]
        elif "settle" in line:
            thing, state = waiting.pop(line["settle"])
            if line["how"] == "done":
                states[thing] = [state]
            elif line["how"] == "unknown":
                states[thing] = [*states[thing], state]
    for thing, state in waiting.values():
        states[thing].append(state)
    return states


def counts(path: Path) -> dict[str, dict[str, int]]:
    """How often each action, kill and fault happened, and how often changes were answered how."""
    found: dict[str, Counter[str]] = {"changes": Counter()}
    for line in lines(path):
        if "settle" in line:
            found["changes"][line["how"]] += 1
        elif "note" in line and line["note"] != "finding":
            found.setdefault(line["note"], Counter())[str(line.get("what", ""))] += 1
    return {name: dict(sorted(counter.items())) for name, counter in found.items()}


def findings(path: Path) -> list[str]:
    """Every finding, in order, each once."""
    said = [line["sentence"] for line in lines(path) if line.get("note") == "finding"]
    return list(dict.fromkeys(said))
