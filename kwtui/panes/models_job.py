"""The work that the models pane has done in the service's process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glossary.i18n import _
from kwtui.panes.job import Job

if TYPE_CHECKING:
    from kwtui.panes.models import ModelsPane
    from kwtui.services.export_types import Wanted


class ModelsJob(Job):
    """One request of the person at a time; a newer one takes the place of the older."""

    service = "export"
    _pane: ModelsPane

    def look(self) -> None:
        """Look for models and strategies."""
        self._run(self._look(), _("Looking for models"))

    def export(self, wanted: Wanted) -> None:
        """Export a model."""
        self._run(self._export(wanted), _("Starting"))

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
