"""What the train pane has worked out in the training service's process."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from textual.timer import Timer
from textual.worker import Worker

from glossary.errors import UserError

if TYPE_CHECKING:
    from engines.training.launching import Launched
    from kwtui.hosts import Host
    from kwtui.panes.train import TrainPane
    from kwtui.services.messages import Progress
    from kwtui.services.training import Examples, Foretold

# A recipe rests this long before it is looked at: keys come faster.
REST = 0.3


class TrainJob:
    """One question at a time; a newer one takes the place of the older.

    `found` and `shown` are the last answers, `wrong` the sentence why there is none.
    """

    def __init__(self, pane: TrainPane) -> None:
        self._pane = pane
        self._worker: Worker[None] | None = None
        self._timer: Timer | None = None
        self.line = ""
        self.wrong = ""
        self.found: Foretold | None = None
        self.shown: Examples | None = None

    @property
    def running(self) -> bool:
        """Whether an answer is awaited, or soon will be."""
        return self._timer is not None or (
            self._worker is not None and not self._worker.is_finished
        )

    def foretell(self, *, trial: bool = False) -> None:
        """Work out what the recipe takes, once it has rested a moment."""
        self._rest()
        if trial:
            # A timer of no time that comes late divides by it, and never calls.
            self._begin(self._foretell(trial))
            return
        self._timer = self._pane.set_timer(REST, lambda: self._begin(self._foretell(trial)))

    def examples(self) -> None:
        """Make a few examples of the recipe."""
        self._rest()
        self.shown = None
        self._pane.show_examples()
        self._begin(self._examples())

    def launch(self, done: Callable[[Launched], object], **terms: Any) -> None:
        """Start the recipe, or put it into the queue; `done` gets what became of it."""
        self._rest()
        self._begin(self._launch(done, terms))

    def stop(self) -> None:
        """Stop what is being worked out."""
        self._rest()
        if self._worker is not None:
            self._worker.cancel()
        self._say("")

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._timer = None
        self._worker = self._pane.run_worker(
            self._guarded(work), group="train", exclusive=True, exit_on_error=True
        )

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        from kwtui.hosts import RequestCancelled

        try:
            await work
        except RequestCancelled:
            pass
        finally:
            self._say("")

    async def _foretell(self, trial: bool) -> None:
        try:
            self.found = await self._ask("foretell", trial=trial)
            if self.wrong:
                # What was wrong with the recipe before is no word on this one.
                self._pane.bench.say("")
            self.wrong = ""
        except UserError as error:
            self.found, self.wrong = None, error.sentence
        self._pane.draw_foretold()

    async def _examples(self) -> None:
        try:
            self.shown = await self._ask("examples")
            self.wrong = ""
        except UserError as error:
            self.wrong = error.sentence
        self._pane.show_examples()

    async def _launch(self, done: Callable[[Launched], object], terms: dict[str, Any]) -> None:
        try:
            await self._make_room()
            launched: Launched = await self._ask("launch", **terms)
        except UserError as error:
            self._pane.bench.warn(error.sentence, "error")
            return
        done(launched)

    async def _make_room(self) -> None:
        """Let the model go that the extract pane holds, where the run is to use the same GPU."""
        found = self.found.preflight if self.found else None
        if found is not None and any(device.index is not None for device in found.devices):
            await self._pane.bench.host("extractor").unload()

    async def _ask(self, method: str, **more: Any) -> Any:
        form = self._pane.form
        host = await self.host()
        return await host.request(
            method, on_progress=self._heard, values=dict(form.values), base=form.base, **more
        )

    async def host(self) -> Host:
        """The service."""
        await self._pane.bench.settings()
        return self._pane.bench.host("training")

    def _heard(self, progress: Progress) -> None:
        self._say(progress.stage + " ...")

    def _say(self, line: str) -> None:
        self.line = line
        if self._pane.is_mounted:
            self._pane.draw_head()
