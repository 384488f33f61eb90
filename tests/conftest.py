"""What every test gets: a home of its own, English, no settings from outside."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.children import python_environment
from engines.workspace import Workspace
from glossary import i18n

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home: no settings, trust or logs of whoever runs the tests."""
    home = tmp_path_factory.mktemp("home")
    for name in [n for n in os.environ if n.startswith("KWTUI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("COLUMNS", "100")
    return home


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Messages in English, whatever a test switched to before."""
    i18n.use("en")
    yield
    i18n.use("en")


@pytest.fixture
def kwtui(tmp_path: Path) -> Run:
    """Run the real command line in a child process: `kwtui("extract", "-", input="...")`.

    Options: `cwd` (default: an empty folder), `env` (added to the environment), `input`,
    `timeout` in seconds.
    """

    def run(
        *arguments: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        input: str | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "kwtui", *map(str, arguments)],
            cwd=cwd or tmp_path,
            env=python_environment() | (env or {}),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace.create(tmp_path / "space")
