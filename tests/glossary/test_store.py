"""The glossary keeps every acknowledged change, refuses what would spoil it, and says why."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from glossary.errors import FailedError, UserError
from glossary.index import schema
from glossary.lock import held
from glossary.store import Glossary
from glossary.term import Term

ROOT = Path(__file__).resolve().parents[2]


def refusal(glossary: Glossary, *terms: Term) -> str:
    before = glossary.version
    with pytest.raises(UserError) as caught:
        glossary.upsert(terms, author="kim")
    assert caught.value.exit_code == 2
    assert glossary.version == before
    return caught.value.sentence


def test_terms_survive_reopening_with_author_and_times(glossary: Glossary, folder: Path) -> None:
    again = Glossary.open(folder)
    assert again.count() == 7
    term = again.lookup("첩부제")
    assert term and term.canonical == "파스" and term.author == "kim"
    assert term.created == term.updated and term.created.endswith("+00:00")
    assert again.get(term.id) == term
    assert [t.canonical for t in again.excluded()] == ["의약품"]


def test_an_upsert_by_canonical_form_replaces_and_keeps_id_and_creation(glossary: Glossary) -> None:
    old = glossary.lookup("근육통")
    assert old
    assert glossary.upsert([Term("", "근육통", definition="근육의 통증")], author="lee") == 1
    new = glossary.lookup("근육통")
    assert new and new.id == old.id and new.created == old.created
    assert new.author == "lee" and new.definition == "근육의 통증" and glossary.count() == 7


def test_writing_the_same_again_changes_nothing(glossary: Glossary) -> None:
    before = glossary.version
    assert glossary.upsert(glossary.terms(), author="lee") == 0
    assert glossary.version == before


def test_a_renamed_term_keeps_its_id_and_frees_its_name(glossary: Glossary) -> None:
    old = glossary.lookup("두통")
    assert old
    glossary.upsert([Term(old.id, "편두통")], author="lee")
    glossary.upsert([Term("", "두통")], author="lee")
    renamed, fresh = glossary.lookup("편두통"), glossary.lookup("두통")
    assert renamed and fresh and renamed.id == old.id != fresh.id


def test_decomposed_hangul_is_stored_and_found_composed(glossary: Glossary) -> None:
    glossary.upsert([Term("", unicodedata.normalize("NFD", "해열제"))], author="kim")
    assert glossary.lookup("해열제") == glossary.lookup(unicodedata.normalize("NFD", "해열제"))
    assert glossary.matcher().find("해열제를 먹었다")


def test_delete_ignores_unknown_ids_and_quotes_in_them(glossary: Glossary) -> None:
    term = glossary.lookup("두통")
    assert term
    assert glossary.delete([term.id, "x' OR '1'='1"], author="kim") == 1
    assert glossary.count() == 6 and glossary.lookup("두통") is None


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (Term("", "  "), "empty"),
        (Term("", "\u200b"), "empty"),
        (Term("", "파\x1b[31m스"), "control characters (U+001B)"),
        (Term("", "두\n통"), "control characters (U+000A)"),
        (Term("", "가" * 201), "longer than 200"),
        (Term("", "···"), "neither a letter nor a digit"),
        (Term("", "감기", definition="가" * 10_001), "longer than 10000"),
        (Term("", "감기", category="가" * 201), "kind of '감기' is longer than 200"),
        (Term("", "감기", language="k" * 36), "language of '감기' is longer than 35"),
        (Term("", "감기", source="가" * 2_001), "source of '감기' is longer than 2000"),
        (Term("", "임신부"), "already an alias of '임산부'"),
        (Term("", "감기", aliases=("두통",)), "itself the term '두통'"),
        (Term("", "감기", aliases=("ibuprofen",)), "already an alias of '이부프로펜'"),
        (Term("no good'", "감기"), "may hold only Latin letters"),
    ],
)
def test_a_refusal_is_a_sentence_and_changes_nothing(
    glossary: Glossary, term: Term, words: str
) -> None:
    assert words in refusal(glossary, Term("", "새것"), term)


def test_two_names_in_one_batch_collide(glossary: Glossary) -> None:
    pair = Term("", "감기", aliases=("고뿔",)), Term("", "고뿔")
    assert "already an alias of '감기'" in refusal(glossary, *pair)


def test_case_counts_only_in_short_latin_names(glossary: Glossary) -> None:
    glossary.upsert([Term("", "Mg"), Term("", "mg")], author="kim")
    assert glossary.lookup("IBUPROFEN") and glossary.lookup("MG") is None


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    import lancedb

    with pytest.raises(UserError, match="no glossary at"):
        Glossary.open(tmp_path / "none.lance")
    (tmp_path / "file.lance").write_text("x")
    with pytest.raises(UserError, match="no glossary of kwtui"):
        Glossary.open(tmp_path / "file.lance", create=True)
    lancedb.connect(str(tmp_path / "other")).create_table("docs", [{"id": "1"}])
    with pytest.raises(UserError, match="no glossary of kwtui"):
        Glossary.open(tmp_path / "other", create=True)
    lancedb.connect(str(tmp_path / "same")).create_table("terms", [{"id": "1"}])
    with pytest.raises(UserError, match="another program"):
        Glossary.open(tmp_path / "same", create=True)


def test_a_newer_format_is_refused_and_a_damaged_table_too(folder: Path, tmp_path: Path) -> None:
    import lancedb

    newer = schema().with_metadata({b"kwtui.glossary.schema": b"7"})
    lancedb.connect(str(folder)).create_table("terms", schema=newer)
    with pytest.raises(UserError, match=r"format 7, newer than the 2"):
        Glossary.open(folder)
    (tmp_path / "damaged.lance" / "terms.lance").mkdir(parents=True)
    with pytest.raises(FailedError, match="may be damaged"):
        Glossary.open(tmp_path / "damaged.lance")


def test_who_waits_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    said: list[str] = []
    lock = tmp_path / "write.lock"
    with (
        held(lock, author="kim", what="import of a.csv"),
        pytest.raises(FailedError, match=r"by kim \(process \d+ .*import of a\.csv"),
        held(lock, author="lee", what="", timeout=1.3, on_wait=said.append),
    ):
        pass
    assert len(said) == 1 and "kim" in said[0]
    with held(lock, author="lee", what=""):
        pass


NO_SPACE = """
import resource, signal, sys
from pathlib import Path
from glossary.errors import FailedError
from glossary.store import Glossary
from glossary.term import Term
glossary = Glossary.open(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    glossary.upsert([Term("", f"용어{n}", definition="정의 " * 50) for n in range(99)], author="a")
except FailedError as error:
    print(glossary.count(), error.sentence)
"""


def test_no_space_is_a_sentence_and_loses_nothing(glossary: Glossary, folder: Path) -> None:
    child = [sys.executable, "-c", NO_SPACE, str(folder)]
    done = subprocess.run(child, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.startswith("7 ") and "the disk is full" in done.stdout
    assert Glossary.open(folder).count() == 7


def test_a_read_only_glossary_is_read_and_refuses_writes(folder: Path, tmp_path: Path) -> None:
    mount = tmp_path / "disk"
    mount.mkdir()
    made = ["mount", "-t", "tmpfs", "tmpfs", str(mount)]
    if subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        glossary = Glossary.open(mount / "glossary.lance", create=True)
        glossary.upsert([Term("", "파스")], author="kim")
        glossary.ngram_search("파스", 1)
        glossary.close()
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        read = Glossary.open(mount / "glossary.lance")
        assert read.count() == 1 and read.matcher().find("파스를")
        assert [t.canonical for t, _score in read.ngram_search("파스", 1)] == ["파스"]
        with pytest.raises(FailedError, match="nothing was changed"):
            read.upsert([Term("", "연고")], author="kim")
        read.close()
        with pytest.raises(FailedError, match="read-only"):
            Glossary.open(mount / "other.lance", create=True)
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_kill_before_the_index_stands_is_made_good(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_arguments: object) -> None:
        raise Killed

    with Glossary.open(folder, create=True) as glossary, monkeypatch.context() as patched:
        patched.setattr("glossary.index.TermIndex._index", kill)
        with pytest.raises(Killed):
            glossary.upsert([Term("", "두통")], author="kim")
    with Glossary.open(folder) as glossary:
        assert [term.canonical for term, _score in glossary.ngram_search("두통", 9)] == ["두통"]
