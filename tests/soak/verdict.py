"""The end of a soak: everything ends, everything acknowledged is there, everything opens."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines.corpus.queue import LEASE
from engines.corpus.store import Corpus
from engines.training.folder import RunFolder
from engines.training.runs import Run, list_runs, look
from glossary.store import Glossary
from tests.soak.acks import Acks, Thing, allowed
from tests.soak.hands import Command, Weather
from tests.soak.living import creatures, gone
from tests.soak.place import Place

SETTLE_SECONDS = 900.0
END_SECONDS = 30.0


class Checkpoints:
    """Writes down each whole checkpoint when it is seen."""

    def __init__(self, place: Place, weather: Weather) -> None:
        self.place, self.weather = place, weather
        self.seen: dict[str, int] = {}

    def work(self) -> None:
        """Look once a second until it is over."""
        while not self.weather.over.wait(1.0):
            self.look()

    def look(self) -> None:
        """Every run once."""
        for run in list_runs(self.place.space.runs):
            step = run.checkpoint
            if step is not None and step > self.seen.get(run.id, 0):
                self.seen[run.id] = step
                acks = self.place.acks
                acks.settle(acks.attempt("checkpoint", run.id, step), "done")
                acks.note("checkpoint", what="whole")


def check(place: Place) -> dict[str, int]:
    """Hold the workspace against the log; how many things of each kind were compared."""
    acks = place.acks
    _settle_runs(place)
    _no_orphan(place)
    states = allowed(acks.path)
    compared = {
        "labels": compare(acks, states, "label", _labels(place)),
        "counts": compare(acks, states, "count", _counts(place)),
        "terms": compare(acks, states, "term", _terms(place)),
        "runs": _runs(place, states),
    }
    for name in ("corpus.sqlite", "glossary.sqlite"):
        _integrity(acks, place.space.root / name)
    _index(place)
    _writable(place)
    _leases(place)
    _logs(place)
    return compared


def compare(acks: Acks, states: dict[Thing, list[Any]], kind: str, found: dict[str, Any]) -> int:
    mine = {name: wanted for (k, name), wanted in states.items() if k == kind}
    for name, wanted in mine.items():
        state = found.get(name, 0 if kind == "count" else None)
        if kind == "count":
            wanted = [0 if w is None else w for w in wanted]
        if state not in wanted:
            acks.finding(f"{kind} {name} is {state!r}, acknowledged was {wanted!r}")
    return len(mine)


def _labels(place: Place) -> dict[str, Any]:
    """What each person at the command line says of each text: the sorted surfaces."""
    found: dict[str, Any] = {}
    with Corpus.open(place.space.corpus_path, readonly=True) as corpus:
        for text, _words in place.texts():
            for who, labeling in corpus.labelings(text).items():
                surfaces = sorted({k.surface for k in labeling.keywords})
                found[f"{text}/{who}"] = surfaces if labeling.status == "labeled" else None
    return found


def _counts(place: Place) -> dict[str, int]:
    """How many texts each person has done."""
    query = "SELECT annotator, count(*) FROM labelings WHERE status != 'draft' GROUP BY annotator"
    with Corpus.open(place.space.corpus_path, readonly=True) as corpus:
        return {str(who): int(count) for who, count in corpus.db.execute(query)}


def _terms(place: Place) -> dict[str, str]:
    with Glossary.open(place.space.glossary_path) as glossary:
        return {term.canonical: term.definition for term in glossary.iterate()}


def _runs(place: Place, states: dict[Thing, list[Any]]) -> int:
    """Every run is there and finished, unless it was removed; no checkpoint went back."""
    runs = {run.id: run for run in list_runs(place.space.runs)}
    removed = {n for (kind, n), wanted in states.items() if kind == "run" and "removed" in wanted}
    names = {n for (kind, n) in states if kind in ("run", "checkpoint")} - removed
    for name in sorted(names):
        (step,) = states.get(("checkpoint", name), [0])[:1]
        run = runs.get(name)
        if run is None:
            place.acks.finding(f"the run {name} is not there")
        elif run.state != "finished":
            place.acks.finding(f"the run {name} is {run.state}: {run.values.get('reason')}")
        elif (run.checkpoint or 0) < int(step or 0):
            place.acks.finding(f"the run {name} has checkpoint {run.checkpoint}, not {step}")
    return len(names)


def _settle_runs(place: Place) -> None:
    """Let every run that was cut off go on to its end, and the queue become empty."""
    command = Command(place, Weather(), "settler")
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        entries = json.loads(command("runs", "queue", "list", "--json").out)["entries"]
        waiting = {entry["run"] for entry in entries}
        for entry in entries:
            if entry["state"] == "paused":
                command("runs", "queue", "unpause", entry["run"])
        open_ = [r for r in list_runs(place.space.runs) if r.state != "finished"]
        if not open_ and not entries:
            return
        for run in open_:
            if run.state in ("interrupted", "stopped", "failed", "waiting"):
                if run.id not in waiting:
                    command("runs", "resume", run.id)
                break
        _wait_for_news(open_)
    place.acks.finding("the runs did not come to their end")


def _wait_for_news(runs: list[Run]) -> None:
    """Until one of the runs stands otherwise, or for ten seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if any(look(RunFolder(run.folder.path)).state != run.state for run in runs):
            return
        time.sleep(0.5)


