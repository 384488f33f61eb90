"""The work that the Extract pane has done in the extractor's process."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from textual.timer import Timer
from textual.worker import Worker

from engines.records import Prediction
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.panes.marking import Marking

if TYPE_CHECKING:
    from kwtui.hosts import Host
    from kwtui.panes.extract import ExtractPane
    from kwtui.services.messages import Progress

TICK = 0.5


class ExtractJob:
    """One request of the person at a time; a newer one takes the place of the older."""

    def __init__(self, pane: ExtractPane) -> None:
        self._pane = pane
        self._worker: Worker[None] | None = None
        self._timer: Timer | None = None
        self._started = 0.0
        self._stage = ""
        self._warming_stage = ""

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

    def extract(self, text: str, strategy: str) -> None:
        """Extract; the pane's `answered` gets the result, then the prompt."""
        self._run(self._extract(text, strategy), self._warming_stage or _("Starting"))

    def retry(self, marking: Marking) -> None:
        """Ask again with what a person marked."""
        self._run(self._retry(marking), _("Asking again"))

    def stop(self) -> None:
        """Stop what is running; what is shown stays."""
        if self._worker is not None:
            self._worker.cancel()
        self._rest()
        self._pane.bench.say(_("Stopped."))

    def warm(self, strategy: str) -> None:
        """Let the model be loaded while the text is still typed."""
        self._pane.run_worker(self._warm(strategy), group="warm", exclusive=True)

    def _run(self, work: Coroutine[Any, Any, None], stage: str) -> None:
        self._rest()
        self._stage, self._started = stage, time.monotonic()
        self._pane.bench.say("")
        self._timer = self._pane.set_interval(TICK, self._pane.draw_progress)
        self._worker = self._pane.run_worker(
            self._guarded(work), group="extract", exclusive=True, exit_on_error=True
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

    async def _extract(self, text: str, strategy: str) -> None:
        host = await self._host()
        answer = await host.request(
            "extract", on_progress=self._progress, texts=[text], strategy=strategy
        )
        for note in answer.info.notes:
            self._pane.bench.say(note)
        prediction: Prediction = answer.predictions[0]
        self._pane.answered(Marking(prediction), "")
        self._rest()
        if prediction.model:
            prompt = await host.request("show_prompt", text=text, strategy=strategy)
            if self._pane.marking and self._pane.marking.prediction is prediction:
                self._pane.answered(self._pane.marking, prompt)

    async def _retry(self, marking: Marking) -> None:
        host = await self._host()
        before = marking.prediction
        prediction: Prediction = await host.request(
            "retry",
            on_progress=self._progress,
            prediction=before,
            strategy=before.strategy,
            missed=marking.missed_words(),
            wrong=marking.wrong_words(),
        )
        self._pane.answered(marking.after_retry(prediction))
        answered = {k.surface for k in prediction.keywords}
        unheard = [word for word in marking.missed_words() if word not in answered]
        unheard += [word for word in marking.wrong_words() if word in answered]
        if unheard:
            words = ", ".join(f"'{word}'" for word in unheard)
            self._pane.bench.say(
                _("The model stays with its answer on {words}.").format(words=words)
            )
        else:
            self._pane.bench.say(_("The model has taken what you said."))

    async def _warm(self, strategy: str) -> None:
        from kwtui.hosts import RequestCancelled

        host = await self._host()
        try:
            await host.request("load_model", on_progress=self._warming, strategy=strategy)
        except (UserError, RequestCancelled):
            return
        finally:
            self._warming_stage = ""
        if not self.running:
            self._pane.bench.say(_("{strategy} is ready.").format(strategy=strategy))

    def _warming(self, progress: Progress) -> None:
        self._warming_stage = progress.stage
        if self.running:
            self._progress(progress)
        else:
            self._pane.bench.say(progress.stage + " ...")

    def _progress(self, progress: Progress) -> None:
        if not self._stage:
            return
        self._stage = progress.stage
        self._pane.draw_progress()

    async def _host(self) -> Host:
        await self._pane.bench.settings()
        return self._pane.bench.host("extractor")

    def _rest(self) -> None:
        self._stage = ""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._pane.draw_progress()
