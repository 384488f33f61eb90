"""A glossary whose writer is killed at any moment opens, and holds what was acknowledged."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from glossary.errors import UserError
from glossary.history import state_at
from glossary.store import Glossary
from glossary.term import Term

WORDS = [f"용어{n}" for n in range(60)]
SLOWEST = 0.4
State = dict[str, str]

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["lancedb", "glossary.store"])


def state(glossary: Glossary) -> State:
    return {t.id: "|".join((t.canonical, *t.aliases, t.definition)) for t in glossary.iterate()}


def session(folder: Path, seed: int, pipe: Connection) -> None:
    """Somebody at work: each change is acknowledged with its position and the state after it."""
    rng = random.Random(seed)
    glossary = Glossary.open(folder, background=seed % 2 == 1)
    for step in range(10_000):
        try:
            _one_step(glossary, rng, step)
        except UserError as refused:
            assert refused.exit_code == 2, refused
        pipe.send((glossary.version, state(glossary)))


def _one_step(glossary: Glossary, rng: random.Random, step: int) -> None:
    action = rng.choice(["put"] * 4 + ["delete", "merge", "undo", "redo", "snapshot", "tidy"])
    present = sorted(glossary.terms(), key=lambda t: t.id)
    chosen = rng.sample(present, 2) if len(present) > 1 else []
    if action == "put":
        names = rng.sample(WORDS, rng.randint(1, 5))
        given = [Term("", name, definition=f"{step} {rng.random()}") for name in names]
        glossary.upsert(given, author="kim", reason=str(step))
    elif action == "delete" and chosen:
        glossary.delete([chosen[0].id], author="kim")
    elif action == "merge" and chosen:
        glossary.merge(chosen[0].id, chosen[1].id, author="kim")
    elif action in ("undo", "redo"):
        getattr(glossary, action)(author="kim")
    elif action == "snapshot":
        glossary.snapshot(f"s{step}-{rng.random()}", author="kim")
    elif action == "tidy" and glossary.count():
        glossary.level()
        glossary.index.optimize(timedelta(days=7))


def killed(folder: Path, seed: int) -> tuple[int, State]:
    """What a session acknowledged last before it was killed at a random moment."""
    ours, theirs = FORKS.Pipe(duplex=False)
    child = FORKS.Process(target=session, args=(folder, seed, theirs), daemon=True)
    child.start()
    theirs.close()
    last: tuple[int, State] = ours.recv()
    end = time.monotonic() + random.Random(seed).uniform(0, SLOWEST)
    while (left := end - time.monotonic()) > 0:
        if ours.poll(left):
            last = ours.recv()
    child.kill()
    child.join()
    try:
        while ours.poll():
            last = ours.recv()
    except (EOFError, OSError):
        pass  # the message that it was killed in
    return last


def check(folder: Path, acknowledged: tuple[int, State]) -> None:
    position, expected = acknowledged
    with Glossary.open(folder) as glossary:
        journal = glossary.journal
        assert journal.rows("PRAGMA integrity_check") == [("ok",)]
        assert glossary.version >= position
        keys = [int(row[0]) for row in journal.rows("SELECT key FROM terms")]
        found = {i: t for i, t in state_at(journal, position, keys).items() if t}
        shown = {i: "|".join((t.canonical, *t.aliases, t.definition)) for i, t in found.items()}
        assert shown == expected
        now = state(glossary)
        assert len(now) == glossary.count()
        assert glossary.level()
        rows = glossary.index.table.to_arrow().select(["id", "canonical"]).to_pylist()
        assert len(rows) == len(now) and {row["id"] for row in rows} == set(now)
        for term in list(glossary.iterate())[:2]:
            near = [t.canonical for t, _score in glossary.ngram_search(term.canonical, 99)]
            assert term.canonical in near


def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "glossary.lance"
    Glossary.open(folder, create=True).close()
    for seed in range(20):
        check(folder, killed(folder, seed))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fresh", [False, True])
def test_two_hundred_kills_lose_nothing(tmp_path: Path, fresh: bool) -> None:
    folder = tmp_path / "glossary.lance"
    for seed in range(1000, 1100):
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            for file in tmp_path.glob("glossary.sqlite*"):
                file.unlink()
        Glossary.open(folder, create=True).close()
        check(folder, killed(folder, seed))


def write_many(folder: Path, name: str, count: int) -> None:
    with Glossary.open(folder) as glossary:
        for number in range(count):
            glossary.upsert([Term("", f"{name}용어{number}")], author=name)
            glossary.upsert([Term("", "공동", definition=f"{name}{number}")], author=name)


def many_writers(folder: Path, count: int) -> None:
    Glossary.open(folder, create=True).close()
    writers = [FORKS.Process(target=write_many, args=(folder, name, count)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    with Glossary.open(folder) as glossary:
        names = [t.canonical for t in glossary.iterate()]
        assert len(names) == len(set(names)) == glossary.count() == 4 * count + 1
        assert glossary.version == 8 * count
        assert glossary.level()
        rows = glossary.index.table.to_arrow().select(["canonical"]).to_pylist()
        assert sorted(row["canonical"] for row in rows) == sorted(names)


def test_four_processes_write_at_once_without_loss_or_duplicate(tmp_path: Path) -> None:
    many_writers(tmp_path / "glossary.lance", 20)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_four_processes_write_five_hundred_terms_each(tmp_path: Path) -> None:
    many_writers(tmp_path / "glossary.lance", 500)
