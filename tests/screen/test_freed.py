"""What was open on the screen and was closed is freed."""

from __future__ import annotations

import gc

from textual.widgets import TextArea

from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from tests.screen.conftest import Stage, perform


def closed_areas() -> int:
    gc.collect()
    return sum(isinstance(o, TextArea) and not o.is_attached for o in gc.get_objects())


def test_a_form_that_was_closed_is_freed(space: Workspace) -> None:
    with Glossary.open(space.glossary_path, create=True) as glossary:
        glossary.upsert([Term("", "파스")], author="me")

    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("f3")
        await stage.until(lambda: "1 term" in stage.text)
        await stage.idle()
        before = closed_areas()  # of apps that other tests have run
        for _n in range(3):
            await stage.press("e")
            await stage.until(lambda: len(stage.app.screen_stack) > 1)
            await stage.press("escape")
            await stage.until(lambda: len(stage.app.screen_stack) == 1)
        await stage.idle()
        await stage.pilot.pause(0.2)
        # The form has four; the last one may still be on its way out.
        assert closed_areas() - before <= 4

    perform(story, space)
