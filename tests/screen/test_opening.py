"""A pane that is chosen again while it still opens is opened once."""

from __future__ import annotations

import pytest

from engines.workspace import Workspace
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import fill


@pytest.mark.parametrize(
    ("key", "pane"), [("f3", "glossary"), ("f4", "dataset"), ("f8", "compare")]
)
def test_a_pane_chosen_again_while_it_opens(space: Workspace, key: str, pane: str) -> None:
    fill(space)

    async def story(stage: Stage) -> None:
        for pressed in (key, "f2", key, "f2", key):
            stage.app.simulate_key(pressed)
        await stage.until(lambda: stage.app.pane.pane_id == pane)
        await stage.idle()

    app = perform(story, space)
    assert app.failure is None
