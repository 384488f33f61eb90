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
    assert cli("import", names, "--replace")[1] == "new 0, changed 1, same 1, refused 0\n"
    assert data(cli("show", "파스", "--json"))[0]["definition"] == ""


def test_export_goes_back_in_unchanged(cli: Glossary, tmp_path: Path) -> None:
    cli("add", "파스", "-a", "첩부제; 플라스타")
    cli("add", "의약품", "--not-keyword")
    for name in ("a.csv", "a.xlsx", "a.jsonl", "a.tsv"):
        code, out, err = cli("export", tmp_path / name)
        assert (code, out) == (0, "") and "2 terms" in err
        again = cli("import", tmp_path / name, "--replace")
        assert again[:2] == (0, "new 0, changed 0, same 2, refused 0\n")
    lines = cli("export")[1].splitlines()
    assert [json.loads(line)["canonical"] for line in lines] == ["의약품", "파스"]
    assert cli("export", "--format", "txt")[1] == "의약품\n파스\n"


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
