"""A workspace is made whole or not at all, found from inside, and private unless shared."""

from pathlib import Path

import pytest

from engines.workspace import Workspace, assets, default_config
from glossary.errors import UserError


def test_init_makes_a_private_workspace(kwtui, tmp_path: Path) -> None:
    made = kwtui("init", "내 분야")
    assert made.returncode == 0, made.stderr
    assert made.stdout == ""
    root = tmp_path / "내 분야"
    assert {p.name for p in root.iterdir()} == {
        "config.toml",
        "models",
        "runs",
        "reports",
        "prompts",
    }
    assert all(p.stat().st_mode & 0o077 == 0 for p in [root, *root.iterdir()])
    shown = kwtui("config", "show", cwd=root / "runs")
    assert shown.returncode == 0, "its config.toml is valid"


def test_init_touches_nothing_that_is_there(kwtui, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    refused = kwtui("init", full)
    assert refused.returncode == 2
    assert "not an empty folder" in refused.stderr
    assert [p.name for p in full.iterdir()] == ["thesis.txt"]
    kwtui("init", "space")
    again = kwtui("init", "space")
    assert (again.returncode, "already a workspace" in again.stderr) == (2, True)


def test_init_says_where_it_cannot_write(kwtui, tmp_path: Path) -> None:
    refused = kwtui("init", "/proc/nowhere/space")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "/proc/nowhere" in refused.stderr


def test_a_shared_workspace_gets_files_for_the_group(workspace: Workspace) -> None:
    assert not workspace.shared
    workspace.root.chmod(0o2770)
    assert workspace.shared


def test_a_workspace_is_found_from_inside_and_only_by_its_mark(tmp_path: Path) -> None:
    space = Workspace.create(tmp_path / "space")
    assert Workspace.find(space.runs) == space
    assert Workspace.find(tmp_path) is None
    assert Workspace.find(assets()) is None, "the project's own config.toml marks no workspace"
    with pytest.raises(UserError, match="is no workspace"):
        Workspace.open(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        Workspace.open(tmp_path / "nowhere")


def test_a_named_workspace_must_exist(kwtui) -> None:
    refused = kwtui("-w", "nowhere", "config", "show")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "nowhere is not a folder" in refused.stderr


def test_the_assets_are_there() -> None:
    assert default_config().is_file()
    assert (assets() / "prompts" / "ko.jinja").is_file()
