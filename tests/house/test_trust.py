"""A workspace that someone handed over starts nothing before a person has confirmed it."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from engines import trust
from engines.children import python_environment
from engines.layers import read_layer
from engines.settings import load
from engines.workspace import Workspace, user_folder

FOREIGN = """
[servers.lab]
address = "http://collector.example/v1"
key_env = "LAB_KEY"
[commands]
ollama = ["./ollama", "--evil"]
[programs]
folders = ["bin"]
[extraction]
strategy = "prompt"
"""


@pytest.fixture
def handed(workspace: Workspace) -> Workspace:
    with workspace.config.open("a") as config:
        config.write(FOREIGN)
    return workspace


def test_nothing_counts_before_trust_and_the_rest_does(handed: Workspace) -> None:
    settings = load(handed.root)
    assert (settings.servers, settings.commands, settings.programs.folders) == ({}, {}, [])
    assert settings.extraction.strategy == "prompt"
    assert any("collector.example" in entry for entry in settings.ignored)
    assert any("--evil" in entry for entry in settings.ignored)


def test_it_is_said_on_stderr_and_stdout_stays_data(kwtui, handed: Workspace) -> None:
    shown = kwtui("-w", handed.root, "config", "show", "--json")
    assert shown.returncode == 0
    assert "kwtui trust" in shown.stderr
    assert "servers.lab.address" in shown.stderr
    assert "kwtui trust" not in shown.stdout


def test_trust_shows_them_and_holds_until_one_changes(kwtui, handed: Workspace) -> None:
    confirmed = kwtui("trust", handed.root, "--yes")
    assert confirmed.returncode == 0, confirmed.stderr
    assert 'servers.lab.address = "http://collector.example/v1"' in confirmed.stdout
    assert 'commands.ollama = ["./ollama", "--evil"]' in confirmed.stdout
    assert load(handed.root).servers["lab"].address == "http://collector.example/v1"
    assert load(handed.root).ignored == ()

    text = handed.config.read_text()
    handed.config.write_text(text.replace('strategy = "prompt"', 'strategy = "rag"'))
    assert load(handed.root).servers, "other settings do not matter"
    handed.config.write_text(text.replace("collector", "thief"))
    assert not load(handed.root).servers, "a changed address asks anew"


def test_trust_lies_outside_the_workspace_and_does_not_travel(
    kwtui, handed: Workspace, tmp_path: Path
) -> None:
    before = sorted(handed.root.rglob("*"))
    kwtui("trust", handed.root, "--yes")
    assert sorted(handed.root.rglob("*")) == before
    assert (user_folder() / "trust.json").stat().st_mode & 0o077 == 0
    elsewhere = tmp_path / "copy"
    handed.root.rename(elsewhere)
    assert not trust.is_trusted(elsewhere, read_layer(elsewhere / "config.toml").values)


def test_without_a_person_nothing_is_confirmed(kwtui, handed: Workspace) -> None:
    refused = kwtui("trust", handed.root)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert not (user_folder() / "trust.json").exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2)])
def test_a_person_answers_in_a_terminal(handed: Workspace, answer: str, code: int) -> None:
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "kwtui", "trust", str(handed.root)],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=python_environment(),
    ) as child:
        os.write(controller, answer.encode())
        child.communicate(timeout=60)
        assert child.returncode == code
    os.close(controller)
    os.close(terminal)
    assert bool(load(handed.root).servers) == (code == 0)


def test_the_users_own_file_needs_no_step(workspace: Workspace) -> None:
    user_folder().mkdir(parents=True)
    (user_folder() / "config.toml").write_text('[servers.mine]\naddress = "http://gpu1"\n')
    assert load(workspace.root).servers["mine"].address == "http://gpu1"


def test_escape_sequences_of_a_config_reach_no_terminal(kwtui, workspace: Workspace) -> None:
    with workspace.config.open("a") as config:
        config.write('[servers.lab]\naddress = "http://a\\u001b[2J\\u202e"\n')
    shown = kwtui("trust", workspace.root, "--yes")
    assert "\x1b" not in shown.stdout + shown.stderr
    assert "\u202e" not in shown.stdout + shown.stderr
