"""The work that the tokenizer pane has done in the service's process."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from textual.timer import Timer
from textual.worker import Worker

from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from kwtui.hosts import Host
    from kwtui.panes.tokenizer import TokenizerPane
    from kwtui.services.messages import Progress
    from kwtui.services.tokenizer_types import Order

TICK = 0.5


class TokenizerJob:
    """One request at a time; a newer one takes the place of the older."""

    def __init__(self, pane: TokenizerPane) -> None:
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
            self._guarded(work), group="tokenizer", exclusive=True, exit_on_error=True
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

    def _progress(self, progress: Progress) -> None:
        if self._stage:
            done = f" {progress.done:,}" if progress.done else ""
            self._stage = progress.stage + done
            self._pane.draw_progress()

    async def _host(self) -> Host:
        await self._pane.bench.settings()
        return self._pane.bench.host("tokenizer")

    def _rest(self) -> None:
        self._stage = ""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._pane.draw_progress()
