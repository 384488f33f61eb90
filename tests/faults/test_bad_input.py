"""Bad input is a sentence and an exit code, and leaves a workspace as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engines.children import python_environment
from engines.corpus.store import Corpus
from engines.records import Example
from engines.workspace import Workspace, assets
from glossary.store import Glossary
from glossary.term import Term
from kwtui import cli

# What SQLite keeps beside its files while they are open; reading may make it.
BESIDE = ("-wal", "-shm")
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from kwtui.cli import run
sys.exit(run(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a glossary and a corpus, copied for each test."""
    space = Workspace.create(tmp_path_factory.mktemp("made") / "space")
    terms = [Term("", "파스"), Term("", "임산부")]
    with Glossary.open(space.glossary_path, create=True) as glossary:
        glossary.upsert(terms, author="test")
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.add([Example("a", "파스를 붙였다", labeled=False)])
    return space.root


@pytest.fixture
def space(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy; the working directory is an empty folder beside it."""
    root = tmp_path / "space"
    shutil.copytree(made, root)
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    return root


@pytest.fixture
def run(space: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command of kwtui in the workspace, inside this process."""
    umask = os.umask(0o022)

    def call(*arguments: str) -> Done:
        capfd.readouterr()
        code = cli.run(["-w", str(space), *arguments])
        found = capfd.readouterr()
        return Done(code, found.out, found.err)

    yield call
    os.umask(umask)


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a workspace by its path."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): p.read_bytes() for p in files if p.name[-4:] not in BESIDE}


def inputs() -> None:
    """The bad files, in the working directory."""
    Path("folder").mkdir()
    Path("binary").write_bytes(b"PK\x00\x03" + bytes(range(256)) * 8)
    Path("bytes").write_bytes("파스".encode() + b" \xff\x81 \xfe\xfd")
    Path("empty").touch()
    Path("file.pdf").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")
    Path("folder.csv").mkdir()
    for name in ("binary", "bytes", "empty", "file.pdf"):
        shutil.copy(name, f"{name}.csv")
    Path("none.jsonl").write_text('{"broken\n[1, 2]\n{"x": 1}\n', encoding="utf-8")


REFUSED = {
    "missing": "does not exist",
    "folder": "is a folder",
    "binary": "zero bytes",
    "bytes": "neither UTF-8",
    "empty": "is empty",
    "file.pdf": "PDF",
}
READERS = (
    ("extract", "{}", "-s", "dictionary"),
    ("data", "import", "{}"),
    ("glossary", "import", "{}.csv"),
    ("score", "{}", "{}"),
)


@pytest.mark.parametrize("command", READERS, ids=lambda command: "-".join(command[:2]))
@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_text(run: Run, space: Path, command: tuple[str, ...], name: str) -> None:
    inputs()
    before = contents(space)
    done = run(*(part.format(name) for part in command))
    assert (done.code, done.out) == (2, ""), done.err
    assert REFUSED[name] in done.err and name in done.err
    assert len(done.err.splitlines()) == 1
    assert contents(space) == before


def test_an_unreadable_file(
    unprivileged: Callable[..., object], open_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = open_folder / "secret"
    secret.write_text("파스", encoding="utf-8")
    secret.chmod(0)
    assert unprivileged(lambda: cli.run(["extract", str(secret), "-s", "dictionary"])) == 2
    assert "you have no permission" in capfd.readouterr().err


def test_a_file_without_one_good_line_changes_nothing(run: Run, space: Path) -> None:
    inputs()
    before = contents(space)
    done = run("data", "import", "none.jsonl")
    assert done.code == 2 and "nothing was imported" in done.err
    assert contents(space) == before


def test_broken_lines_in_the_middle_are_named_and_the_rest_is_done(run: Run) -> None:
    rows = ['{"text": "파스"}', "{broken", '{"text": "임산부"}', '{"text": 5}']
    Path("in.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = run("extract", "in.jsonl", "-s", "dictionary")
    assert done.code == 3
    assert [json.loads(line)["text"] for line in done.out.splitlines()] == ["파스", "임산부"]
    assert "line 2" in done.err and "line 4" in done.err
    imported = run("data", "import", "in.jsonl")
    assert imported.code == 3 and "line 2" in imported.err and "line 4" in imported.err


def test_a_line_of_ten_megabytes_is_refused_and_the_rest_is_done(run: Run, space: Path) -> None:
    Path("in.txt").write_text("파스 " * 1_500_000 + "\n임산부\n", encoding="utf-8")
    done = run("extract", "in.txt", "-s", "dictionary")
    assert done.code == 3 and "line 1" in done.err and "1,000,000 characters" in done.err
    assert [json.loads(line)["text"] for line in done.out.splitlines()] == ["임산부"]
    imported = run("data", "import", "in.txt")
    assert imported.code == 3 and "1,000,000 characters" in imported.err
    with Corpus.open(space / "corpus.sqlite", readonly=True) as corpus:
        assert [e.text for e in corpus.examples(labeled=False)] == ["파스를 붙였다", "임산부"]


def test_decomposed_letters_are_composed(run: Run) -> None:
    Path("in.txt").write_text(unicodedata.normalize("NFD", "파스와 임산부"), encoding="utf-8")
    done = run("extract", "in.txt", "-s", "dictionary")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["text"] == "파스와 임산부"
    assert [k["surface"] for k in found["keywords"]] == ["파스", "임산부"]


def test_escape_sequences_and_markup_are_shown_harmlessly(run: Run) -> None:
    Path("in.txt").write_text("\x1b[31m파스\x1b]0;x\x07 [red]임산부[/]\n", encoding="utf-8")
    done = run("extract", "in.txt", "-s", "dictionary")
    assert done.code == 0 and "\x1b" not in done.out + done.err
    assert "[red]임산부[/]" in json.loads(done.out)["text"]
    assert run("data", "import", "in.txt").code == 0
    shown = run("data", "next", "-n", "5")
    assert shown.code == 0 and "\x1b" not in shown.out and "[red]임산부[/]" in shown.out
    refused = run("extract", "\x1b[2Jno.txt", "-s", "dictionary")
    assert refused.code == 2 and "\x1b" not in refused.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-s", "nosuch"), "There is no strategy 'nosuch'"),
        (("-s", "prompt", "-m", "nosuch"), "There is no model nosuch"),
        (("-s", "prompt", "-m", "pickle"), "pickle (pytorch_model.bin)"),
        (("-s", "prompt", "-m", "remote"), "Python code of its own"),
        (("-s", "prompt", "-m", "shards"), "model-00002-of-00002.safetensors"),
        (("-s", "prompt", "-m", "bare"), "tokenizer"),
    ],
)
def test_a_strategy_or_model_that_cannot_be_used(
    run: Run, space: Path, options: tuple[str, ...], sentence: str
) -> None:
    models()
    before = contents(space)
    done = run("extract", "-t", "파스", *options)
    assert (done.code, done.out) == (2, ""), done.err
    assert sentence in done.err and "Traceback" not in done.err
    assert contents(space) == before


def models() -> None:
    """Model folders that are refused, made of the embedded one's small files."""
    source = assets() / "kw-mini"
    small = ("config.json", "tokenizer.json", "tokenizer_config.json")
    for name in ("pickle", "remote", "shards", "bare"):
        Path(name).mkdir()
        for file in small if name != "bare" else small[:1]:
            if (source / file).exists():
                shutil.copy(source / file, name)
    Path("pickle/pytorch_model.bin").write_bytes(b"\x80\x02.")
    config = json.loads(Path("remote/config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModelForCausalLM": "own.Model"}
    Path("remote/config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(source / "model.safetensors", "remote")
    shutil.copy(source / "model.safetensors", "bare")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    Path("shards/model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": shards}), encoding="utf-8"
    )
    shutil.copy(source / "model.safetensors", "shards/model-00001-of-00002.safetensors")


def test_a_glossary_of_another_program(run: Run, space: Path) -> None:
    shutil.rmtree(space / "glossary.lance")
    for path in space.glob("glossary.sqlite*"):
        path.unlink()
    (space / "glossary.lance").mkdir()
    (space / "glossary.lance" / "photo.jpg").write_bytes(b"\xff\xd8")
    before = contents(space)
    for command in (
        ("extract", "-t", "파스", "-s", "dictionary"),
        ("glossary", "add", "노인"),
        ("glossary", "stats"),
    ):
        done = run(*command)
        assert done.code == 2 and "is no glossary of kwtui" in done.err
    assert contents(space) == before


def test_no_space_left(space: Path) -> None:
    Path("in.txt").write_text("".join(f"{n}번 파스\n" for n in range(3000)), encoding="utf-8")
    before = contents(space)
    for command in (
        ["extract", "in.txt", "-s", "dictionary", "-o", "out.jsonl"],
        ["data", "import", "in.txt"],
        ["glossary", "add", "노인"],
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-c", LIMITED, "-w", str(space), *command],
            env=python_environment(),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == 1, (command, done.stderr)
        assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) <= 2
    assert not Path("out.jsonl").exists()
    assert contents(space) == before


def test_a_read_only_workspace(unprivileged: Callable[..., object], open_folder: Path) -> None:
    space = Workspace.create(open_folder / "space")
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.add([Example("a", "파스를 붙였다", labeled=False)])
    # What is imported now needs no rights later: nobody may not read the interpreter's folder.
    assert cli.run(["-w", str(space.root), "data", "stats"]) == 0
    source = open_folder / "in.txt"
    source.write_text("임산부\n", encoding="utf-8")
    for path in (source, *space.root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    space.root.chmod(0o555)
    before = contents(space.root)

    def refused() -> list[object]:
        for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            os.environ[name] = "/nonexistent"
        read = cli.run(["-w", str(space.root), "data", "stats"])
        written = cli.run(["-w", str(space.root), "data", "import", str(source)])
        labeled = cli.run(["-w", str(space.root), "data", "label", "a", "파스"])
        return [read, written, labeled]

    try:
        assert unprivileged(refused) == [0, 1, 1]
    finally:
        space.root.chmod(0o755)
    assert contents(space.root) == before
