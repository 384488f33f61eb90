"""How the views of the compare pane look, against the files in snapshots/ (see test_snapshots)."""

from __future__ import annotations

import pytest

from engines.workspace import Workspace
from glossary import i18n
from kwtui.cli import CATALOGUES
from tests.ladders import fill
from tests.screen.conftest import Stage, perform
from tests.screen.test_compare_pane import opened
from tests.screen.test_snapshots import LOOKS, compare, picture

CASES = [
    ("colour", (80, 24), "en"),
    ("no-color", (160, 45), "ko"),
    ("ascii", (80, 24), "en"),
    ("colour", (160, 45), "en"),
]


@pytest.mark.parametrize(("look", "size", "language"), CASES)
def test_compare(
    space: Workspace,
    look: str,
    size: tuple[int, int],
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in LOOKS[look].items():
        monkeypatch.setenv(name, value)
    i18n.use(language, CATALOGUES)
    fill(space)
    end = f"{look}-{size[0]}x{size[1]}-{language}"

    async def story(stage: Stage) -> None:
        pane = await opened(stage)
        stage.app.say("")
        await stage.pilot.pause()
        for view in ("table", "texts", "errors", "plots"):
            assert pane.view is not None
            assert pane.view.view_id == view
            compare(f"compare-{view}-{end}", picture(stage))
            await stage.press("f" if view == "plots" else "tab")
            await stage.idle()
        compare(f"compare-cost-{end}", picture(stage))

    perform(story, space, size)
