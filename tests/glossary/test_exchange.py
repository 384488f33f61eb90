"""Files of terms go in and out without loss; a bad row is named and the others are taken."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glossary.errors import FailedError, UserError
from glossary.exchange import BadRow, read_terms, show_table, write_terms
from glossary.importing import Mode, carry_out, preview
from glossary.store import Glossary
from glossary.term import Term, key, tidy
from glossary.term_file import TermFile
from glossary.validation import Given, plan

KOREAN = (
    "용어,동의어,정의,분류,출처\n파스,첩부제; 플라스타,약을 바른 외용제,제형,책\n임산부,,,대상,\n"
)


TICO = Path(__file__).parent.parent / "data" / "tico19" / "g_en_ko.csv"


def file(tmp_path: Path, name: str, content: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_a_korean_csv_is_read_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    found = read_terms(file(tmp_path, "a.csv", KOREAN, encoding))
    assert found.encoding == encoding and found.lines == [2, 3] and not found.refused
    first = Term("", "파스", ("첩부제", "플라스타"), "약을 바른 외용제", "제형", source="책")
    assert found.terms == [first, Term("", "임산부", category="대상")]
    assert found.columns["canonical"] == "용어"


def test_english_headers_tsv_lists_and_jsonl(tmp_path: Path) -> None:
    tsv = "Term\tSynonyms\tIs Keyword\n의약품\t약 | 약물\tno\n"
    assert read_terms(file(tmp_path, "a.tsv", tsv)).terms == [
        Term("", "의약품", ("약", "약물"), keyword=False)
    ]
    names = read_terms(file(tmp_path, "a.txt", "파스\n\n연고\n파스\n"))
    assert [t.canonical for t in names.terms] == ["파스", "연고"] and names.lines == [1, 3]
    lines = '{"canonical": "파스", "aliases": ["첩부제"]}\n"연고"\n{"keyword": "겔"}\n'
    found = read_terms(file(tmp_path, "a.jsonl", lines)).terms
    assert found == [Term("", "파스", ("첩부제",)), Term("", "연고"), Term("", "겔")]


def test_each_refused_row_has_its_line_and_reason(tmp_path: Path) -> None:
    table = 'term,definition\n파스,"두\n줄"\n,뜻만\n연고,a,b\n"겔"x,c\n크림,d\n'
    found = read_terms(file(tmp_path, "a.csv", table))
    assert [t.canonical for t in found.terms] == ["파스", "크림"] and found.lines == [2, 7]
    assert [row.line for row in found.refused] == [4, 5, 6]
    lines = '{"canonical": 1.5}\n{"canonical": "파스"\n[1]\n{"aliases": ["a"]}\n' + (
        '{"term": "겔", "aliases": 3}\n{"term": "겔", "keyword": "maybe"}\n{"term": ["겔"]}\n'
    )
    bad = read_terms(file(tmp_path, "b.jsonl", lines)).refused
    assert [row.line for row in bad] == [2, 3, 4, 5, 6, 7]
    assert bad[2] == BadRow(4, "there is no term in it.")
    assert "neither yes nor no" in bad[4].reason


def test_repeated_terms_are_one(tmp_path: Path) -> None:
    table = "term,aliases,definition,category\n파스,a,,\n파스,b,뜻,제형\n"
    found = read_terms(file(tmp_path, "a.csv", table))
    assert found.terms == [Term("", "파스", ("b", "a"), "뜻", "제형")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "이름표,값\n파스,1\n", "no column for the term (found: 이름표, 값)"),
        ("a.csv", "", "is empty"),
        ("a.pdf", "x", "ends in .csv"),
        ("a.xlsx", "x", "cannot be read as XLSX"),
        ("a.csv", "%PDF-1.4", "PDF"),
    ],
)
def test_unusable_files_are_a_sentence(tmp_path: Path, name: str, content: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        read_terms(file(tmp_path, name, content))
    assert words in caught.value.sentence


def test_missing_files_folders_and_named_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_terms(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        read_terms(tmp_path / "folder.csv")
    table = file(tmp_path, "a.csv", "품목,값\n파스,1\n")
    assert read_terms(table, columns={"canonical": "품목"}).terms == [Term("", "파스")]
    with pytest.raises(UserError, match="no column '없음'"):
        read_terms(table, columns={"canonical": "없음"})
    with pytest.raises(FailedError, match="cannot be written"):
        write_terms(tmp_path / "no" / "a.csv", [])


def imported(glossary: Glossary, path: Path, mode: Mode = "complete") -> dict[str, int]:
    made = preview(read_terms(path), glossary, mode=mode)
    carry_out(glossary, made, author="kim", reason=path.name)
    return made.counts()


def test_the_tico19_glossary_is_taken_whole_and_only_once(glossary: Glossary) -> None:
    found = read_terms(TICO)
    assert found.columns == {
        "canonical": "targetString",
        "aliases": "sourceString",
        "definition": "description",
        "language": "targetLang",
    }
    before = glossary.count()
    made = preview(found, glossary)
    counts = made.counts()
    assert counts["refused"] == counts["conflicting"] == 0
    assert counts["new"] + counts["changed"] + counts["same"] == len(found.terms)
    assert counts["new"] > 250 and counts["aliases_left_out"] == len(list(made.notes()))
    assert carry_out(glossary, made, author="kim", reason="tico") == len(made.terms())
    assert glossary.count() == before + counts["new"]
    term = glossary.lookup("contagious")
    assert term and term.canonical == "전염성" and term.definition.startswith("In the context")
    version = glossary.version
    again = imported(glossary, TICO)
    assert again["same"] == len(found.terms) and glossary.version == version
    glossary.undo(author="kim")
    assert glossary.count() == before


def test_a_preview_says_what_is_new_changed_conflicting_and_refused(
    glossary: Glossary, tmp_path: Path
) -> None:
    path = file(
        tmp_path,
        "a.csv",
        "용어,동의어,정의,분류\n파스,,다른 뜻,\n두통,머리아픔,머리가 아픔,\n치통,첩부제,,\n"
        ",,뜻만,\n근육통,,,증상\n\x1b[1m,,,\n",
    )
    made = preview(read_terms(path), glossary)
    assert [(r.line, r.outcome, r.term.canonical) for r in made.rows][:5] == [
        (2, "conflicting", "파스"),
        (3, "changed", "두통"),
        (4, "new", "치통"),
        (5, "refused", ""),
        (6, "same", "근육통"),
    ]
    assert made.rows[0].before and made.rows[0].before.definition == "약을 바른 외용제"
    assert [(line, "첩부제" in note) for line, note in made.notes()] == [
        (4, True),
        (5, False),
        (7, False),
    ]
    assert glossary.lookup("치통") is None
    kept = preview(read_terms(path), glossary, mode="keep")
    assert [r.outcome for r in kept.rows][:2] == ["same", "changed"]
    assert kept.rows[1].term.definition == "머리가 아픔"
    replaced = preview(read_terms(path), glossary, mode="replace")
    assert replaced.rows[0].term.aliases == ()


def test_a_kind_a_language_and_a_source_that_are_too_long_are_refused_with_their_lines(
    glossary: Glossary, tmp_path: Path
) -> None:
    rows = (
        "감기,,뜻,분류,ko,책",
        f"치통,,,{'가' * 201},,",
        f"오한,,,,{'k' * 36},",
        f"몸살,,,,,{'책' * 2001}",
    )
    table = "\n".join(("용어,동의어,정의,분류,언어,출처", *rows, ""))
    made = preview(read_terms(file(tmp_path, "a.csv", table)), glossary)
    assert [(row.line, row.outcome) for row in made.rows] == [
        (2, "new"), (3, "refused"), (4, "refused"), (5, "refused"),
    ]  # fmt: skip
    words = ("kind of '치통'", "language of '오한'", "source of '몸살'")
    for (line, note), start, word in zip(made.notes(), (3, 4, 5), words, strict=True):
        assert line == start and word in note and "longer than" in note


class Memory(Given):
    """Terms in memory, with what a preview asks of a glossary."""

    def lookup(self, surface: str) -> Term | None:
        return self.owner(key(surface))


a_name = st.sampled_from("가나다라마")
a_row = st.tuples(a_name, st.lists(a_name, max_size=2))


@given(st.lists(a_row, max_size=5), st.lists(a_row, min_size=1, max_size=5))
@settings(deadline=None)
def test_the_same_file_changes_nothing_the_second_time_and_takes_no_name_away(
    there: list[tuple[str, list[str]]], rows: list[tuple[str, list[str]]]
) -> None:
    def taken(named: list[tuple[str, list[str]]], before: list[Term]) -> list[Term]:
        found = TermFile()
        for line, (name, aliases) in enumerate(named, start=1):
            found.take(line, {"canonical": name, "aliases": aliases})
        made = preview(found.merged(), Memory(before))  # type: ignore[arg-type]
        written = made.terms()
        now = {term.id: term for term in (*before, *written)}
        owners = Counter(key(surface) for term in now.values() for surface in term.surfaces)
        assert not owners or max(owners.values()) == 1
        return list(now.values())

    before = taken(there, [])
    once = taken(rows, before)
    assert taken(rows, once) == once
    names = {key(surface) for term in once for surface in term.surfaces}
    assert {key(surface) for term in before for surface in term.surfaces} <= names


def test_row_numbers_of_others_are_no_ids(glossary: Glossary, tmp_path: Path) -> None:
    imported(glossary, file(tmp_path, "a.csv", "id,term\n1,하나\n2,둘\n"))
    imported(glossary, file(tmp_path, "b.csv", "id,term\n1,다른것\n"))
    assert all(glossary.lookup(name) for name in ("하나", "둘", "다른것"))
    own = glossary.lookup("하나")
    assert own
    counts = imported(glossary, file(tmp_path, "c.csv", f"id,term,aliases\n{own.id},한 개,하나\n"))
    renamed = glossary.get(own.id)
    assert counts["conflicting"] == 1 and renamed
    assert (renamed.canonical, renamed.aliases) == ("한 개", ("하나",))


def test_columns_are_shown_guessed_and_changed(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", "번호,품목,설명,비고\n1,파스,외용제,가\n2,연고,,나\n")
    shown = show_table(path)
    assert shown and shown.columns == {} and shown.sample[0] == ["1", "파스", "외용제", "가"]
    named = {"canonical": "품목", "notes": ""}
    shown = show_table(path, columns=named)
    assert shown and shown.columns == {"canonical": "품목", "definition": "설명"}
    assert shown.unused == ["번호", "비고"]
    assert read_terms(path, columns=named).terms[0] == Term("", "파스", definition="외용제")
    with pytest.raises(UserError, match="'뜻' is no field of a term"):
        show_table(path, columns={"뜻": "설명"})
    assert show_table(file(tmp_path, "a.txt", "파스\n")) is None


OLD_TBX = """<?xml version="1.0"?>
<martif type="TBX"><text><body>
<termEntry id="c1"><descrip type="subjectField">증상</descrip>
 <langSet xml:lang="en"><tig><term>headache</term></tig></langSet>
 <langSet xml:lang="ko-KR"><descripGrp><descrip type="definition">머리가 아픔</descrip></descripGrp>
  <ntig><termGrp><term>두통</term></termGrp></ntig><ntig><term>머리 아픔</term></ntig></langSet>
 <note>메모 &amp; 더</note></termEntry>
