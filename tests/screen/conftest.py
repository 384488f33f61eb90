"""The real app on a small workspace: a dictionary in its config.toml, a tiny model on disk."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from engines.workspace import Workspace
from kwtui.app import Workbench
from kwtui.choices import read_choices
from kwtui.play import shown
from kwtui.screen_state import ScreenState, state_file
from tests import tiny

SENTENCE = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."
CONFIG = """
# A comment that stays.
[extraction]
strategy = "words"

[strategies.words]
kind = "dictionary"
boundaries = false
definitions = {"진통" = "", "해열" = "", "파스" = "", "임산부" = ""}

[strategies.tiny]
model = "tiny"   # not from the network
max_new_tokens = 24
feedback_sources = ["person"]
"""
Story = Callable[["Stage"], Awaitable[None]]


class Stage:
    """The running app with what a test does to it."""

    def __init__(self, app: Workbench, pilot: Any) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*(key for key in text))

    async def paste(self, text: str) -> None:
        from textual.events import Paste

        self.app.post_message(Paste(text))
        await self.pilot.pause()

    async def until(self, met: Callable[[], bool], seconds: float = 60) -> None:
        for _round in range(int(seconds / 0.02)):
            await self.pilot.pause()
            if met():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("waited in vain\n" + self.text)

    async def idle(self) -> None:
        await self.until(lambda: not self.app.busy)

    async def extract(self, text: str = SENTENCE) -> None:
        await self.idle()
        await self.paste(text)
        await self.press("ctrl+r")
        await self.idle()
        await self.pilot.pause()

    @property
    def text(self) -> str:
        return shown(self.app)

    @property
    def line(self) -> str:
        """The status line."""
        return self.text.splitlines()[-2].strip()


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """A workspace that needs no glossary and whose dictionary answers at once."""
    made = Workspace.create(tmp_path / "space")
    made.config.write_text(made.config.read_text(encoding="utf-8") + CONFIG, encoding="utf-8")
    return made


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def with_model(space: Workspace, tiny_folder: Path) -> Workspace:
    """The same with a tiny model of random weights."""
    (space.models / "tiny").symlink_to(tiny_folder)
    return space


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colours or key protocol of whoever runs the tests; one thread a model."""
    for name in ("NO_COLOR", "TEXTUAL_ANIMATIONS", "TEXTUAL_THEME", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    os.environ["TEXTUAL_DISABLE_KITTY_KEY"] = "1"


def bench(space: Workspace, *, keep: bool = False) -> Workbench:
    state = ScreenState(state_file(space.root) if keep else None)
    return Workbench(space, read_choices(space.root), state)


def perform(
    story: Story, space: Workspace, size: tuple[int, int] = (80, 24), *, keep: bool = False
) -> Workbench:
    """Run the app without a terminal while `story` uses it; it quits as with Ctrl+Q."""
    app = bench(space, keep=keep)

    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            stage = Stage(app, pilot)
            await stage.until(lambda: bool(app.current) or not app.is_running)
            await story(stage)
            if app.is_running:
                await app.finish()

    asyncio.run(run())
    return app
