"""A window that is too small: it says what it needs, and nothing is lost under it."""

import pytest
from textual.widgets import Input

from engines.workspace import Workspace
from kwtui.widgets.dialogs import AskScreen, ChooseScreen
from kwtui.widgets.too_small import TooSmall
from tests.screen.conftest import SENTENCE, Stage, perform
from tests.screen.test_snapshots import picture


async def resize(stage: Stage, width: int, height: int) -> None:
    await stage.pilot.resize_terminal(width, height)
    await stage.until(lambda: stage.app.screen.size == (width, height))
    await stage.pilot.pause()


@pytest.mark.parametrize("size", [(60, 20), (79, 24), (6, 2)])
def test_it_says_what_it_needs_and_all_is_as_before(
    space: Workspace, size: tuple[int, int]
) -> None:
    async def story(stage: Stage) -> None:
        await stage.extract()
        await stage.press("escape", "down", "x")
        await stage.pilot.pause()
        before, focused = picture(stage), stage.app.focused
        await resize(stage, *size)
        assert isinstance(stage.app.screen, TooSmall)
        said = " ".join(stage.text.split())
        if size[0] >= 60:
            assert f"{size[0]} x {size[1]}" in said
            assert "80 x 24" in said
            assert "Nothing is lost" in said
        assert "F2" not in said
        # What is typed blindly changes nothing.
        await stage.press("x", "d", "enter", "f4", "ctrl+r", "f1", "ctrl+p")
        await stage.paste("blind")
        await resize(stage, 80, 24)
        assert stage.app.focused is focused
        assert picture(stage) == before

    perform(story, space)


def test_every_pane_comes_back_as_it_was(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        for spec in stage.app.specs:
            await stage.press(spec.key)
            await stage.idle()
            stage.app.say("")
            await stage.pilot.pause()
            before, focused = picture(stage), stage.app.focused
            await resize(stage, 60, 20)
            assert isinstance(stage.app.screen, TooSmall), spec.id
            await resize(stage, 80, 24)
            assert stage.app.focused is focused, spec.id
            assert picture(stage) == before, spec.id

    perform(story, space)


def test_a_window_over_a_pane_and_what_was_typed_there_stay(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("ctrl+t")
        await stage.type("word")
        assert isinstance(stage.app.screen, ChooseScreen)
        before = picture(stage)
        await resize(stage, 60, 20)
        assert "80 x 24" in stage.text
        await resize(stage, 70, 30)
        assert "70 x 30" in stage.text
        await resize(stage, 80, 24)
        assert isinstance(stage.app.screen, ChooseScreen)
        assert stage.app.screen.query_one(Input).value == "word"
        assert picture(stage) == before
        await stage.press("enter")
        await stage.pilot.pause()
        assert len(stage.app.screen_stack) == 1

    perform(story, space)


def test_what_opens_meanwhile_is_there_afterwards(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.idle()
        answers: list[str | None] = []
        await resize(stage, 60, 20)
        stage.app.push_screen(AskScreen("A question", "an answer"), answers.append)
        await stage.pilot.pause()
        assert isinstance(stage.app.screen, TooSmall)
        assert "A question" not in stage.text
        await resize(stage, 80, 24)
        await stage.until(lambda: "A question" in stage.text)
        await stage.press("enter")
        await stage.until(lambda: len(stage.app.screen_stack) == 1)
        assert answers == ["an answer"]

    perform(story, space)


def test_the_app_starts_and_ends_in_a_small_window(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.until(lambda: isinstance(stage.app.screen, TooSmall))
        assert "60 x 20" in stage.text
        await resize(stage, 100, 30)
        assert "F2 Extract" in stage.text
        await stage.idle()
        await stage.paste(SENTENCE)
        await resize(stage, 60, 20)
        await stage.press("ctrl+q")
        await stage.until(lambda: not stage.app.is_running)

    assert perform(story, space, (60, 20), keep=True).return_code == 0

    async def second(stage: Stage) -> None:
        await stage.idle()
        assert SENTENCE in stage.text

    perform(second, space, keep=True)
