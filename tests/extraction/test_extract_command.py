"""`kwtui extract` as a person runs it: JSON lines out, sentences for every mistake."""

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kwtui import cli
from kwtui.progress import Progress, duration, progress_line
from tests import tiny
from tests.conftest import Run

Inside = Callable[..., tuple[int, str, str]]


@pytest.fixture
def inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Inside]:
    """Run the command line in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    mask = os.umask(0o077)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = cli.run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    yield run
    os.umask(mask)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("models") / "tiny")


def own_terms(tmp_path: Path) -> None:
    """A workspace whose dictionary strategy knows two words."""
    (tmp_path / "config.toml").write_text(
        '[workspace]\nformat = 1\n[strategies.words]\nkind = "dictionary"\n'
        'definitions = {"파스" = "", "노인" = ""}\n',
        encoding="utf-8",
    )


def test_records_come_out_in_order_and_bad_lines_are_told(
    kwtui: Run, folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    lines = [
        json.dumps({"id": "a", "text": "파스를 붙인 노인"}),
        "{broken",
        json.dumps({"id": "b", "text": "escape \x1b[31m<b>red</b>"}),
        json.dumps({"keywords": []}),
        json.dumps({"text": "끝"}, ensure_ascii=False),
    ]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = kwtui("extract", source, "-s", "prompt", "--model", folder, "--batch-size", "2")
    assert done.returncode == 3, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["id"], r["strategy"], r["model"]) for r in records] == [
        (name, "prompt", "tiny") for name in ("a", "b", "5")
    ]
    assert [r["text"] for r in records] == ["파스를 붙인 노인", "escape [31m<b>red</b>", "끝"]
    for record in records:
        assert record["valid"] and record["template"] == "chat"
        for keyword in record["keywords"]:
            assert record["text"][keyword["start"] : keyword["end"]] == keyword["surface"]
    complaints = done.stderr.splitlines()
    assert len(complaints) == 2
    assert "line 2: not valid JSON" in complaints[0] and "line 4: no text" in complaints[1]


def test_the_exact_prompt_is_shown(inside: Inside, folder: Path) -> None:
    asked = ("extract", "-s", "prompt", "-m", folder, "--show-prompt", "--text", "파스\t하나")
    code, out, err = inside(*asked)
    assert (code, err) == (0, "")
    assert out == (
        "<bos><start_of_turn>user\n다음 글에서 키워드를 찾아 JSON 배열로 답하세요.\n"
        "글: 파스 하나\n답:<end_of_turn>\n<start_of_turn>model\n\n"
    )


def test_without_a_workspace_it_works_on_the_defaults(inside: Inside, folder: Path) -> None:
    code, out, err = inside("extract", "-m", folder, "--text", "파스를 붙인다")
    assert (code, json.loads(out)["strategy"]) == (0, "prompt")
    assert err == (
        "There is no workspace here and so no glossary: the strategy is prompt, not rag.\n"
    )


def test_a_file_takes_its_name_when_it_is_whole(kwtui: Run, tmp_path: Path) -> None:
    own_terms(tmp_path)
    out = tmp_path / "out.jsonl"
    done = kwtui("extract", "-", "-s", "words", "-o", out, input="파스와 노인\n\n없음\n")
    assert (done.returncode, done.stdout) == (0, "")
    found = [json.loads(line)["keywords"] for line in out.read_text("utf-8").splitlines()]
    assert [[k["surface"] for k in keywords] for keywords in found] == [["파스", "노인"], []]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.toml", "out.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-s", "wrods", "-t", "x"], "There is no strategy 'wrods'. Did you mean 'words'?"),
        (["-s", "rag", "-t", "x"], "needs a glossary"),
        (["-s", "prompt", "-t", "x", "-m", "kw-minus-two"], "There is no model kw-minus-two"),
        (["-s", "words", "missing.txt"], "missing.txt does not exist"),
        (["-s", "words", "."], "is a folder"),
        (["-s", "words", "empty.txt"], "is empty"),
        (["-s", "words", "binary.txt"], "binary.txt"),
        (["-s", "words", "-t", "x", "in.txt"], "either a file or --text"),
        (["-s", "words", "-t", "x", "--show-prompt"], "asks no model"),
        (["-s", "words", "-t", "x", "-o", "none/out"], "There is no folder none"),
        (["-s", "words", "-t", "x", "-o", "."], "is a folder: name a file"),
        (["-s", "broken", "-t", "x", "-m", "MODEL"], "ko2"),
    ],
)
def test_a_refusal_is_one_sentence_and_writes_nothing(
    inside: Inside, folder: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    own_terms(tmp_path)
    with (tmp_path / "config.toml").open("a") as config:
        config.write('[strategies.broken]\ntemplate = "ko2"\n')
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\xff\x00\x81\x00\xd8" * 9)
    before = sorted(p.name for p in tmp_path.iterdir())
    given = [str(folder) if argument == "MODEL" else argument for argument in arguments]
    code, out, err = inside("extract", *given)
    assert (code, out) == (2, "")
    assert said in err and len(err.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_an_endless_text_is_a_bad_line(inside: Inside, tmp_path: Path) -> None:
    own_terms(tmp_path)
    (tmp_path / "in.txt").write_text("파" * 1_000_001 + "\n파스\n", encoding="utf-8")
    code, out, err = inside("extract", "in.txt", "-s", "words")
    assert code == 3
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["2"]
    assert "line 1: the text has more than 1,000,000 characters" in err


def test_progress_is_one_line_only_on_a_terminal() -> None:
    assert progress_line(5, 10, 2.0) == "[############------------] 5/10  2.5/s  0:02 left"
    assert progress_line(5, None, 2.0) == "5  2.5/s"
    assert progress_line(0, 10, 0.0) == "[" + "-" * 24 + "] 0/10"
    assert duration(3725) == "1:02:05"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        with Progress(10, stream) as progress:
            progress.update(3)
            progress.say("a word")
        assert ("3/10" in stream.getvalue()) is shown
        assert stream.getvalue().endswith("a word\n")
