"""Every change stays known and can be taken back; what someone else did since is never lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from glossary.changes import differing, packed, unpacked
from glossary.errors import UserError
from glossary.inverse import ChangedSince
from glossary.store import Glossary, exists, journal_path
from glossary.term import Term


def term(glossary: Glossary, name: str) -> Term:
    found = glossary.lookup(name)
    assert found, name
    return found


def canonical(glossary: Glossary) -> list[str]:
    return [t.canonical for t in glossary.terms()]


def table(glossary: Glossary) -> dict[str, str]:
    """What LanceDB holds, by id; fails on a duplicate."""
    assert glossary.level()
    rows = glossary.index.table.to_arrow().select(["id", "canonical"]).to_pylist()
    found = {row["id"]: row["canonical"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_undo_and_redo_walk_through_an_authors_changes_across_restarts(
    glossary: Glossary, folder: Path
) -> None:
    pain = term(glossary, "두통")
    glossary.upsert([replace(pain, definition="머리가 아픔")], author="kim", reason="뜻")
    glossary.delete([pain.id], author="kim")
    glossary.upsert([Term("", "치통")], author="lee")
    glossary.close()

    again = Glossary.open(folder)
    assert again.undo(author="kim").removed == 1 and again.lookup("두통")
    assert again.undo(author="kim").reason == "뜻"
    assert term(again, "두통").definition == "" and term(again, "치통")
    again.close()

    third = Glossary.open(folder)
    assert third.redo(author="kim").reason == "뜻"
    assert term(third, "두통").definition == "머리가 아픔"
    assert third.redo(author="kim").removed == 1 and third.lookup("두통") is None
    with pytest.raises(UserError, match="no undone change of yours to redo"):
        third.redo(author="kim")
    assert [third.undo(author="kim").new for _step in range(3)] == [0, 0, 7]
    assert canonical(third) == ["치통"]
    with pytest.raises(UserError, match="no change of yours to undo"):
        third.undo(author="kim")
    assert table(third) == {t.id: t.canonical for t in third.terms()}


def test_a_new_change_ends_what_can_be_redone(glossary: Glossary) -> None:
    glossary.upsert([Term("", "치통")], author="kim")
    glossary.undo(author="kim")
    glossary.upsert([Term("", "복통")], author="kim")
    with pytest.raises(UserError, match="to redo"):
        glossary.redo(author="kim")
    assert glossary.undo(author="kim").new == 1 and glossary.lookup("복통") is None
    assert glossary.undo(author="kim").new == 7 and glossary.count() == 0


def test_an_undo_is_refused_with_both_versions_when_someone_changed_the_term(
    glossary: Glossary,
) -> None:
    old = term(glossary, "두통")
    glossary.upsert([replace(old, definition="kim의 뜻")], author="kim")
    glossary.upsert([replace(old, definition="lee의 뜻")], author="lee")
    with pytest.raises(ChangedSince, match=r"by lee .*kim의 뜻.*lee의 뜻") as caught:
        glossary.undo(author="kim")
    assert caught.value.expected and caught.value.found
    assert caught.value.expected.definition == "kim의 뜻"
    assert caught.value.found.definition == "lee의 뜻"
    assert term(glossary, "두통").definition == "lee의 뜻"
    glossary.undo(author="lee")
    glossary.undo(author="kim")
    assert term(glossary, "두통").definition == ""


def test_an_undo_does_not_take_a_name_from_another_term(glossary: Glossary) -> None:
    glossary.delete([term(glossary, "두통").id], author="kim")
    glossary.upsert([Term("", "편두통", aliases=("두통",))], author="lee")
    with pytest.raises(UserError, match="'두통' of '두통' now belongs to '편두통'"):
        glossary.undo(author="kim")


def test_names_that_two_terms_exchanged_are_exchanged_back(glossary: Glossary) -> None:
    one, other = term(glossary, "두통"), term(glossary, "근육통")
    for name, to in ((one.id, "임시"), (other.id, "두통"), (one.id, "근육통")):
        glossary.upsert([Term(name, to)], author="kim")
    assert glossary.restore("1", author="lee") == 2
    assert term(glossary, "두통").id == one.id and term(glossary, "근육통").id == other.id
    assert glossary.undo(author="lee").changed == 2
    assert term(glossary, "두통").id == other.id


def test_a_named_change_of_anyone_can_be_undone_once(glossary: Glossary) -> None:
    glossary.upsert([Term("", "치통")], author="kim")
    number = glossary.version
    glossary.upsert([Term("", "복통")], author="kim")
    glossary.undo(author="lee", number=number)
    assert glossary.lookup("치통") is None and glossary.lookup("복통")
    for wanted, words in ((number, "undone already"), (number + 2, "itself an undo"), (99, "99")):
        with pytest.raises(UserError, match=words):
            glossary.undo(author="lee", number=wanted)
    glossary.redo(author="kim", number=number)
    assert glossary.lookup("치통")


def test_the_history_of_a_term_outlives_it(glossary: Glossary) -> None:
    first = term(glossary, "파스")
    glossary.upsert([replace(first, canonical="파스제", notes="새것")], author="lee", reason="이름")
    glossary.delete([first.id], author="kim", reason="중복")
    changes = glossary.history(first.id)
    assert [(c.batch.author, c.batch.reason) for c in changes] == [
        ("kim", "중복"),
        ("lee", "이름"),
        ("kim", "seed"),
    ]
    assert changes[0].after is None and changes[2].before is None
    assert differing(changes[1].before, changes[1].after) == [
        ("canonical", "파스", "파스제"),
        ("notes", "", "새것"),
    ]
    assert changes[1].before == first
    assert [b.removed for b in glossary.batches(limit=1)] == [1]


def test_moments_differ_and_can_be_restored(glossary: Glossary) -> None:
    pain = term(glossary, "두통")
    made = glossary.snapshot("v1", author="kim", note="첫 판")
    assert (made.count, made.position) == (7, glossary.version)
    glossary.upsert([replace(pain, definition="뜻"), Term("", "치통")], author="lee")
    glossary.delete([term(glossary, "파스").id], author="lee")
    found = [(d.before and d.before.canonical, d.after and d.after.canonical)
             for d in glossary.diff("v1")]  # fmt: skip
    assert found == [("두통", "두통"), (None, "치통"), ("파스", None)]
    back = glossary.diff("now", "v1")
    assert [bool(d.before) for d in back] == [True, True, False]
    assert len(glossary.diff("start", "v1")) == 7
    assert len(glossary.diff("1", "#2")) == 2
    assert glossary.diff(made.at) == glossary.diff("v1")

    assert glossary.restore("v1", author="kim") == 3
    assert not glossary.diff("v1") and term(glossary, "파스").aliases == ("첩부제",)
    assert glossary.restore("v1", author="kim") == 0
    glossary.undo(author="kim")
    assert glossary.lookup("치통") and glossary.lookup("파스") is None
    for moment in ("v9", "2026-99-01", "99"):
        with pytest.raises(UserError):
            glossary.restore(moment, author="kim")


def test_optimising_keeps_the_versions_of_snapshots(glossary: Glossary) -> None:
    import time
    from datetime import timedelta

    glossary.snapshot("첫판", author="kim")
    tagged = glossary.index.table.version
    for number in range(5):
        glossary.upsert([Term("", f"용어{number}")], author="kim")
    time.sleep(0.3)
    glossary.index.optimize(timedelta(seconds=0.1))
    versions = [v["version"] for v in glossary.index.table.list_versions()]
    assert tagged in versions and glossary.index.is_level()
    for name in ("", "now", "12", "a b", "첫판"):
        with pytest.raises(UserError, match="snapshot"):
            glossary.snapshot(name, author="kim")
    glossary.drop_snapshot("첫판", author="kim")
    assert not glossary.snapshots() and not glossary.index.table.tags.list()
    time.sleep(0.3)
    glossary.index.optimize(timedelta(seconds=0.1))
    versions = [v["version"] for v in glossary.index.table.list_versions()]
    assert tagged not in versions and len(versions) <= 3
    with pytest.raises(UserError):
        glossary.drop_snapshot("첫판", author="kim")


def test_two_terms_become_one_and_two_again(glossary: Glossary) -> None:
    kept, other = term(glossary, "두통"), term(glossary, "근육통")
    glossary.upsert(
        [replace(other, aliases=("근통",), definition="뜻", notes="메모")], author="lee"
    )
    made = glossary.merge(kept.id, other.id, author="kim")
    assert made.id == kept.id and made.aliases == ("근육통", "근통")
    assert (made.definition, made.notes, made.category) == ("뜻", "메모", "증상")
    assert term(glossary, "근통") == made and glossary.get(other.id) is None
    for pair, words in (((kept.id, kept.id), "itself"), ((kept.id, other.id), "is gone")):
        with pytest.raises(UserError, match=words):
            glossary.merge(*pair, author="kim")
    glossary.undo(author="kim")
    assert term(glossary, "두통").aliases == () and term(glossary, "근통").id == other.id


def test_a_refusal_names_the_term_to_merge_with(glossary: Glossary) -> None:
    outcome = glossary.plan(
        [Term("", "감기", aliases=("첩부제",)), Term("", "임신부"), Term("", "")]
    )
    assert [r.other for r in outcome.refused] == [
        term(glossary, "파스").id,
        term(glossary, "임산부").id,
        "",
    ]


def test_what_others_write_is_seen_and_matched(glossary: Glossary, folder: Path) -> None:
    assert [m.surface for m in glossary.matcher().find("치통과 두통을")] == ["두통"]
    other = Glossary.open(folder)
    other.upsert([Term("", "치통")], author="lee")
    other.delete([term(other, "두통").id], author="lee")
    assert glossary.refresh() and not glossary.refresh()
    assert [m.surface for m in glossary.matcher().find("치통과 두통을")] == ["치통"]
    assert glossary.version == other.version
    assert [t.canonical for t, _score in glossary.ngram_search("치통", 3)] == ["치통"]


def test_the_table_is_made_anew_when_it_is_lost_damaged_or_of_another_journal(
    glossary: Glossary, folder: Path, tmp_path: Path
) -> None:
    expected = {t.id: t.canonical for t in glossary.terms()}
    manifests = folder / "terms.lance" / "_versions"
    for harm in (
        lambda: shutil.rmtree(folder),
        lambda: shutil.rmtree(manifests),
        lambda: (folder / "level.json").write_text("{"),
        lambda: (folder / "level.json").unlink(),
    ):
        glossary.close()
        harm()
        glossary = Glossary.open(folder)
        assert glossary.ngram_search("근육통", 1) and table(glossary) == expected
    other = Glossary.open(tmp_path / "other.lance", create=True)
    other.upsert([Term("", "다른말")], author="kim")
    glossary.close()
    shutil.rmtree(folder)
    shutil.copytree(other.path, folder)
    assert table(Glossary.open(folder)) == expected


def test_a_glossary_without_a_journal_is_taken_over(glossary: Glossary, folder: Path) -> None:
    before = glossary.terms()
    assert table(glossary)
    glossary.close()
    for file in folder.parent.glob("glossary.sqlite*"):
        file.unlink()
    assert exists(folder)
    again = Glossary.open(folder)
    assert again.terms() == before
    assert "without history" in again.batches()[0].reason
    again.upsert([Term("", "치통")], author="kim")
    assert len(table(again)) == 8


def test_a_table_of_the_first_version_is_taken_over(folder: Path) -> None:
    import lancedb
    import pyarrow as pa

    texts = ("id", "canonical", "definition", "category", "language", "source", "notes",
             "created", "updated", "author", "reason", "search")  # fmt: skip
    columns = [pa.field(name, pa.string()) for name in texts]
    columns += [pa.field("aliases", pa.list_(pa.string())), pa.field("keyword", pa.bool_())]
    old = pa.schema(columns, metadata={b"kwtui.glossary.schema": b"1"})
    row = dict.fromkeys(texts, "") | {"id": "a1", "canonical": "파스", "aliases": ["첩부제"]}
    row |= {"keyword": True, "language": "ko", "author": "kim", "updated": "2026-01-02"}
    lancedb.connect(str(folder)).create_table("terms", pa.Table.from_pylist([row], schema=old))
    glossary = Glossary.open(folder)
    found = term(glossary, "첩부제")
    assert (found.id, found.author, found.updated) == ("a1", "kim", "2026-01-02")
    assert table(glossary) == {"a1": "파스"}
    assert "ambiguous" in glossary.index.table.schema.names


def test_the_journal_is_append_only_and_knows_its_version(glossary: Glossary, folder: Path) -> None:
    glossary.close()
    path = journal_path(folder)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for statement in ("DELETE FROM changes", "UPDATE batches SET author = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)
        raw.execute("PRAGMA user_version = 7")
    with pytest.raises(UserError, match="newer kwtui"):
        Glossary.open(folder)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(UserError, match="no SQLite file"):
        Glossary.open(folder)
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("CREATE TABLE mine (x)")
    with pytest.raises(UserError, match="another program"):
        Glossary.open(folder)


def test_quotes_and_operators_in_terms_are_only_text(glossary: Glossary) -> None:
    names = ["x' OR '1'='1", '"AND" (OR', "a; DROP TABLE terms", "100% _파스_", "-- 가"]
    glossary.upsert([Term("", name, definition="'; --") for name in names], author="o'neil")
    assert set(names) <= set(table(glossary).values())
    for name in names:
        assert [t.canonical for t, _score in glossary.ngram_search(name, 1)] == [name]
        glossary.delete([term(glossary, name).id], author='"')
    assert glossary.count() == 7 == len(table(glossary))


def test_a_term_in_the_journal_is_short_and_whole() -> None:
    one = Term("x", "파스", ("첩부제",), keyword=False, created="t", updated="t", author="kim",
               ambiguous=("파스",))  # fmt: skip
    text = packed(one, "t", "kim")
    assert json.loads(text) == {
        "canonical": "파스",
        "aliases": ["첩부제"],
        "keyword": False,
        "ambiguous": ["파스"],
    }
    assert unpacked("x", text, "t", "kim") == one
    assert unpacked("x", packed(one)) == one


def test_the_table_follows_in_the_background_too(folder: Path) -> None:
    import time

    glossary = Glossary.open(folder, create=True, background=True)
    glossary.upsert([Term("", f"용어{n}") for n in range(20)], author="kim")
    glossary.upsert([Term("", "치통")], author="kim")
    for _wait in range(200):
        if glossary.index.is_level():
            break
        time.sleep(0.05)
    assert [t.canonical for t, _score in glossary.ngram_search("치통", 1)] == ["치통"]
    # What the commits left in the log is written into the file itself.
    for _wait in range(200):
        if journal_path(folder).stat().st_size > 20_000:
            break
        time.sleep(0.05)
    assert journal_path(folder).stat().st_size > 20_000
    glossary.close()


def test_names_change_hands_across_the_pieces_of_a_restore_and_its_undo(
    glossary: Glossary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glossary.inverse._PIECE", 1)
    one, other = glossary.lookup("두통"), glossary.lookup("근육통")
    assert one and other
    before = str(glossary.version)
    glossary.upsert([replace(one, canonical="잠시", aliases=())], author="kim")
    glossary.upsert([replace(other, canonical="두통", aliases=())], author="kim")
    glossary.upsert([replace(one, canonical="근육통", aliases=())], author="kim")
    glossary.upsert([Term("", "치통")], author="kim")
    assert glossary.restore(before, author="kim") == 3
    there = glossary.lookup("두통")
    assert there and (there.id, there.surfaces) == (one.id, one.surfaces)
    assert glossary.lookup("치통") is None
    glossary.undo(author="kim")
    swapped = glossary.lookup("두통")
    assert swapped and swapped.id == other.id and glossary.lookup("치통")
    glossary.redo(author="kim")
    back = glossary.lookup("두통")
    assert back and back.id == one.id and glossary.lookup("치통") is None
    with pytest.raises(UserError, match="changed since"):
        glossary.undo(author="kim", number=glossary.version - 4)
