"""A labeling session killed at any moment keeps every change that it was told is done."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from engines.corpus.queue import Queue
from engines.corpus.store import Corpus
from engines.records import Example, Keyword

TEXTS = 40
SLOWEST = 0.25


def session(path: Path, seed: int, pipe: int) -> None:
    """A person at work: take, label, flag, skip, undo, redo, adjudicate, fix, each acknowledged."""
    rng = random.Random(seed)
    with Corpus.open(path) as corpus:
        queue = Queue(corpus, "ann", session=str(seed))
        for step in range(10_000):
            name = f"t{rng.randrange(TEXTS)}"
            action = rng.choice(["label", "label", "label", "status", "undo", "redo", "settle"])
            if rng.random() < 0.2:
                queue.take(2)
            keywords = [Keyword(0, 2, "파스")] if rng.random() < 0.7 else []
            event = 0
            if action == "label":
                event = corpus.set_labels(name, "ann", keywords, note=str(step))
            elif action == "status":
                event = corpus.set_status(name, "ann", rng.choice(["skipped", "flagged"]))
            elif action == "settle":
                event = corpus.adjudicate(name, "ann", keywords)
            else:
                done = corpus.undo("ann") if action == "undo" else corpus.redo("ann")
                event = done.event if done else 0
            state = {n: v.to_json() for n, v in corpus.labelings(name).items()}
            line = json.dumps([event, action, name, state], ensure_ascii=False)
            os.write(pipe, line.encode() + b"\n")


def killed(path: Path, seed: int) -> list[list[Any]]:
    """What a session acknowledged before it was killed at a random moment."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            session(path, seed, writer)
        finally:
            os._exit(1)
    os.close(writer)
    data = os.read(reader, 1 << 16)
    time.sleep(random.Random(seed).uniform(0, SLOWEST))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reader, 1 << 16):
        data += more
    os.close(reader)
    return [json.loads(line) for line in data.decode().split("\n")[:-1]]


def check(path: Path, acknowledged: list[list[Any]]) -> None:
    last = max((event for event, *_rest in acknowledged), default=0)
    with Corpus.open(path) as corpus:
        assert corpus.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert corpus.db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert corpus.position >= last
        events = {e.seq: e for e in corpus.history(limit=10**6)}
        for event, action, name, _state in acknowledged:
            if event and action in ("label", "status", "settle"):
                assert events[event].text_id == name
        # The texts that no unacknowledged change touched are as the session saw them last.
        later = {e.text_id for seq, e in events.items() if seq > last}
        states = {name: state for _event, action, name, state in acknowledged
                  if action not in ("undo", "redo")}  # fmt: skip
        touched = _undone_after(acknowledged, events)
        for name, state in states.items():
            if name not in later | touched:
                found = {n: v.to_json() for n, v in corpus.labelings(name).items()}
                assert found == state
        counted = dict(corpus.db.execute("SELECT status, count(*) FROM texts GROUP BY 1"))
        assert corpus.statuses() == counted


def _undone_after(acknowledged: list[list[Any]], events: dict[int, Any]) -> set[str | None]:
    """Texts that undo or redo changed after the session looked at them."""
    seen: dict[str, int] = {}
    for event, action, name, _state in acknowledged:
        if action not in ("undo", "redo"):
            seen[name] = event
    return {
        e.text_id
        for seq, e in events.items()
        if e.kind in ("undo", "redo") and seq > seen.get(str(e.text_id), 0)
    }


def make(path: Path) -> None:
    with Corpus.open(path, create=True) as corpus:
        corpus.add(Example(f"t{n}", f"파스 {n}번", labeled=False) for n in range(TEXTS))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("seed", range(20))
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "corpus.sqlite"
    make(path)
    acknowledged = killed(path, seed)
    assert acknowledged
    check(path, acknowledged)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_three_hundred_kills_of_one_corpus(tmp_path: Path) -> None:
    path = tmp_path / "corpus.sqlite"
    make(path)
    for seed in range(300):
        acknowledged = killed(path, 1000 + seed)
        assert acknowledged
        check(path, acknowledged)
