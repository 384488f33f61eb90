"""The work that the tokenizer pane has done in the service's process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from glossary.i18n import _
from kwtui.panes.job import Job

if TYPE_CHECKING:
    from kwtui.panes.tokenizer import TokenizerPane
    from kwtui.services.messages import Progress
    from kwtui.services.tokenizer_types import Order


class TokenizerJob(Job):
    """One request of the person at a time; a newer one takes the place of the older."""

    service = "tokenizer"
    _pane: TokenizerPane

    def measure(self, models: Sequence[str]) -> None:
        """Audit the tokenizers of these models."""
        self._run(self._measure(list(models)), _("Starting"))

    def split(self, models: Sequence[str], text: str) -> None:
        """Split a text with each tokenizer."""
        self._run(self._split(list(models), text), _("Splitting"))

    def build(self, order: Order) -> None:
        """Build a model with another vocabulary."""
        self._run(self._build(order), _("Starting"))

    def choose(
        self, title: str, now: str, then: Callable[[str], None], *, none: bool = False
    ) -> None:
        """Let the person choose a model by name; with `none` also none at all."""
        self._run(self._choose(title, now, then, none), _("Looking for models"))

    async def _measure(self, models: list[str]) -> None:
        host = await self._host()
        found = await host.request("measure", on_progress=self._progress, models=models)
        self._pane.measured(found)

    async def _split(self, models: list[str], text: str) -> None:
        host = await self._host()
        self._pane.split(await host.request("split", models=models, text=text))

    async def _build(self, order: Order) -> None:
        host = await self._host()
        made = await host.request("build", on_progress=self._progress, order=order)
        self._pane.bench.say(_("{path} is ready.").format(path=made.path))
        self._rest()
        self._pane.call_later(self._pane.built, made)

    async def _choose(self, title: str, now: str, then: Callable[[str], None], none: bool) -> None:
        from kwtui.widgets.dialogs import ChooseScreen

        host = await self._host()
        names = list(await host.request("models"))
        rows = [(name, "") for name in names]
        if none:
            names, rows = ["", *names], [(_("nothing"), ""), *rows]
        at = names.index(now) if now in names else 0

        def chosen(index: int | None) -> None:
            if index is not None:
                then(names[index])

        self._pane.app.push_screen(ChooseScreen(title, rows, at), chosen)

    def _words(self, progress: Progress) -> str:
        return progress.stage + (f" {progress.done:,}" if progress.done else "")