def _no_orphan(place: Place) -> None:
    """Nothing that bears the mark lives once all has ended; then it is made to."""
    end = time.monotonic() + END_SECONDS
    while (left := creatures(place.mark)) and time.monotonic() < end:
        time.sleep(0.5)
    for creature in left:
        place.acks.finding(f"left behind: {creature.role} {' '.join(creature.arguments)}")
        creature.kill()
    gone([creature.pid for creature in left], 10)


def _integrity(acks: Acks, path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        answer = connection.execute("PRAGMA integrity_check").fetchall()
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    finally:
        connection.close()
    if answer != [("ok",)] or broken:
        acks.finding(f"{path.name}: {answer[:3]} {broken[:3]}")


def _index(place: Place) -> None:
    """The searchable table of the terms says what the journal says."""
    with Glossary.open(place.space.glossary_path) as glossary:
        names = sorted(term.canonical for term in glossary.iterate())
        level = glossary.level()
        rows = glossary.index.table.to_arrow().select(["canonical"]).to_pylist()
        if not level or sorted(row["canonical"] for row in rows) != names:
            place.acks.finding("the table of terms does not say what the journal says")


def _writable(place: Place) -> None:
    """Everything can be written at once: no lock was left behind."""
    command = Command(place, Weather(), "checker")
    text, words = place.texts()[0]
    for arguments in (
        ("data", "label", text, words[0], "--annotator", "checker"),
        ("glossary", "add", "맨끝말"),
        ("extract", "-t", "파스와 해열", "-s", "dictionary"),
    ):
        began = time.monotonic()
        done = command(*arguments)
        if done.code or time.monotonic() - began > 60:
            place.acks.finding(f"not at once: {arguments}: {done.err[-500:]}")


def _leases(place: Place) -> None:
    """Once a lease's time has passed nobody holds a text, whatever the clock did."""
    command = Command(place, Weather(), "checker")
    place.set_clock(LEASE + 60)
    try:
        done = command("data", "next", "-n", "100000", "--peek", "--json", "--annotator", "checker")
    finally:
        place.set_clock(0.0)
    shown = {document["id"] for document in json.loads(done.out)}
    with Corpus.open(place.space.corpus_path, readonly=True) as corpus:
        free = corpus.db.execute("SELECT id FROM texts WHERE wants > 0").fetchall()
        mine = corpus.db.execute(
            "SELECT t.id FROM labelings m JOIN texts t ON t.key = m.text_key"
            " WHERE m.annotator = 'checker'"
        ).fetchall()
    if held := {row[0] for row in free} - {row[0] for row in mine} - shown:
        place.acks.finding(f"{len(held)} texts stay claimed by nobody, such as {min(held)}")


def _logs(place: Place) -> None:
    """No service and no command wrote of an error that nobody expected."""
    for sentence in dict.fromkeys(_tracebacks(place.state)):
        place.acks.finding(sentence)


def _tracebacks(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.log")):
        inside = False
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Traceback"):
                inside = True
            elif inside and line and not line.startswith(" "):
                inside = False
                yield f"{path.name}: {line[:300]}"
