"""Many texts at once: the same rows and indexes as one by one, and nothing half when killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engines.children import python_environment
from engines.corpus import bulk, duplicates, splitting
from engines.corpus.splits import DEFAULT_SHARES, assign
from engines.corpus.store import Corpus, Given
from engines.records import Example, Keyword

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from engines.corpus import bulk
from engines.corpus.store import Corpus
from engines.records import Example
bulk.MANY = 100

def texts():
    for number in range(600):
        yield Example("", f"문장 {number}", labeled=False)
    assert not corpus.db.execute(
        "SELECT count(*) FROM sqlite_master WHERE name = 'texts_wanted'").fetchone()[0]
    os.kill(os.getpid(), signal.SIGKILL)

from pathlib import Path
corpus = Corpus.open(Path(sys.argv[1]))
corpus.add(texts())
"""


def some(count: int, first: int = 0) -> list[Example]:
    rows = []
    for number in range(first, first + count):
        text = f"파스 {number}번 글"
        labeled = number % 3 == 0
        keywords = (Keyword(0, 2, "파스"),) if labeled else ()
        rows.append(Example(f"t{number}", text, keywords, labeled=labeled))
    return rows


def rows(corpus: Corpus) -> dict[str, list[tuple[object, ...]]]:
    """Everything but the times of events."""
    tables = ("texts", "labelings", "labels", "splits", "tallies")
    found = {name: list(corpus.db.execute(f"SELECT * FROM {name}")) for name in tables}
    # A status that no text has any more may keep a row of noughts.
    found["tallies"] = [row for row in found["tallies"] if row[2]]
    found["made"] = sorted(
        corpus.db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    )
    return found


def test_an_import_of_many_makes_the_rows_and_indexes_of_one_of_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Corpus.open(tmp_path / "few.sqlite", create=True) as corpus:
        corpus.add(some(300), split="train")
        corpus.add(some(200, 250))
        few = rows(corpus)
    monkeypatch.setattr(bulk, "MANY", 40)
    with Corpus.open(tmp_path / "many.sqlite", create=True) as corpus:
        corpus.add(some(300), split="train")
        corpus.add(some(200, 250))
        assert rows(corpus) == few
        assert corpus.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_import_of_many_that_raises_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MANY", 40)

    def breaks() -> object:
        yield from some(100, 10)
        raise KeyboardInterrupt

    with Corpus.open(tmp_path / "corpus.sqlite", create=True) as corpus:
        corpus.add(some(10))
        before = rows(corpus)
        with pytest.raises(KeyboardInterrupt):
            corpus.add(breaks())  # type: ignore[arg-type]
        assert rows(corpus) == before


def test_an_import_that_is_killed_leaves_a_whole_corpus_and_can_be_done_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "corpus.sqlite"
    with Corpus.open(path, create=True) as corpus:
        corpus.add(some(10))
        before = rows(corpus)
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], env=python_environment(), cwd=ROOT
    )
    assert run.returncode == -signal.SIGKILL
    with Corpus.open(path) as corpus:
        assert rows(corpus) == before
        assert corpus.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert corpus.add(some(20)).new == 10


def test_a_split_of_many_makes_the_rows_of_one_of_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def split(path: Path) -> dict[str, list[tuple[object, ...]]]:
        with Corpus.open(path, create=True) as corpus:
            corpus.add(some(200))
            duplicates.sign(corpus)
            corpus.group_near("s")
            corpus.assign_splits(
                lambda group: assign(group, DEFAULT_SHARES), annotator="s", reason="r"
            )
            found = rows(corpus)
            corpus.forget_splits("s", "anew")
            assert set(corpus.splits()) == {""}
            return found

    few = split(tmp_path / "few.sqlite")
    monkeypatch.setattr(splitting, "MANY", 5)
    assert split(tmp_path / "many.sqlite") == few


def test_a_crowd_of_near_duplicates_is_one_group_with_few_comparisons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    jaccard = duplicates.jaccard

    def counted(one: frozenset[str], other: frozenset[str]) -> float:
        compared.append(1)
        return jaccard(one, other)

    monkeypatch.setattr(duplicates, "jaccard", counted)
    crowd = 400
    body = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합하다고 한다"
    with Corpus.open(tmp_path / "corpus.sqlite", create=True) as corpus:
        corpus.add(Example("", f"{body} {n}", labeled=False) for n in range(crowd))
        duplicates.sign(corpus)
        assert corpus.group_near("s").joined == crowd - 1
        assert len(compared) < 2 * crowd
        compared.clear()
        assert len(list(duplicates.pairs(corpus))) >= crowd - 1
        assert len(compared) < 8 * crowd


def test_what_is_put_aside_stands_in_the_schema(tmp_path: Path) -> None:
    with Corpus.open(tmp_path / "corpus.sqlite", create=True) as corpus:
        corpus.add(some(10))
        assert len(bulk.put_aside(corpus.db)) == len(bulk.ASIDE)
        assert corpus.splits() == {"": 10}


def test_a_text_comes_in_with_the_standing_that_its_labelings_give_it(tmp_path: Path) -> None:
    cases = [
        (status, annotator, origin)
        for status in ("labeled", "skipped", "flagged", "draft")
        for annotator in ("import", "ann", "adjudicated")
        for origin in ({}, {"origin": "synthetic"}, {"origin": "draft"})
    ]
    with Corpus.open(tmp_path / "corpus.sqlite", create=True) as corpus:
        corpus.use_overlap(0.5)
        for number, (status, annotator, origin) in enumerate(cases * 3):
            example = some(1, number * 3)[0]
            marked = replace(example, meta=dict(origin))
            corpus.add([Given(marked, annotator, status)])
        before = rows(corpus)
        for (key,) in corpus.db.execute("SELECT key FROM texts").fetchall():
            corpus._settle(key)
        assert rows(corpus) == before
        assert {0, 1, 2} == {n for (n,) in corpus.db.execute("SELECT DISTINCT wants FROM texts")}
