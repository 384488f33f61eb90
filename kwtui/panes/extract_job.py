"""The work that the Extract pane has done in the extractor's process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engines.records import Prediction
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.panes.job import Job
from kwtui.panes.marking import Marking

if TYPE_CHECKING:
    from kwtui.panes.extract import ExtractPane
    from kwtui.services.messages import Progress


class ExtractJob(Job):
    """One request of the person at a time; a newer one takes the place of the older."""

    service = "extractor"
    _pane: ExtractPane

    def __init__(self, pane: ExtractPane) -> None:
        super().__init__(pane)
        self._warming_stage = ""

    def extract(self, text: str, strategy: str) -> None:
        """Extract; the pane's `answered` gets the result, then the prompt."""
        self._run(self._extract(text, strategy), self._warming_stage or _("Starting"))

    def retry(self, marking: Marking) -> None:
        """Ask again with what a person marked."""
        self._run(self._retry(marking), _("Asking again"))

    def warm(self, strategy: str) -> None:
        """Let the model be loaded while the text is still typed."""
        self._pane.run_worker(self._warm(strategy), group="warm", exclusive=True)

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

    def _words(self, progress: Progress) -> str:
        return progress.stage
