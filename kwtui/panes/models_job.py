"""The work that the models pane has done in the service's process."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.timer import Timer
from textual.worker import Worker

from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from kwtui.hosts import Host
    from kwtui.panes.models import ModelsPane
    from kwtui.services.export_types import Wanted
    from kwtui.services.messages import Progress

TICK = 0.5


class ModelsJob:
    """One request at a time; a newer one takes the place of the older."""

    def __init__(self, pane: ModelsPane) -> None:
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
        return f"{self._stage}  {time.monotonic() - self._started:.0f} s"

    def look(self) -> None:
        """Look for models and strategies."""
        self._run(self._look(), _("Looking for models"))

    def export(self, wanted: Wanted) -> None:
        """Export a model."""
        self._run(self._export(wanted), _("Starting"))

    def stop(self) -> None:
        """Stop what is running; nothing half-written stays."""
        if self._worker is not None:
            self._worker.cancel()
        self._rest()
        self._pane.bench.say(_("Stopped."))

    def _run(self, work: Coroutine[Any, Any, None], stage: str) -> None:
        self._rest()
        self._stage, self._started = stage, time.monotonic()
        self._timer = self._pane.set_interval(TICK, self._pane.draw_progress)
        self._worker = self._pane.run_worker(
            self._guarded(work), group="models", exclusive=True, exit_on_error=True
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

    async def _look(self) -> None:
        host = await self._host()
        models = await host.request("models")
        self._pane.found(models, await host.request("strategies"))

    async def _export(self, wanted: Wanted) -> None:
        host = await self._host()
        done = await host.request("export", on_progress=self._progress, wanted=wanted)
        models = await host.request("models")
        self._pane.exported(done, models)
        self._pane.bench.say(_("{path} is ready.").format(path=Path(done.folder).name))

    def _progress(self, progress: Progress) -> None:
        if self._stage:
            total = f"/{progress.total:,}" if progress.total else ""
            count = f" {progress.done:,}{total}" if progress.done else ""
            self._stage = progress.stage + count
            self._pane.draw_progress()

    async def _host(self) -> Host:
        await self._pane.bench.settings()
        return self._pane.bench.host("export")

    def _rest(self) -> None:
        self._stage = ""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._pane.draw_progress()
