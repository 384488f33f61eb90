"""`kwtui tokenizer`: data on stdout, sentences on stderr, both languages."""

import json
from pathlib import Path

import pytest

from engines.workspace import Workspace
from tests.tokenizer.conftest import KW_MINI


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    terms, texts = folder / "terms.txt", folder / "texts.txt"
    terms.write_text("아세트아미노펜\n파스\n비타민 C\n임산부\n", encoding="utf-8")
    texts.write_text(
        "아세트아미노펜은 진통제이다.\n파스형 의약품은 임산부에게 적합합니다.\n", encoding="utf-8"
    )
    return {"terms": terms, "texts": texts, "folder": folder}


def given(files: dict[str, Path]) -> list[object]:
    return ["--terms", files["terms"], "--texts", files["texts"]]


def test_audit_for_people_and_for_programs(kwtui, files: dict[str, Path]) -> None:
    done = kwtui("tokenizer", "audit", *given(files))
    assert done.returncode == 0, done.stderr
    assert "아|세|트|아|미|노|펜" in done.stdout
    assert "tokens a text" in done.stdout
    as_json = kwtui("tokenizer", "audit", "kw-mini", KW_MINI, *given(files), "--json")
    values = json.loads(as_json.stdout)
    assert [one["kind"] for one in values["audits"]] == ["sentencepiece-bpe"] * 2
    assert values["audits"][0]["terms"] == 4
    assert values["advice"]


def test_extend_audit_and_refusals(kwtui, files: dict[str, Path], tmp_path: Path) -> None:
    space = Workspace.create(tmp_path / "space")
    done = kwtui("-w", space.root, "tokenizer", "extend", *given(files), "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert set(made["terms"]) == {"아세트아미노펜", "파스", "임산부"}
    assert "비타민 C" in made["refused"]
    assert Path(made["path"]) == space.models / "kw-mini-terms"
    side = kwtui("-w", space.root, "tokenizer", "audit", "kw-mini", "kw-mini-terms", *given(files))
    assert "kw-mini-terms" in side.stdout.splitlines()[0]
    again = kwtui("-w", space.root, "tokenizer", "extend", *given(files))
    assert again.returncode == 2 and "another name" in again.stderr
    assert "Traceback" not in again.stderr


def test_replace_and_retrain(kwtui, files: dict[str, Path], tmp_path: Path) -> None:
    done = kwtui("tokenizer", "replace", *given(files), "-o", tmp_path / "replaced")
    assert done.returncode == 0, done.stderr
    assert "3 new tokens for 3 terms" in done.stdout
    done = kwtui(
        "tokenizer", "retrain", *given(files), "--size", "4000", "-o", tmp_path / "new", "--json"
    )
    assert json.loads(done.stdout)["vocabulary"] == 4000
    few = files["folder"] / "few.txt"
    few.write_text("한 줄\n두 줄\n", encoding="utf-8")
    done = kwtui("tokenizer", "retrain", *given(files), "--general", few, "-o", tmp_path / "no")
    assert done.returncode == 2 and "the largest they can is" in done.stderr
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["audit"], "no workspace here"),
        (["extend", "--method", "magic"], "--method magic: it is one of auto, symbol"),
        (["extend", "--rows", "zero"], "--rows zero: it is one of scaled"),
        (["extend", "--model", "kw-mni"], "Did you mean kw-mini?"),
        (["retrain", "--kind", "word"], "--kind word: it is one of same"),
        (["extend", "--general", "/nonexistent.txt"], "/nonexistent.txt"),
    ],
)
def test_wrong_use_is_a_sentence(
    kwtui, files: dict[str, Path], tmp_path: Path, arguments: list[str], said: str
) -> None:
    command, *rest = arguments
    sources = [] if command == "audit" else [*given(files), "-o", tmp_path / "new"]
    done = kwtui("tokenizer", command, *rest, *sources)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


def test_in_korean(kwtui, files: dict[str, Path], tmp_path: Path) -> None:
    korean = {"KWTUI_LANGUAGE": "ko"}
    done = kwtui("tokenizer", "audit", *given(files), env=korean)
    assert "글 하나의 토큰" in done.stdout
    done = kwtui("tokenizer", "extend", *given(files), "--rows", "zero", env=korean)
    assert "--rows zero: scaled" in done.stderr
