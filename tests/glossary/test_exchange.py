"""Files of terms go in and out without loss; a bad row is named and the others are taken."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glossary.errors import FailedError, UserError
from glossary.exchange import BadRow, read_terms, write_terms
from glossary.term import Term, tidy
from glossary.validation import plan, settle

KOREAN = (
    "용어,동의어,정의,분류,출처\n파스,첩부제; 플라스타,약을 바른 외용제,제형,책\n임산부,,,대상,\n"
)


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


TICO = """stringID,sourceLang,targetLang,pos,description,sourceString,targetString
1,en,ko,adjective,"In the context of COVID-19: transmissible, by contact.",contagious,전염성
2,en,ko,noun,Isolation.,quarantine,격리
3,en,ko,verb,To isolate.,quarantine,격리시키다
4,en,ko,proper noun,A body.,WHO,WHO : 세계보건기구
5,en,ko,proper noun,A body.,World Health Organization,WHO
"""


def test_the_tico19_glossary_is_taken_whole(tmp_path: Path) -> None:
    found = read_terms(file(tmp_path, "g_en_ko.csv", TICO))
    terms, left_out = settle(found.terms, {})
    outcome = plan(terms, {})
    assert len(outcome.new) == 5 and not outcome.refused
    assert outcome.new[0].aliases == ("contagious",) and outcome.new[0].language == "ko"
    assert [(item.canonical, found.lines[item.index]) for item in left_out] == [
        ("격리시키다", 4),
        ("WHO : 세계보건기구", 5),
    ]
    again, none = settle(found.terms, {term.id: term for term in outcome.new})
    assert len(plan(again, {term.id: term for term in outcome.new}).same) == 5 and len(none) == 2


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Cn")), max_size=12
)
kept = st.builds(
    Term,
    id=st.just(""),
    canonical=names,
    aliases=st.lists(names, max_size=3).map(tuple),
    definition=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    category=names,
    notes=names,
    keyword=st.booleans(),
)


@pytest.mark.parametrize("ending", ["csv", "tsv", "xlsx", "jsonl"])
@given(terms=st.lists(kept, max_size=4))
@settings(max_examples=25, deadline=None)
def test_what_is_exported_is_imported_unchanged(ending: str, terms: list[Term]) -> None:
    tidied = list(plan(terms, {}).new)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"terms.{ending}"
        assert write_terms(path, tidied) == len(tidied)
        if tidied or ending != "jsonl":
            found = read_terms(path)
            assert not found.refused
            assert [tidy(term) for term in found.terms] == tidied


def test_a_term_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_terms(path, [Term("", "=1+1", definition="@SUM(A1)")])
    term = read_terms(path).terms[0]
    assert (term.canonical, term.definition) == ("=1+1", "@SUM(A1)")
