"""The tour: six screens by keyboard, in both languages, and nothing is left of it."""

from pathlib import Path

import pytest
from textual.containers import VerticalScroll

from engines.workspace import Workspace
from glossary import i18n
from kwtui import cli, keymap
from kwtui.tour import TourPage, TourScreen, pages
from kwtui.welcome import Welcome
from tests.screen.conftest import SENTENCE, Stage, perform
from tests.screen.test_snapshots import compare, picture

PLAYS = Path(__file__).with_name("plays")
BEGIN = {"en": "A workspace, and five strategies", "ko": "작업 공간과 다섯 가지 전략"}
END = {"en": "which strategy, and out with it", "ko": "전략을 고르고 내보내기"}


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("language", ["en", "ko"])
def test_six_screens_by_keyboard_that_fit_a_small_window(space: Workspace, language: str) -> None:
    i18n.use(language, cli.CATALOGUES)

    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("f1", "f1")
        await stage.until(lambda: BEGIN[language] in stage.text)
        seen = set()
        for number in range(6):
            window = stage.app.screen.query_one(VerticalScroll)
            assert window.max_scroll_y == 0, f"page {number + 1} has more lines than the window"
            page = stage.app.screen.query_one(TourPage).page
            assert page is not None
            seen.add(page.title)
            for left, right in page.rows:
                words = f"{left} {right}".split()
                assert words[-1] in stage.text
            await stage.press("right" if number % 2 else "enter")
            await stage.pilot.pause()
        assert len(seen) == 6
        assert len(stage.app.screen_stack) == 1, "past the last page is out"

    perform(story, space)


def test_arrows_digits_and_back(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("f1", "f1", "6")
        await stage.until(lambda: END["en"] in stage.text)
        await stage.press("left", "left", "pagedown", "1", "left", "backspace")
        await stage.until(lambda: BEGIN["en"] in stage.text)
        for key in ("escape", "q", "ㅂ", "f1"):
            assert isinstance(stage.app.screen, TourScreen)
            await stage.press(key)
            await stage.pilot.pause()
            assert len(stage.app.screen_stack) == 1
            await stage.press("f1", "f1")
            await stage.pilot.pause()

    perform(story, space)


def test_no_trace_is_left(space: Workspace, own_home: Path) -> None:
    async def first(stage: Stage) -> None:
        await stage.idle()
        await stage.paste(SENTENCE)

    perform(first, space, keep=True)
    before = files(space.root), files(own_home)

    async def toured(stage: Stage) -> None:
        await stage.idle()
        shown, focused = picture(stage), stage.app.focused
        await stage.press("f1", "f1", "right", "right", "5", "escape")
        await stage.pilot.pause()
        assert stage.app.focused is focused
        assert picture(stage) == shown

    perform(toured, space, keep=True)
    assert (files(space.root), files(own_home)) == before


def test_every_key_that_it_names_is_that_of_the_action(space: Workspace) -> None:
    """Also where config.toml gives an action another key."""
    more = '[keys]\nglossary.add = "z"\n'
    space.config.write_text(space.config.read_text(encoding="utf-8") + more, encoding="utf-8")

    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("f1", "f1", "2")
        await stage.until(lambda: "z      adds a term" in stage.text)

    perform(story, space)
    asked: list[str] = []
    pages(lambda name: asked.append(name) or "k")  # type: ignore[func-returns-value]
    assert set(asked) <= {action.id for action in keymap.actions()}
    assert len(asked) > 20


def test_every_command_that_it_names_is_one() -> None:
    import click
    from typer.main import get_command

    for page in pages(lambda name: "k"):
        for command in page.commands:
            program, *words = command.split()
            assert program == "kwtui"
            found = get_command(cli._root())
            for word in words:
                if not hasattr(found, "get_command"):
                    break
                inner = found.get_command(click.Context(found), word)
                assert inner is not None, command
                found = inner
            known = {option for one in found.params for option in one.opts}
            options = {word for word in words if word.startswith("-")}
            assert options <= known, command


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_play(kwtui, space: Workspace, language: str, tmp_path: Path) -> None:
    script = tmp_path / "tour.play"
    script.write_text((PLAYS / f"tour_{language}.play").read_text(encoding="utf-8"))
    done = kwtui("-w", space.root, "play", script, env={"KWTUI_LANGUAGE": language})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"tour_{language}.svg").exists()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_snapshots(space: Workspace, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    i18n.use(language, cli.CATALOGUES)
    if language == "ko":
        monkeypatch.setenv("NO_COLOR", "1")

    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("f1", "f1", "2")
        await stage.pilot.pause()
        compare(f"tour-2-{language}", picture(stage))

    perform(story, space)


def test_it_is_offered_before_there_is_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    from kwtui.play import shown

    monkeypatch.chdir(tmp_path)
    app = Welcome()

    async def run() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "A tour of six screens" in shown(app)  # type: ignore[arg-type]
            await pilot.press("t")
            await pilot.pause()
            assert BEGIN["en"] in shown(app)  # type: ignore[arg-type]
            await pilot.press("escape")
            await pilot.pause()
            assert "Open the demo" in shown(app)  # type: ignore[arg-type]

    asyncio.run(run())
    assert files(tmp_path) == {}
