"""How the views of the dataset pane look, against the files in snapshots/ (see test_snapshots)."""

from __future__ import annotations

import pytest

from engines.workspace import Workspace
from glossary import i18n
from kwtui.cli import CATALOGUES
from kwtui.panes.dataset_adjudicate import AdjudicateView
from kwtui.panes.dataset_checks import ChecksView
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import disagree, fill, open_pane, view
from tests.screen.test_snapshots import LOOKS, compare, picture

CASES = [("colour", (80, 24), "en"), ("no-color", (160, 45), "ko")]


@pytest.mark.parametrize(("look", "size", "language"), CASES)
def test_label_adjudicate_check(
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
    disagree(space)
    end = f"{look}-{size[0]}x{size[1]}-{language}"

    async def story(stage: Stage) -> None:
        shown = await open_pane(stage)
        await stage.until(lambda: shown.agreement is not None)
        await shown.go_to("t1")
        await stage.idle()
        await stage.press("1", "down", "h")
        stage.app.say("")
        await stage.pilot.pause()
        compare(f"label-{end}", picture(stage))
        await stage.press("tab", "tab")
        await stage.until(lambda: isinstance(view(stage), AdjudicateView))
        await stage.idle()
        await stage.press("down")
        compare(f"adjudicate-{end}", picture(stage))
        await stage.press("tab")
        await stage.until(lambda: isinstance(view(stage), ChecksView))
        await stage.idle()
        compare(f"checks-{end}", picture(stage))

    perform(story, space, size)
