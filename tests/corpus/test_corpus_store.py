"""The corpus file: nothing lost or overwritten, each change recorded, others' files refused."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engines.children import python_environment
from engines.corpus.schema import ADJUDICATOR, VERSION
from engines.corpus.store import Corpus
from engines.records import Example, Keyword, ground
from glossary.errors import FailedError, UserError

if TYPE_CHECKING:
    from tests.corpus.conftest import Unprivileged


def example(text: str, words: list[str] | None = None, id: str = "", **more: object) -> Example:
    found, outside = ground(text, words or [])
    meta = {"ungrounded": outside} if outside else {}
    return Example(id, text, found, meta=meta, labeled=words is not None, **more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "corpus.sqlite"


@pytest.fixture
def corpus(path: Path) -> Iterator[Corpus]:
    with Corpus.open(path, create=True) as opened:
        yield opened


def test_texts_and_labels_come_back_in_the_order_of_their_import(corpus: Corpus) -> None:
    keyword = Keyword(0, 2, "파스", "form", "파스", "t1")
    rows = [
        Example("b", "파스를 붙였다", (keyword,), meta={"trap": True}),
        example("노인에게", ["노인"], "a"),
        example("안내", [], "c"),
    ]
    added = corpus.add(rows, split="train", annotator="ann")
    assert (added.new, added.labeled) == (3, 3)
    found = list(corpus.examples("train"))
    assert [e.id for e in found] == ["b", "a", "c"]
    assert found[0].keywords == (keyword,)
    assert found[0].meta == {"trap": True}
    assert found[2].labeled
    assert {e.split for e in found} == {"train"}


def test_more_texts_than_a_page_stream_once_each(corpus: Corpus) -> None:
    corpus.add(example(f"문장 {n}", [str(n)], str(n)) for n in range(1203))
    found = list(corpus.examples())
    assert [e.id for e in found] == [str(n) for n in range(1203)]
    assert all(e.keywords[0].surface == e.id for e in found)


def test_an_equal_text_is_not_added_twice(corpus: Corpus) -> None:
    corpus.add([example("파스", ["파스"], "1")])
    added = corpus.add([example("파스", ["파스"], "2"), example("파스", id="3")])
    assert (added.new, added.duplicates, added.conflicts) == (0, 2, 0)
    assert corpus.count() == 1


def test_an_import_never_overwrites_labels(corpus: Corpus) -> None:
    corpus.add([example("파스와 연고", ["파스"], "1")], annotator="ann")
    added = corpus.add([example("파스와 연고", ["연고"], "1")], annotator="ann")
    assert added.conflicts == 1
    added = corpus.add([example("파스와 연고", ["연고"], "1")], annotator="bea")
    assert (added.labeled, added.conflicts) == (1, 0)
    labelings = corpus.labelings("1")
    assert {n: [k.surface for k in v.keywords] for n, v in labelings.items()} == {
        "ann": ["파스"],
        "bea": ["연고"],
    }


def test_a_taken_id_becomes_another_and_is_counted(corpus: Corpus) -> None:
    added = corpus.add([example("가", id="1"), example("나", id="1"), example("다")])
    assert (added.new, added.renamed) == (3, 1)
    assert len({e.id for e in corpus.examples(labeled=False)}) == 3


def test_keywords_outside_their_text_are_kept_beside(corpus: Corpus) -> None:
    corpus.add([example("파스", ["파스", "습포제"], "1")])
    (found,) = corpus.examples()
    assert found.meta == {"ungrounded": ("습포제",)}


def test_texts_without_labels_are_left_out_unless_wanted(corpus: Corpus) -> None:
    corpus.add([example("가", id="1"), example("나", [], "2")])
    assert [e.id for e in corpus.examples()] == ["2"]
    assert [(e.id, e.labeled) for e in corpus.examples(labeled=False)] == [
        ("1", False),
        ("2", True),
    ]


def test_a_failing_import_changes_nothing(corpus: Corpus) -> None:
    def rows() -> Iterator[Example]:
        yield example("가", ["가"], "1")
        raise UserError("broken")

    with pytest.raises(UserError):
        corpus.add(rows())
    assert (corpus.count(), corpus.position) == (0, 0)


def test_equal_texts_keep_the_split_they_have(corpus: Corpus) -> None:
    corpus.add([example("파스 를 붙였다", ["파스"], "1")], split="test")
    added = corpus.add([example("파스를 붙였다", ["파스"], "2")], split="train")
    assert (added.new, added.kept) == (1, 1)
    assert corpus.splits() == {"test": 2}


def test_the_record_names_its_split_before_the_import_does(corpus: Corpus) -> None:
    corpus.add([example("가", [], "1", split="dev"), example("나", [], "2")], split="train")
    assert corpus.splits() == {"dev": 1, "train": 1}
    assert corpus.count("dev") == 1


def test_synthetic_texts_never_enter_held_out_splits(corpus: Corpus) -> None:
    with pytest.raises(UserError, match="never enter test"):
        corpus.add([example("가", [], "1")], split="test", synthetic=True)
    corpus.add([example(f"문장 {n}", [], str(n)) for n in range(20)], synthetic=True)
    corpus.add([example("사람", [], "x")])
    corpus.assign_splits(lambda _group: "test", annotator="a", reason="r")
    assert corpus.splits() == {"test": 1, "train": 20}


def test_setting_labels_records_before_and_after(corpus: Corpus) -> None:
    corpus.add([example("파스와 연고", id="1")])
    corpus.set_labels("1", "ann", [Keyword(0, 2, "파스")], note="먼저")
    corpus.set_labels("1", "ann", [Keyword(4, 6, "연고", "form")])
    after, before = corpus.history("1")[:2]
    assert after.data["before"]["keywords"] == [{"surface": "파스", "start": 0, "end": 2}]
    assert after.data["after"]["keywords"][0]["category"] == "form"
    assert before.data["before"] is None
    assert (after.annotator, after.kind) == ("ann", "label")
    (labeling,) = corpus.labelings("1").values()
    assert (labeling.status, labeling.note) == ("labeled", "먼저")
    assert corpus.statuses() == {"labeled": 1}


def test_labels_that_the_text_does_not_hold_are_refused(corpus: Corpus) -> None:
    corpus.add([example("파스", id="1")])
    for keyword in (Keyword(1, 3, "파스"), Keyword(0, 0, ""), Keyword(5, 7, "파스")):
        with pytest.raises(UserError, match="does not hold"):
            corpus.set_labels("1", "ann", [keyword])
    with pytest.raises(UserError, match="no text with id 'zz'"):
        corpus.set_labels("zz", "ann", [])
    assert corpus.statuses() == {"new": 1}
    assert corpus.history("1")[0].kind == "import"


def test_a_status_keeps_labels_and_note(corpus: Corpus) -> None:
    corpus.add([example("파스", ["파스"], "1")], annotator="ann")
    corpus.set_status("1", "ann", "flagged", note="애매함")
    (labeling,) = corpus.labelings("1").values()
    assert (labeling.status, labeling.note, len(labeling.keywords)) == ("flagged", "애매함", 1)
    assert list(corpus.examples()) == []


def test_the_adjudicated_labels_are_the_ones_that_count(corpus: Corpus) -> None:
    corpus.add([example("파스와 연고", ["파스"], "1")], annotator="ann")
    corpus.set_labels("1", ADJUDICATOR, [Keyword(4, 6, "연고")], status="adjudicated")
    corpus.set_labels("1", "bea", [Keyword(0, 2, "파스"), Keyword(4, 6, "연고")])
    (found,) = corpus.examples()
    assert [k.surface for k in found.keywords] == ["연고"]
    (hers,) = corpus.examples(annotator="bea")
    assert len(hers.keywords) == 2
    assert corpus.statuses() == {"adjudicated": 1}


def test_a_draft_counts_as_no_label_and_hides_none(corpus: Corpus) -> None:
    corpus.add([example("파스", ["파스"], "1"), example("연고", id="2")], annotator="ann")
    for name in ("1", "2"):
        corpus.set_labels(name, "strategy:rag", [], status="draft", origin="draft")
    assert corpus.statuses() == {"draft": 1, "labeled": 1}
    assert [e.id for e in corpus.examples()] == ["1"]
    assert corpus.annotators() == {"ann": 1}


def test_history_cannot_be_rewritten(corpus: Corpus, path: Path) -> None:
    corpus.add([example("파스", id="1")])
    before = corpus.position
    with sqlite3.connect(path) as other:
        for statement in ("DELETE FROM events", "UPDATE events SET annotator = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                other.execute(statement)
    assert corpus.position == before > 0


def test_the_file_is_durable_and_checked(corpus: Corpus, path: Path) -> None:
    pragmas = {n: corpus._db.execute(f"PRAGMA {n}").fetchone()[0] for n in (
        "journal_mode", "synchronous", "foreign_keys", "user_version")}  # fmt: skip
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "user_version": VERSION,
    }
    assert corpus._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


LABEL = """
import sys
from pathlib import Path
from engines.corpus.store import Corpus
from engines.records import Keyword
corpus = Corpus.open(Path(sys.argv[1]))
for n in range(100000):
    corpus.set_labels(str(n % 50), "ann", [Keyword(0, 2, "문장")], note=str(n))
    print(n, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_every_acknowledged_label_survives_a_kill(path: Path, acknowledged: int) -> None:
    with Corpus.open(path, create=True) as corpus:
        corpus.add(example(f"문장 {n}", id=str(n)) for n in range(50))
    command = [sys.executable, "-P", "-c", LABEL, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=python_environment()) as child:
        assert child.stdout is not None
        seen = [int(child.stdout.readline()) for _ in range(acknowledged)][-1]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        seen = int(rest[-1]) if rest else seen
    with Corpus.open(path) as corpus:
        notes = [e.data["after"]["note"] for e in corpus.history(limit=10**6) if e.kind == "label"]
        assert notes[::-1][: seen + 1] == [str(n) for n in range(seen + 1)]
        assert corpus._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_two_processes_may_open_and_write_the_same_corpus(corpus: Corpus, path: Path) -> None:
    corpus.add([example("파스", id="1")])
    with Corpus.open(path) as other:
        other.set_labels("1", "bea", [])
        corpus.set_labels("1", "ann", [])
    assert set(corpus.labelings("1")) == {"ann", "bea"}


def test_a_missing_corpus_is_a_sentence_and_makes_no_file(path: Path) -> None:
    with pytest.raises(UserError, match="kwtui data import"):
        Corpus.open(path)
    assert not path.exists()


def test_files_of_others_are_refused_and_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE notes (a)")
    other.close()
    text = tmp_path / "text.sqlite"
    text.write_text("no database at all " * 100)
    for path, words in ((foreign, "another program"), (text, "no SQLite file")):
        before = path.read_bytes()
        with pytest.raises(UserError, match=words) as caught:
            Corpus.open(path, create=True)
        assert caught.value.exit_code == 2
        assert path.read_bytes() == before
    with pytest.raises(FailedError, match="cannot be opened"):
        Corpus.open(tmp_path, create=True)


def test_a_newer_version_is_refused(path: Path) -> None:
    Corpus.open(path, create=True).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {VERSION + 1}")
    other.close()
    with pytest.raises(UserError, match="newer kwtui"):
        Corpus.open(path)


def test_a_full_disk_is_a_sentence_and_changes_nothing(corpus: Corpus) -> None:
    corpus.add([example("파스", ["파스"], "1")])
    pages = corpus._db.execute("PRAGMA page_count").fetchone()[0]
    corpus._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(FailedError, match="No space left") as caught:
        corpus.add(example("가" * 3000 + str(n), id=str(n + 2)) for n in range(50))
    assert caught.value.exit_code == 1
    assert corpus.count() == 1
    corpus._db.execute("PRAGMA max_page_count = 100000")
    assert corpus.add([example("연고", id="2")]).new == 1


def test_a_writer_that_waits_too_long_says_so(
    corpus: Corpus, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.corpus.connection._BUSY_SECONDS", 0.05)
    corpus._db.execute("BEGIN IMMEDIATE")
    with Corpus.open(path) as other, pytest.raises(FailedError, match="Another process"):
        other.add([example("가", id="1")])


def test_reading_changes_no_byte(path: Path) -> None:
    with Corpus.open(path, create=True) as corpus:
        corpus.add([example("파스", ["파스"], "1")])
    before = path.read_bytes()
    with Corpus.open(path, readonly=True) as corpus:
        assert [e.id for e in corpus.examples()] == ["1"]
        with pytest.raises(FailedError, match="read-only"):
            corpus.set_labels("1", "ann", [])
    assert path.read_bytes() == before


def test_a_read_only_workspace_can_be_read_and_says_that_it_is(
    open_folder: Path, unprivileged: Unprivileged
) -> None:
    path = open_folder / "corpus.sqlite"
    with Corpus.open(path, create=True) as corpus:
        corpus.add([example("파스", ["파스"], "1")])
    path.chmod(0o444)
    open_folder.chmod(0o555)

    def read() -> list[str]:
        with Corpus.open(path, readonly=True) as corpus:
            return [e.id for e in corpus.examples()]

    assert unprivileged(read) == ["1"]
    refused = unprivileged(lambda: Corpus.open(path))
    assert isinstance(refused, FailedError)
    assert "read-only" in refused.sentence
