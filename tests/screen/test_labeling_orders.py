"""Orders of work in the labeling view: sorted when chosen, taken up again at the next start."""

from __future__ import annotations

from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import fill, open_pane


def test_new_glossary_terms_come_first_and_still_do_next_time(space: Workspace) -> None:
    fill(space)
    with Glossary.open(space.glossary_path, create=True) as glossary:
        glossary.upsert([Term("", "소화제"), Term("", "제산제"), Term("", "연고")], author="lee")

    async def choose(stage: Stage) -> None:
        shown = await open_pane(stage)
        assert shown.loaded is not None and shown.loaded.id == "t1"
        await shown.work_on("terms", None)
        await stage.idle()
        assert shown.loaded is not None and shown.loaded.id == "t6"

    async def again(stage: Stage) -> None:
        shown = await open_pane(stage)
        assert shown.order == "terms"
        assert shown.loaded is not None and shown.loaded.id == "t6"

    perform(choose, space, keep=True)
    perform(again, space, keep=True)


def test_without_a_glossary_the_order_stays(space: Workspace) -> None:
    fill(space)

    async def story(stage: Stage) -> None:
        shown = await open_pane(stage)
        await shown.work_on("terms", None)
        assert shown.order == "imported"
        assert "needs a glossary" in stage.line

    perform(story, space)
