"""A bundle works elsewhere and cannot reach out of its folder, whoever packed it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.children import python_environment
from engines.corpus.store import Corpus
from engines.export.bundle import bundle, digest
from engines.export.opened import open_bundle
from engines.extraction.opening import Opener
from engines.records import Example, ground
from engines.settings import load
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.store import Glossary
from glossary.term import Term

TEXT = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."
CONFIG = """
[strategies.mine]
model = "kw-mini"
template = "own"
glossary = true
shots = 2
kinds = ["제형", "증상"]
max_new_tokens = 24

[strategies.words]
kind = "dictionary"
"""


@pytest.fixture
def space(workspace: Workspace) -> Workspace:
    """A workspace with terms, labels, a test split and a prompt of its own."""
    with workspace.config.open("a", encoding="utf-8") as config:
        config.write(CONFIG)
    own = "{{ text }} 에서 {% for term, words in definitions %}{{ term }} {% endfor %}답:"
    (workspace.prompts / "own.jinja").write_text(own, encoding="utf-8")
    with Glossary.open(workspace.glossary_path, create=True) as glossary:
        terms = [
            Term("", "파스", category="제형"),
            Term("", "임산부"),
            Term("", "약", keyword=False),
        ]
        glossary.upsert(terms, author="kim")
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        for split, text in (("train", "두통과 치통에 먹는 알약"), ("test", "비밀 글")):
            example = Example("", text, ground(text, ["두통", "비밀"])[0])
            corpus.add(iter([example]), split=split, annotator="kim", source="here")
    return workspace


def packed(space: Workspace, tmp_path: Path, name: str = "mine") -> Path:
    made = bundle(name, tmp_path / "packed", load(space.root), space)
    elsewhere = tmp_path / "other" / "place"
    elsewhere.parent.mkdir()
    shutil.move(made.folder, elsewhere)
    return elsewhere


def seal(folder: Path, name: str) -> None:
    """Make the manifest agree with a file that was changed, as an attacker would."""
    manifest = json.loads((folder / "bundle.json").read_text())
    path = folder / name
    manifest["files"][name] = {"size": path.stat().st_size, "sha256": digest(path)}
    (folder / "bundle.json").write_text(json.dumps(manifest))


def test_it_works_elsewhere_without_the_workspace(
    space: Workspace, tmp_path: Path, kwtui: Callable[..., Any]
) -> None:
    at_home = Opener(load(space.root), space).extractor("mine")
    prompt, (here,) = at_home.prompt(TEXT), list(at_home.extract([TEXT]))
    assert "파스" in prompt
    folder = packed(space, tmp_path)
    shutil.rmtree(space.root)
    settings, place, name = open_bundle(folder)
    assert Opener(settings, place).extractor(name).prompt(TEXT) == prompt
    there = kwtui("extract", "--bundle", folder, "-t", TEXT)
    assert there.returncode == 0, there.stderr
    other = json.loads(there.stdout)
    drop = ("seconds", "id")
    assert {k: v for k, v in here.to_json().items() if k not in drop} == {
        k: v for k, v in other.items() if k not in drop
    }
    example = folder / "example.py"
    assert len(example.read_text().splitlines()) <= 20
    done = subprocess.run(
        [sys.executable, "-P", str(example), TEXT],
        env=python_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["keywords"] == other["keywords"]


def test_it_holds_what_the_strategy_needs_and_nothing_else(
    space: Workspace, tmp_path: Path
) -> None:
    folder = packed(space, tmp_path)
    names = {path.name for path in folder.iterdir()}
    assert {"config.toml", "models", "prompts", "glossary.sqlite", "bundle.json"} <= names
    assert not names & {"runs", "reports", "cases.lance"}
    with Corpus.open(folder / "corpus.sqlite", readonly=True) as corpus:
        assert [e.text for e in corpus.examples()] == ["두통과 치통에 먹는 알약"]
    everything = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert "비밀".encode() not in everything
    assert b"kim" not in (folder / "glossary.sqlite").read_bytes()
    words = bundle("words", tmp_path / "words", load(space.root), space)
    assert words.terms == 3 and not words.model and not (words.folder / "models").exists()


def test_what_was_changed_on_the_way_is_refused(space: Workspace, tmp_path: Path) -> None:
    folder = packed(space, tmp_path)
    config = folder / "config.toml"
    config.write_text(config.read_text() + "\n# more\n")
    with pytest.raises(UserError, match=r"config.toml is not as it was packed"):
        open_bundle(folder)
    seal(folder, "config.toml")
    more = folder / "models" / "kw-mini" / "added_tokens.json"
    more.write_text("{}")
    with pytest.raises(UserError, match=r"added_tokens.json was not packed"):
        open_bundle(folder)
    more.unlink()
    (folder / "models" / "kw-mini" / "tokenizer.json").unlink()
    seal(folder, "config.toml")
    with pytest.raises(UserError, match=r"tokenizer.json is missing"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('model = "kw-mini"', 'model = "/etc"', "/etc is not in the bundle"),
        ('model = "kw-mini"', 'model = "../../models/x"', "is not in the bundle"),
        ('template = "strategy"', 'template = "/tmp/x.jinja"', "is not in the bundle"),
        ('embedding = ""', 'embedding = "/tmp/x"', "embedding model /tmp/x is not"),
        ('server = ""', 'server = "http://127.0.0.1:9/v1"', "asks a server"),
    ],
)
def test_it_reaches_nowhere(
    old: str, new: str, words: str, space: Workspace, tmp_path: Path
) -> None:
    folder = packed(space, tmp_path)
    config = folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new, 1), encoding="utf-8")
    seal(folder, "config.toml")
    with pytest.raises(UserError, match=words):
        open_bundle(folder)


def test_links_and_paths_out_of_it(space: Workspace, tmp_path: Path) -> None:
    folder = packed(space, tmp_path)
    (folder / "prompts" / "more.jinja").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="no plain file"):
        open_bundle(folder)
    (folder / "prompts" / "more.jinja").unlink()
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"]["../../outside"] = {"size": 0, "sha256": ""}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="is missing"):
        open_bundle(folder)
    os.mkfifo(folder / "pipe")
    with pytest.raises(UserError, match="no plain file"):
        open_bundle(folder)


def test_servers_and_programs_in_it_wait_for_trust(space: Workspace, tmp_path: Path) -> None:
    folder = packed(space, tmp_path)
    config = folder / "config.toml"
    more = '\n[servers.x]\naddress = "http://10.0.0.1/v1"\n\n[export]\nllama_cpp = "/tmp"\n'
    config.write_text(config.read_text(encoding="utf-8") + more, encoding="utf-8")
    seal(folder, "config.toml")
    settings, _space, name = open_bundle(folder)
    assert name == "mine"
    assert settings.servers == {} and settings.export.llama_cpp == ""
    assert len(settings.ignored) == 2


def test_what_cannot_travel_is_refused(space: Workspace, tmp_path: Path) -> None:
    settings = load(space.root)
    remote = settings.strategies["mine"].model_copy(update={"server": "http://127.0.0.1:9/v1"})
    changed = settings.model_copy(update={"strategies": {"far": remote}})
    with pytest.raises(UserError, match="asks a server"):
        bundle("far", tmp_path / "b", changed, space)
    with pytest.raises(UserError, match="glossary"):
        bundle("mine", tmp_path / "b", settings, None)
    assert not (tmp_path / "b").exists()


def test_a_bundle_brings_its_own_strategy(
    space: Workspace, tmp_path: Path, kwtui: Callable[..., Any]
) -> None:
    folder = packed(space, tmp_path, "words")
    both = kwtui("extract", "--bundle", folder, "-s", "mine", "-t", TEXT)
    assert both.returncode == 2 and "neither" in both.stderr
    none = kwtui("extract", "--bundle", tmp_path, "-t", TEXT)
    assert none.returncode == 2 and "no bundle" in none.stderr
