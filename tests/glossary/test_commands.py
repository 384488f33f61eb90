"""`kwtui glossary`: stdout is data, stderr is for people, exit codes mean what they say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.workspace import Workspace
from kwtui.cli import run

Glossary = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Glossary:
    """`cli("add", "파스")` in a workspace of its own: exit code, stdout, stderr."""
    root = Workspace.create(tmp_path / "domain").root

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["-w", str(root), "glossary", *map(str, arguments)])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def data(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def test_a_term_is_added_shown_changed_found_and_removed(cli: Glossary) -> None:
    added = data(
        cli("add", "파스", "-a", "첩부제", "-d", "약을 바른 외용제", "-c", "제형", "--json")
    )
    assert added[0]["canonical"] == "파스" and added[0]["aliases"] == ["첩부제"]
    code, out, _err = cli("show", "첩부제")
    assert code == 0 and out.startswith("파스\n") and "Definition: 약을 바른 외용제" in out
    changed = data(cli("edit", "파스", "--rename", "파스제", "--not-keyword", "--json"))[0]
    assert changed["id"] == added[0]["id"] and changed["definition"] and not changed["keyword"]
    assert [t["canonical"] for t in data(cli("search", "외용", "--json"))] == ["파스제"]
    assert [t["canonical"] for t in data(cli("search", "파", "--json"))] == ["파스제"]
    assert cli("rm", "파스제")[0] == 0
    assert data(cli("stats", "--json"))["terms"] == 0


def test_matches_come_with_offsets(cli: Glossary, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("add", "파스")
    cli("add", "제품", "--not-keyword")
    code, out, _err = cli("match", "파스타와 파스형 제품")
    assert code == 0 and out == "5-7\t파스\t파스\n9-11\t제품\t제품\tnot a keyword\n"
    stdin = io.TextIOWrapper(io.BytesIO("파스를\n없음\n".encode("cp949")))
    monkeypatch.setattr("sys.stdin", stdin)
    _code, out, _err = cli("match", "-", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [[m["surface"] for m in line["matches"]] for line in lines] == [["파스"], []]
    assert len(data(cli("match", "파스타 파스", "--all", "--json"))["matches"]) == 2


def test_import_names_refused_rows_and_completes_terms(cli: Glossary, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_bytes(
        "용어,동의어,정의\n파스,첩부제,외용제\n,,없음\n연고,첩부제,\n".encode("cp949")
    )
    assert json.loads(cli("import", table, "--dry-run", "--json")[1])["new"] == 2
    code, out, err = cli("import", table)
    assert code == 3 and out == "new 2, changed 0, same 0, refused 1\n"
    assert "read as cp949" in err
    assert f"{table}, line 3: there is no term in it." in err
    assert f"{table}, line 4: the alias '첩부제' is left out: it belongs to '파스'." in err
    names = tmp_path / "b.txt"
    names.write_text("파스\n크림\n", encoding="utf-8")
    assert cli("import", names)[1] == "new 1, changed 0, same 1, refused 0\n"
    assert data(cli("show", "파스", "--json"))[0]["definition"] == "외용제"
    shown = data(cli("import", names, "--replace", "--dry-run", "--json"))
    assert [row["outcome"] for row in shown["rows"]] == ["conflicting", "same"]
    said = "new 0, changed 1 (1 of them said otherwise before), same 1, refused 0\n"
    assert cli("import", names, "--replace")[1] == said
    assert data(cli("show", "파스", "--json"))[0]["definition"] == ""


def test_export_goes_back_in_unchanged(cli: Glossary, tmp_path: Path) -> None:
    cli("add", "파스", "-a", "첩부제; 플라스타")
    cli("add", "의약품", "--not-keyword")
    for name in ("a.csv", "a.xlsx", "a.jsonl", "a.tsv", "a.tbx"):
        code, out, err = cli("export", tmp_path / name)
        assert (code, out) == (0, "") and "2 terms" in err
        again = cli("import", tmp_path / name, "--replace")
        assert again[:2] == (0, "new 0, changed 0, same 2, refused 0\n")
    lines = cli("export")[1].splitlines()
    assert [json.loads(line)["canonical"] for line in lines] == ["의약품", "파스"]
    assert cli("export", "--format", "txt")[1] == "의약품\n파스\n"


def test_changes_are_listed_undone_redone_compared_and_restored(cli: Glossary) -> None:
    cli("add", "두통", "--ambiguous", "두통", "--reason", "첫 용어")
    assert data(cli("snapshot", "v1", "--note", "처음", "--json"))[0]["count"] == 1
    cli("edit", "두통", "-d", "머리가 아픔", "-a", "머리아픔")
    cli("add", "근육통", "-a", "근통")
    merged = data(cli("merge", "두통", "근육통", "--json"))[0]
    assert merged["aliases"] == ["머리아픔", "근육통", "근통"]
    assert [b["number"] for b in data(cli("history", "--json"))] == [4, 3, 2, 1]
    code, out, _err = cli("history", "두통")
    assert code == 0 and "  definition: - -> 머리가 아픔" not in out
    assert "  definition:  -> 머리가 아픔" in out and "첫 용어" not in out.split("\n")[0]
    assert "~1 -1" in cli("history", "--limit", "1")[1]
    assert len(data(cli("history", "--change", "4", "--json"))) == 2
    assert "Undone: #4" in cli("undo")[2]
    assert data(cli("show", "근통", "--json"))[0]["canonical"] == "근육통"
    assert data(cli("redo", "--json"))["number"] == 4
    assert data(cli("history", "근육통", "--json"))[0]["after"] is not None
    assert cli("undo", "1")[0] == 2
    code, out, _err = cli("diff", "v1")
    assert code == 0 and out.startswith("~\t두통\n  aliases:  -> 머리아픔, 근육통, 근통\n")
    assert len(data(cli("diff", "start", "3", "--json"))) == 2
    assert data(cli("restore", "v1", "--json"))["terms"] == 1
    assert data(cli("stats", "--json"))["aliases"] == 0 and cli("diff", "v1")[1] == ""
    assert cli("snapshot")[1].startswith("v1\t#1\t")
    assert cli("snapshot", "v1", "--remove")[0] == 0 and cli("snapshot")[1] == ""
    cli("rm", "두통")
    assert data(cli("history", "두통", "--json"))[0]["removed"] == 1
    assert cli("history", "없음")[0] == 2


def test_columns_are_shown_before_an_import(cli: Glossary, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("품목,설명,비고\n파스,외용제,x\n", encoding="utf-8")
    code, out, _err = cli("import", table, "--columns", "--column", "canonical=품목")
    assert (code, out) == (0, "canonical\t품목\t파스\ndefinition\t설명\t외용제\nnotes\t비고\tx\n")
    assert data(cli("import", table, "--columns", "--json"))["columns"] == {}
    assert cli("import", table, "--column", "canonical=품목", "--column", "notes=")[0] == 0
    assert data(cli("show", "파스", "--json"))[0]["notes"] == ""
    table.write_text("품목,설명\n파스,다른 뜻\n", encoding="utf-8")
    kept = cli("import", table, "--column", "canonical=품목", "--keep")
    assert kept[1] == "new 0, changed 0, same 1, refused 0\n"


def test_candidates_come_from_the_corpus(cli: Glossary, tmp_path: Path) -> None:
    from engines.corpus.store import Corpus
    from engines.records import Example

    assert cli("candidates")[0] == 2
    with Corpus.open(tmp_path / "domain" / "corpus.sqlite", create=True) as corpus:
        texts = ("진통제를 먹었다", "진통제와 파스", "파스를 붙였다")
        corpus.add(Example(f"t{n}", text, labeled=False) for n, text in enumerate(texts))
    cli("add", "파스")
    assert [one["surface"] for one in data(cli("candidates", "--json"))] == ["진통제"]
    assert cli("candidates")[1] == "진통제\t2\tkiwi\t진통제를 먹었다\n"


def test_mistakes_are_a_sentence_and_change_nothing(cli: Glossary, tmp_path: Path) -> None:
    code, out, err = cli("stats")
    assert (code, out) == (2, "") and "There is no glossary at" in err
    cli("add", "파스", "-a", "첩부제")
    (tmp_path / "bad.csv").write_text("용어\n\x1b\n", encoding="utf-8")
    for arguments, words in (
        (("add", "파스"), "in the glossary already"),
        (("add", " "), "is empty"),
        (("add", "연고", "-a", "첩부제"), "already an alias of '파스'"),
        (("rm", "파스", "연고"), "'연고' is not in the glossary."),
        (("show", "파스스"), "near it: 파스"),
        (("edit", "없음", "-d", "x"), "is not in the glossary"),
        (("import", tmp_path / "none.csv"), "does not exist"),
        (("import", tmp_path / "bad.csv"), "line 2: The term"),
        (("import", tmp_path / "bad.csv", "--column", "x"), "write FIELD=NAME"),
        (("export", tmp_path / "a.doc"), "ends in .csv"),
        (("export", "--format", "xlsx"), "cannot go to stdout"),
    ):
        code, out, err = cli(*arguments)
        assert code == 2 and words in err, (arguments, err)
    assert data(cli("stats", "--json"))["terms"] == 1


def test_without_a_workspace_the_sentence_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["glossary", "stats"]) == 2
    assert "kwtui init" in capsys.readouterr().err


def test_terms_are_listed_changed_together_and_looked_for_in_the_corpus(
    cli: Glossary, tmp_path: Path
) -> None:
    for name, kind in (("파스", "제형"), ("연고", "제형"), ("두통", "증상")):
        cli("add", name, "-c", kind)
    listed = data(cli("list", "--filter", "ㅍㅅ", "--json"))
    assert listed["total"] == 1 and listed["terms"][0]["canonical"] == "파스"
    assert data(cli("list", "--counts", "--json"))["category"] == {"제형": 2, "증상": 1}
    assert data(cli("set", "category=외용제", "-c", "제형", "--json")) == {"terms": 2}
    assert data(cli("list", "-c", "외용제", "--sort", "-canonical", "--json"))["total"] == 2
    for wrong in (["set", "category=a"], ["set", "canonical=a", "--all"], ["list", "--sort", "x"]):
        assert cli(*wrong)[0] == 2
    from engines.corpus.store import Corpus
    from engines.records import Example

    with Corpus.open(tmp_path / "domain" / "corpus.sqlite", create=True) as corpus:
        corpus.add([Example("t1", "두통에 진통제를 먹는다.", labeled=False)])
    seen = data(cli("preview", "두통", "--alias", "진통제", "--json"))
    assert (seen["texts"], seen["hits"], len(seen["lines"])) == (1, 2, 2)
