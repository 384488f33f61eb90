"""Several people, one corpus: claims, overlap, blindness, undo of one's own, adjudication."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.corpus import connection, schema
from engines.corpus.queue import LEASE, Filter, Queue
from engines.corpus.ranking import (
    Answer,
    disagreement_name,
    predictions,
    rank_disagreement,
    rank_terms,
    save_predictions,
)
from engines.corpus.schema import ADJUDICATOR
from engines.corpus.statistics import by_split, progress
from engines.corpus.store import Corpus, Edit, Given
from engines.records import Example, Keyword, ground
from glossary.errors import UserError
from glossary.matching import Matcher
from glossary.term import Term

PAS = Keyword(0, 2, "파스")


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    with Corpus.open(tmp_path / "corpus.sqlite", create=True) as opened:
        opened.add(Example(f"t{n}", f"파스 {n}번을 쓴다", labeled=False) for n in range(40))
        opened.use_overlap(0.0)
        yield opened


def done(corpus: Corpus, annotator: str) -> list[str]:
    rows = corpus.db.execute(
        "SELECT t.id FROM labelings m JOIN texts t ON t.key = m.text_key WHERE m.annotator = ?",
        (annotator,),
    )
    return [row[0] for row in rows]


def test_a_claimed_text_is_nobody_elses_until_the_lease_ends(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bea = Queue(corpus, "ann"), Queue(corpus, "bea")
    assert [i.id for i in ann.take(2)] == ["t0", "t1"]
    assert [i.id for i in bea.take(2)] == ["t2", "t3"]
    assert [i.id for i in ann.take(2)] == ["t0", "t1"]
    corpus.set_labels("t0", "ann", [PAS])
    assert [i.id for i in ann.take(2)] == ["t1", "t4"]
    now = connection_time(monkeypatch)
    now[0] += LEASE - 1
    assert ann.heartbeat() == 2
    now[0] += 2
    assert [i.id for i in Queue(corpus, "eve").take(3)] == ["t2", "t3", "t5"]
    assert ann.release() == 2
    assert [i.id for i in Queue(corpus, "fay").peek(1)] == ["t1"]


def test_a_claim_of_a_clock_that_was_set_back_holds_nobody_up(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = connection_time(monkeypatch)
    now[0] += 86_400
    assert [i.id for i in Queue(corpus, "ann").take(2)] == ["t0", "t1"]
    now[0] -= 86_400
    bea = Queue(corpus, "bea")
    assert [i.id for i in bea.peek(2)] == [i.id for i in bea.take(2)] == ["t0", "t1"]


def connection_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    import time

    now = [time.time()]
    monkeypatch.setattr("engines.corpus.queue.time.time", lambda: now[0])
    return now


def test_a_pattern_is_searched_before_the_file_is_locked(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = Queue(corpus, "ann", wanted=Filter(pattern="[357]번"))
    passes, locked = Queue._passes, list[bool]()

    def faster(queue: Queue, text: str) -> bool:
        locked.append(corpus.db.in_transaction)
        if queue is ann and len(locked) == 1:
            Queue(corpus, "bea", wanted=Filter(pattern="3번")).take(1)
        return passes(queue, text)

    monkeypatch.setattr(Queue, "_passes", faster)
    # Bea claimed t3 while Ann's pattern was searched.
    assert [i.id for i in ann.take(2)] == ["t5", "t7"]
    assert not any(locked)


def test_two_programs_of_one_annotator_get_different_texts(corpus: Corpus) -> None:
    one, other = Queue(corpus, "ann", session="1"), Queue(corpus, "ann", session="2")
    assert [i.id for i in one.take()] == ["t0"]
    assert [i.id for i in other.take()] == ["t1"]


def test_the_overlap_share_goes_to_two_people_and_no_third(corpus: Corpus) -> None:
    corpus.use_overlap(0.25)
    for name in ("ann", "bea", "eve"):
        queue = Queue(corpus, name)
        while items := queue.take():
            corpus.set_labels(items[0].id, name, [PAS])
            if len(done(corpus, name)) == 30:
                break
    twice = corpus.db.execute("SELECT count(*) FROM texts WHERE labelers = 2").fetchone()[0]
    most = corpus.db.execute("SELECT max(labelers), sum(labelers) FROM texts").fetchone()
    assert 4 <= twice <= 18
    assert most == (2, 40 + twice)
    assert corpus.count(status="labeled") == 40


def test_whoever_labels_second_is_blind_to_the_first(corpus: Corpus) -> None:
    corpus.use_overlap(1.0)
    corpus.set_labels("t0", "ann", [PAS])
    corpus.save_draft("t1", "rag", [PAS])
    hidden = corpus.view("t0", "bea")
    assert (hidden.others, hidden.blind, hidden.status) == ({}, True, "new")
    assert set(corpus.view("t1", "bea").drafts) == {"strategy:rag"}
    assert len(list(corpus.examples(settled=True))) == 1
    assert [i.id for i in Queue(corpus, "bea").take()] == ["t0"]
    assert list(corpus.examples(settled=True)) == []
    corpus.set_labels("t9", "bea", [])
    assert list(corpus.examples(settled=True)) == []
    corpus.set_labels("t0", "bea", [])
    assert [e.id for e in corpus.examples(settled=True)] == ["t0"]
    assert set(corpus.view("t0", "bea").others) == {"ann"}
    corpus.use_overlap(0.0)
    corpus.set_labels("t2", "ann", [PAS])
    assert set(corpus.view("t2", "bea").others) == {"ann"}


def test_undo_and_redo_touch_only_ones_own_changes(tmp_path: Path, corpus: Corpus) -> None:
    corpus.set_labels("t0", "ann", [PAS])
    corpus.set_labels("t0", "bea", [])
    corpus.set_status("t1", "ann", "flagged", note="애매")
    corpus.close()
    with Corpus.open(tmp_path / "corpus.sqlite") as again:
        undone = again.undo("ann")
        assert undone is not None
        assert (undone.kind, undone.ids) == ("status", ("t1",))
        assert again.labelings("t1") == {}
        assert again.count(status="flagged") == 0
        assert again.undo("ann").ids == ("t0",)  # type: ignore[union-attr]
        assert set(again.labelings("t0")) == {"bea"}
        assert again.undo("ann") is None
        assert again.redo("ann").ids == ("t0",)  # type: ignore[union-attr]
        assert again.labelings("t0")["ann"].keywords == (PAS,)
        again.set_labels("t5", "ann", [])
        assert again.redo("ann") is None
        assert again.undo("bea").ids == ("t0",)  # type: ignore[union-attr]
        assert set(again.labelings("t0")) == {"ann"}


def test_a_change_of_many_texts_is_one_to_undo(corpus: Corpus) -> None:
    corpus.set_labels("t0", "ann", [PAS])
    corpus.edit_many(
        [Edit("t0", (), "ann"), Edit("t1", (PAS,), ADJUDICATOR)], "ann", "unlabel 파스"
    )
    assert corpus.count(status="adjudicated") == 1
    undone = corpus.undo("ann")
    assert undone is not None
    assert (undone.kind, undone.ids) == ("edit", ("t0", "t1"))
    assert corpus.labelings("t0")["ann"].keywords == (PAS,)
    assert corpus.labelings("t1") == {}
    assert corpus.redo("ann").ids == ("t0", "t1")  # type: ignore[union-attr]
    assert corpus.labelings("t1")[ADJUDICATOR].keywords == (PAS,)
    assert corpus.edit_many([], "ann", "nothing") == 0


def test_what_another_session_changed_is_kept_beside(corpus: Corpus) -> None:
    first = corpus.set_labels("t0", "ann", [PAS], base=0)
    corpus.set_labels("t0", "ann", [], base=first)
    corpus.set_labels("t0", "ann", [Keyword(0, 4, "파스 0")], base=first)
    assert {n: len(v.keywords) for n, v in corpus.labelings("t0").items()} == {"ann": 0, "ann#2": 1}
    corpus.set_labels("t0", "ann", [], base=0)
    assert set(corpus.labelings("t0")) == {"ann", "ann#2"}


def test_an_adjudicated_text_keeps_both_labelings(corpus: Corpus) -> None:
    corpus.set_labels("t0", "ann", [PAS])
    corpus.set_labels("t0", "bea", [])
    corpus.adjudicate("t0", "eve", [PAS], note="제형")
    assert set(corpus.labelings("t0")) == {"ann", "bea", ADJUDICATOR}
    (found,) = corpus.examples()
    assert found.keywords == (PAS,)
    assert corpus.history("t0")[0].annotator == "eve"
    assert corpus.undo("eve").kind == "adjudicate"  # type: ignore[union-attr]
    assert corpus.count(status="labeled") == 1


def test_drafts_stay_out_of_held_out_texts_and_are_marked_for_ever(corpus: Corpus) -> None:
    corpus.add([Example("x", "시험 글", (), "test", labeled=False)])
    assert not corpus.save_draft("x", "rag", [])
    assert corpus.save_draft("t0", "rag", [PAS], confidence=0.5)
    assert corpus.labelings("t0")["strategy:rag"].confidence == 0.5
    corpus.set_labels("t0", "ann", [PAS])
    assert not corpus.save_draft("t0", "rag", [])
    corpus.assign_splits(lambda _g: "test", annotator="a", reason="r")
    (found,) = corpus.examples()
    assert (found.split, found.meta) == ("train", {"origin": "draft"})
    with Corpus.open(corpus.path.with_name("b.sqlite"), create=True) as other:
        other.add([found])
        assert next(other.examples()).meta == {"origin": "draft"}
        with pytest.raises(UserError, match="never enter test"):
            other.add([Example("n", "새 글", (), "test", {"origin": "draft"})])


def test_records_that_name_their_annotator_become_labelings_of_each(corpus: Corpus) -> None:
    text = "파스를 붙였다"
    corpus.add(
        [
            Given(Example("n", text, (PAS,)), "ann"),
            Given(Example("n", text, ()), "bea"),
            Given(Example("m", "연고", labeled=False), "bea", "skipped", "몰라"),
        ]
    )
    assert set(corpus.labelings("n")) == {"ann", "bea"}
    assert corpus.labelings("m")["bea"].note == "몰라"


@pytest.mark.parametrize(
    ("order", "first"),
    [("imported", "t0"), ("shortest", "short"), ("duplicates", ""), ("random", "")],
)
def test_the_queue_in_every_order(corpus: Corpus, order: str, first: str) -> None:
    corpus.add([Example("short", "파스", labeled=False)])
    found = [i.id for i in Queue(corpus, "ann", order=order).peek(100)]
    assert len(found) == len(set(found)) == 41
    assert not first or found[0] == first


def test_the_queue_by_predictions(corpus: Corpus) -> None:
    answers = [Answer(f"t{n}", (PAS,) if n % 2 else (), n / 40) for n in range(30)]
    assert save_predictions(corpus, "quick", answers) == 30
    save_predictions(corpus, "rag", [Answer("t3", ()), Answer("t4", ())])
    found = [i.id for i in Queue(corpus, "ann", order="uncertain", ranking="quick").peek(32)]
    assert found[:2] == ["t29", "t28"]
    assert found[29:] == ["t0", "t30", "t31"]
    assert rank_disagreement(corpus, "quick", "rag") == 2
    name = disagreement_name("quick", "rag")
    found = [i.id for i in Queue(corpus, "ann", order="disagreement", ranking=name).peek(3)]
    assert found == ["t3", "t4", "t0"]
    assert predictions(corpus, "t3")["quick"].keywords == (PAS,)
    assert set(predictions(corpus, "t3")) == {"quick", "rag"}


def test_the_queue_by_terms_that_nobody_has_labeled(corpus: Corpus) -> None:
    matcher = Matcher([Term("1", "파스"), Term("2", "습포"), Term("3", "연고")])
    corpus.add([Example("x", "습포와 연고", labeled=False), Example("y", "습포", labeled=False)])
    rank_terms(corpus, matcher)
    queue = Queue(corpus, "ann", order="terms")
    assert [i.id for i in queue.peek(3)] == ["x", "t0", "t1"]
    corpus.set_labels("t0", "ann", [PAS])
    rank_terms(corpus, matcher)
    assert [i.id for i in queue.peek(3)] == ["x", "y", "t1"]


def test_filters(corpus: Corpus) -> None:
    corpus.add([Example("x", "연고를 바른다", labeled=False)], source="b.txt")
    corpus.set_status("t1", "ann", "flagged")
    corpus.set_labels("t2", "bea", [])

    def found(**wanted: object) -> list[str]:
        queue = Queue(corpus, "ann", wanted=Filter(**wanted))  # type: ignore[arg-type]
        return [i.id for i in queue.peek(3)]

    assert found(source="b.txt") == ["x"]
    assert found(surfaces=("연고", "습포")) == ["x"]
    assert found(pattern=r"파스 1\d번") == ["t10", "t11", "t12"]
    assert found(statuses=("flagged",)) == ["t1"]
    assert found(statuses=("labeled",), annotator="bea") == ["t2"]
    with pytest.raises(UserError, match="no regular expression"):
        found(pattern="(")
    corpus.add([Example("z", "a" * 60 + "!", labeled=False)])
    with pytest.raises(UserError, match="too long"):
        found(pattern=r"(a|aa)+$")
    with pytest.raises(UserError, match="Order"):
        Queue(corpus, "ann", order="best")
    with pytest.raises(UserError, match="Status"):
        found(statuses=("done",))


def test_statistics_follow_every_change_without_a_count(corpus: Corpus) -> None:
    corpus.add([Example("x", "파스와 연고", ground("파스와 연고", ["파스", "연고"])[0], "dev")])
    corpus.set_labels("t0", "ann", [PAS])
    corpus.set_labels("t1", "ann", [])
    counts = by_split(corpus)
    assert counts[""].to_json() == {
        "texts": 40,
        "labeled": 2,
        "keywords": 1,
        "different": 1,
        "empty": 1,
    }
    assert (counts["dev"].keywords, counts["dev"].different) == (2, 2)
    corpus.assign_splits(lambda _g: "train", annotator="a", reason="r")
    corpus.undo("ann")
    counted = dict(corpus.db.execute("SELECT status, count(*) FROM texts GROUP BY status"))
    assert corpus.statuses() == counted
    assert corpus.splits() == {"dev": 1, "train": 40}
    assert by_split(corpus) == by_split(corpus)
    now = progress(corpus, "ann", 10)
    assert (now.mine, now.labeled, now.left, now.goal) == (1, 2, 39, 10)


def test_the_guideline_is_numbered_and_stamped(corpus: Corpus) -> None:
    assert corpus.guideline() == (0, "")
    assert corpus.use_guideline("파스형: 파스만", "ann") == 1
    assert corpus.use_guideline("파스형: 파스만", "ann") == 1
    corpus.set_labels("t0", "ann", [PAS])
    assert corpus.use_guideline("의약품: 아님", "ann") == 2
    assert corpus.labelings("t0")["ann"].guideline == 1
    assert corpus.guideline() == (2, "의약품: 아님")


def test_a_network_file_system_gets_the_rollback_journal_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "file_system", lambda path: "nfs4")
    notes: list[str] = []
    with Corpus.open(tmp_path / "c.sqlite", create=True, on_note=notes.append) as corpus:
        assert corpus.db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
        assert corpus.db.execute("PRAGMA synchronous").fetchone()[0] == 2
        corpus.add([Example("1", "파스")])
    assert len(notes) == 1
    assert "network file system (nfs4)" in notes[0]
    monkeypatch.setattr(connection, "file_system", lambda path: "ext4")
    with Corpus.open(tmp_path / "c.sqlite", on_note=notes.append) as corpus:
        assert corpus.db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert len(notes) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_two_people_of_a_group_write_one_workspace(open_folder: Path) -> None:
    folder = open_folder / "shared"
    folder.mkdir()
    os.chown(folder, 61001, 61000)
    folder.chmod(0o2770)
    path = folder / "corpus.sqlite"
    for user in (61001, 61002):
        child = os.fork()
        if child == 0:
            os.setgroups([61000])
            os.setgid(61000)
            os.setuid(user)
            with Corpus.open(path, create=True) as corpus:
                corpus.add([Example(str(user), f"글 {user}")])
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    with Corpus.open(path, readonly=True) as corpus:
        assert corpus.count() == 2


def test_a_corpus_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    old = sqlite3.connect(path, isolation_level=None)
    old.executescript(schema.MIGRATIONS[0])
    old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    old.execute("PRAGMA user_version = 1")
    old.execute("INSERT INTO events (at, annotator, kind) VALUES ('', 'import', 'import')")
    for key, text in enumerate(("파스", "연고", "습포"), 1):
        old.execute(
            "INSERT INTO texts (key, id, text, digest, grp, batch) VALUES (?, ?, ?, ?, ?, 1)",
            (key, str(key), text, text, text),
        )
    old.execute(
        "INSERT INTO labelings (text_key, annotator, status, event) VALUES (1, 'ann', 'labeled', 1)"
    )
    old.execute(
        "INSERT INTO labels (text_key, annotator, start, end, surface)"
        " VALUES (1, 'ann', 0, 2, '파스')"
    )
    old.execute("UPDATE texts SET status = 'labeled' WHERE key = 1")
    old.execute("INSERT INTO splits VALUES ('파스', 'train', '', 1)")
    old.close()
    with Corpus.open(path, readonly=True) as corpus:
        (found,) = corpus.examples("train")
        assert found.keywords == (PAS,)
        assert corpus.splits() == {"": 2, "train": 1}
        assert corpus.statuses() == {"labeled": 1, "new": 2}
    with Corpus.open(path) as corpus:
        assert [i.id for i in Queue(corpus, "ann").take(9)] == ["2", "3"]