<termEntry id="c2"><langSet xml:lang="en"><tig><term>pain</term></tig></langSet></termEntry>
<termEntry id="c3"><langSet xml:lang="ko"><tig><term> </term></tig></langSet></termEntry>
</body></text></martif>"""


def test_tbx_of_the_older_kind_is_read_with_lines(tmp_path: Path) -> None:
    found = read_terms(file(tmp_path, "a.tbx", OLD_TBX))
    assert found.terms == [
        Term(
            "", "두통", ("머리 아픔", "headache"), "머리가 아픔", "증상", "ko-kr", "", "메모 & 더"
        ),
        Term("", "pain", language="en"),
    ]
    assert found.lines == [3, 8] and [row.line for row in found.refused] == [9]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "DTD or entities"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>', "DTD or entities"),
        ("<a>", "line 1: not valid XML"),
        ("<a/>", "no entries of TBX"),
        ("<a>&unknown;</a>", "not valid XML"),
    ],
)
def test_dangerous_or_broken_xml_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_terms(file(tmp_path, "a.tbx", content))


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Cn")), max_size=12
)
kept = st.builds(
    Term,
    id=st.just(""),
    canonical=names,
    aliases=st.lists(names, max_size=3).map(tuple),
    definition=st.text(
        st.characters(codec="utf-8", exclude_characters="\0\ufffe\uffff"), max_size=30
    ),
    category=names,
    notes=names,
    keyword=st.booleans(),
    ambiguous=st.lists(names.map(str.strip).filter(bool), max_size=2, unique=True).map(tuple),
)


@pytest.mark.parametrize("ending", ["csv", "tsv", "xlsx", "jsonl", "tbx"])
@given(terms=st.lists(kept, max_size=4))
@settings(max_examples=25, deadline=None)
def test_what_is_exported_is_imported_unchanged(ending: str, terms: list[Term]) -> None:
    tidied = list(plan(terms, {}).new)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"terms.{ending}"
        assert write_terms(path, tidied) == len(tidied)
        if tidied or ending not in ("jsonl", "tbx"):
            found = read_terms(path)
            assert not found.refused
            assert [tidy(term) for term in found.terms] == tidied


def test_a_term_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_terms(path, [Term("", "=1+1", definition="@SUM(A1)")])
    term = read_terms(path).terms[0]
    assert (term.canonical, term.definition) == ("=1+1", "@SUM(A1)")
