"""The extractor service: strategies run with the model held in memory between requests."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from engines.extraction.opening import Opener
from engines.extraction.strategy import needs_glossary
from engines.workspace import Workspace
from glossary.i18n import _
from kwtui.services.loop import Stopped, Task
from kwtui.services.messages import Extracted, Hello, ModelInfo, StrategyInfo

if TYPE_CHECKING:
    from engines.extraction.extractor import Extractor
    from engines.records import Example, Prediction
    from engines.settings import Settings, StrategySettings

# Strategy, model, batch size, and whether for the background: a decoder answers one at a time.
Key = tuple[str, str, int, bool]


class ExtractorService:
    """Extracts with the strategies of one workspace; one model is in memory at a time."""

    requests = frozenset({"use", "strategies", "load_model", "extract", "retry", "show_prompt"})

    def __init__(self, hello: Hello) -> None:
        self._settings = hello.settings
        workspace = Workspace(hello.workspace) if hello.workspace else None
        self._opener = Opener(hello.settings, workspace)
        self._ready: dict[Key, tuple[Extractor, ModelInfo]] = {}

    def nested(self) -> AbstractContextManager[object]:
        """Out of the inference mode of the decoding that the request came into."""
        if "torch" not in sys.modules:
            return nullcontext()
        import torch

        return torch.inference_mode(False)

    def use(self, task: Task, settings: Settings) -> None:
        """Take other settings; the model stays loaded where they leave it as it is."""
        self._settings = settings
        self._opener.use(settings)
        self._ready.clear()

    def strategies(self, task: Task) -> tuple[StrategyInfo, ...]:
        """Every strategy of the settings, in their order."""
        default = self._opener.default_name()
        self._opener.notes.clear()
        return tuple(
            StrategyInfo(
                name,
                strategy.kind,
                strategy.model if strategy.kind == "model" else "",
                needs_glossary(strategy),
                strategy.feedback_rounds,
                name == default,
            )
            for name, strategy in self._settings.strategies.items()
        )

    def load_model(
        self, task: Task, strategy: str = "", model: str = "", batch_size: int = 0
    ) -> ModelInfo:
        """Have everything that `strategy` needs in memory; says each stage on the way."""
        return self._open(task, strategy, model, batch_size)[1]

    def extract(
        self,
        task: Task,
        texts: Sequence[Example | str],
        strategy: str = "",
        model: str = "",
        batch_size: int = 0,
    ) -> Extracted:
        """Extract from all texts; predictions come as partial results when those are wanted."""
        extractor, info = self._open(task, strategy, model, batch_size)
        started, total = time.perf_counter(), len(texts)
        kept: list[Prediction] = []
        count = 0
        stage = _("Extracting")

        def on_progress(done: int) -> None:
            task.progress(stage, done, total)

        for prediction in extractor.extract(
            texts, on_progress=on_progress, cancelled=task.cancelled
        ):
            count += 1
            if task.stream:
                task.partial(prediction)
            else:
                kept.append(prediction)
        if count < total:
            raise Stopped
        return Extracted(info, count, time.perf_counter() - started, tuple(kept))

    def retry(
        self,
        task: Task,
        prediction: Prediction,
        strategy: str = "",
        missed: Iterable[str] = (),
        wrong: Iterable[str] = (),
        model: str = "",
    ) -> Prediction:
        """Ask once more after a person marked missed and wrong words of `prediction`.

        The prediction itself comes back when none of that holds, or no model is asked.
        """
        extractor, _info = self._open(task, strategy or prediction.strategy, model, 0)
        from engines.extraction.decoding import Cancelled

        try:
            return extractor.retry(prediction, missed=missed, wrong=wrong, cancelled=task.cancelled)
        except Cancelled:
            raise Stopped from None

    def show_prompt(self, task: Task, text: str, strategy: str = "", model: str = "") -> str:
        """The exact prompts for `text`; "" for a dictionary."""
        return self._open(task, strategy, model, 0)[0].prompt(text)

    def _open(
        self, task: Task, name: str, model: str, batch_size: int
    ) -> tuple[Extractor, ModelInfo]:
        """The extractor for a request, from memory unless something it uses has changed."""
        opener = self._opener
        if opener.refresh():
            self._ready.clear()
        name = name or opener.default_name()
        key = (name, model, batch_size, task.background)
        if key not in self._ready:
            strategy = opener.strategy(name, model=model or None)
            started = time.perf_counter()
            self._prepare(task, strategy)
            extractor = opener.extractor(name, model=model or None, batch_size=batch_size or None)
            info = self._info(name, strategy, time.perf_counter() - started)
            self._ready[key] = (extractor, info)
            task.check()
        opener.notes.clear()
        return self._ready[key]

    def _prepare(self, task: Task, strategy: StrategySettings) -> None:
        """Say what takes its time, and make room for another model first."""
        if strategy.server:
            task.progress(_("Asking the server for {model}").format(model=strategy.model))
            return
        if strategy.kind != "model" or self._opener.loaded(strategy) is not None:
            task.progress(_("Opening the strategy"))
            return
        if self._ready:
            self._ready.clear()
            self._opener.drop_models()
            _free()
        task.progress(_("Loading the libraries"))
        import transformers.modeling_utils  # noqa: F401

        task.check()
        task.progress(_("Loading the model {model}").format(model=strategy.model))

    def _info(self, name: str, strategy: StrategySettings, seconds: float) -> ModelInfo:
        notes = tuple(dict.fromkeys(self._opener.notes))
        if strategy.server:
            return ModelInfo(name, strategy.model, strategy.server, "", notes, seconds)
        loaded = self._opener.loaded(strategy)
        if loaded is None:
            return ModelInfo(name, "", "", "", notes, seconds)
        device, dtype = str(loaded.device), str(loaded.dtype).removeprefix("torch.")
        return ModelInfo(name, loaded.name, device, dtype, notes, seconds)


def _free() -> None:
    """Give the memory of a dropped model back."""
    gc.collect()
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()
