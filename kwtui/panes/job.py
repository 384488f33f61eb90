"""Work that a pane has done in a service's process: one request at a time, with a line about it."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from textual.timer import Timer
from textual.worker import Worker

from glossary.errors import UserError
from glossary.i18n import _
from kwtui.panes.base import Pane

if TYPE_CHECKING:
    from kwtui.hosts import Host
    from kwtui.services.messages import Progress

TICK = 0.5


class WorkingPane(Pane):
    """A pane with a line about the work that is done for it."""

    def draw_progress(self) -> None:
        """Show the line of its job."""


class Job:
    """One request of the person at a time; a newer one takes the place of the older.

    A subclass names its `service` and gives `_run` the work and what to say meanwhile.
    """

    service: ClassVar[str]

    def __init__(self, pane: WorkingPane) -> None:
        self._pane = pane
        self._worker: Worker[None] | None = None
        self._timer: Timer | None = None
        self._started = 0.0
        self._stage = ""

    @property
    def running(self) -> bool:
        """Whether an answer is awaited."""
        return self._worker is not None and not self._worker.is_finished

    @property
    def line(self) -> str:
        """What is being done and for how long, "" when nothing is."""
        if not self._stage:
            return ""
        return f"{self._stage} {time.monotonic() - self._started:.0f} s"

    def stop(self) -> None:
        """Stop what is running; what is shown stays."""
        if self._worker is not None:
            self._worker.cancel()
        self._rest()
        self._pane.bench.say(_("Stopped."))

    def _run(self, work: Coroutine[Any, Any, None], stage: str) -> None:
        self._rest()
        self._stage, self._started = stage, time.monotonic()
        self._pane.bench.say("")
        self._timer = self._pane.set_interval(TICK, self._pane.draw_progress)
        self._worker = self._pane.run_worker(
            self._guarded(work), group="job", exclusive=True, exit_on_error=True
        )
        self._pane.draw_progress()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; a sentence for what can go wrong, and the pane at rest afterwards."""
        from kwtui.hosts import RequestCancelled

        mine = self._started
        try:
            await work
        except UserError as error:
            self._pane.bench.warn(error.sentence, "error")
        except RequestCancelled:
            self._pane.bench.say(_("Stopped."))
        finally:
            if mine == self._started:
                self._rest()

    def _progress(self, progress: Progress) -> None:
        if self._stage:
            self._stage = self._words(progress)
            self._pane.draw_progress()

    def _words(self, progress: Progress) -> str:
        """What the line says of a step."""
        total = f"/{progress.total:,}" if progress.total else ""
        return progress.stage + (f" {progress.done:,}{total}" if progress.done else "")

    async def _host(self) -> Host:
        await self._pane.bench.settings()
        return self._pane.bench.host(self.service)

    def _rest(self) -> None:
        self._stage = ""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._pane.draw_progress()
