"""How the glossary pane looks: its three views, the form and the import, at two sizes."""

import importlib
from pathlib import Path

import pytest

from engines.workspace import Workspace
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import TEXTS, fill
from tests.screen.sheets import fill_glossary, go_to, open_glossary, table_file
from tests.screen.test_snapshots import LOOKS, compare, picture

SIZES = [(80, 24), (160, 45)]


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change was made at the same minute, and no cursor blinks."""

    for name in ("glossary_preview", "glossary_changes", "glossary_history"):
        module = importlib.import_module(f"kwtui.panes.{name}")
        monkeypatch.setattr(module, "local_time", lambda at: "2026-01-02 03:04")


async def settled(stage: Stage) -> None:
    await stage.idle()
    # The preview of a form is looked for beside everything else.
    await stage.until(lambda: "Looking in the corpus" not in stage.text)
    stage.app.say("")
    await stage.pilot.pause()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "look", ["colour", "no-color", pytest.param("ascii", marks=pytest.mark.long)]
)
def test_the_sheet(
    space: Workspace, look: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LOOKS[look].items():
        monkeypatch.setenv(name, value)
    fill_glossary(space)
    fill(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        # On a busy machine the sheet may be there before it knows how wide it is.
        await stage.until(lambda: ("Source" in stage.text) == (size[0] >= 100))
        await go_to(stage, "두통")
        await stage.press("space", "right", "right")
        await go_to(stage, "파스")
        await settled(stage)
        found = picture(stage)
        if look == "no-color":
            assert "#" not in found
            assert "reverse" in found
        compare(f"glossary-{look}-{size[0]}x{size[1]}", found)

    perform(story, space, size)


@pytest.mark.parametrize("size", SIZES)
def test_windows_and_the_other_views(
    space: Workspace, size: tuple[int, int], tmp_path: Path
) -> None:
    fill_glossary(space)
    fill(space, [*TEXTS, "시럽과 연고를 임산부가 쓴다."])
    file = table_file(tmp_path)

    async def story(stage: Stage) -> None:
        async def look(name: str) -> None:
            await settled(stage)
            shown = picture(stage).replace(str(file), "terms.csv".ljust(len(str(file))))
            compare(f"glossary-{name}-{size[0]}x{size[1]}", shown)

        await open_glossary(stage)
        await go_to(stage, "파스")
        await stage.press("right", "right", "enter")
        await stage.type("; 두통")
        await stage.until(lambda: "Ctrl+G" in stage.text)
        await look("cell")
        await stage.press("escape", "e")
        await stage.until(lambda: "Ctrl+S keeps" in stage.text)
        await look("form")
        await stage.press("escape", "h")
        await stage.until(lambda: "History of" in stage.text)
        await look("history")
        await stage.press("escape", "tab")
        await stage.until(lambda: "2 words" in stage.text)
        await look("candidates")
        await stage.press("tab")
        await stage.until(lambda: "1 change" in stage.text)
        await look("changes")

    perform(story, space, size)
