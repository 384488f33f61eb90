"""A disk that is full for a while ends no app."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from engines.workspace import Workspace
from kwtui.panes.dataset import DatasetPane
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import fill, open_pane


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process can grow beyond a page meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_claims_that_cannot_be_renewed_are_told(space: Workspace) -> None:
    fill(space)

    async def story(stage: Stage) -> None:
        await open_pane(stage)
        pane = stage.app.query_one(DatasetPane)
        with no_room():
            await pane._beat()
        await stage.until(
            lambda: any("the disk is full" in note.message for note in stage.app._notifications)
        )
        await pane._beat()
        await stage.press("1", "enter")
        await stage.until(lambda: "1 done" in stage.text)

    perform(story, space)
