"""The model judged while it learns: dev texts extracted by the real Extractor."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engines.evaluation.metrics import Counts, score
from engines.extraction.extractor import Extractor
from engines.models.loading import LoadedModel
from engines.records import Example, Prediction
from engines.settings import ExtractionSettings, PlainTemplate, Settings
from engines.training.prompts import Tools
from engines.training.texts import spread
from engines.training.tune_recipe import Evaluation, Prompting

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Right, wrong and missed keywords of the dev texts, and how long it took in seconds.

    `samples`: text, gold and answered keywords of a few fixed texts.
    """

    counts: Counts
    invalid: int
    seconds: float
    samples: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]

    @property
    def f1(self) -> float:
        """Micro F1 over the keyword sets of all texts."""
        return self.counts.f1

    def joined(self, accelerator: Any) -> Verdict:
        """The verdict over the shares of all processes, the same in each of them."""
        import torch

        own = [self.counts.tp, self.counts.fp, self.counts.fn, self.invalid]
        tensor = torch.tensor([own], dtype=torch.float64, device=accelerator.device)
        tp, fp, fn, invalid = accelerator.gather(tensor).sum(0).long().tolist()
        return replace(self, counts=Counts(tp, fp, fn), invalid=invalid)

    def figures(self) -> dict[str, float]:
        """The numbers by name."""
        return {
            "f1": self.f1,
            "precision": self.counts.precision,
            "recall": self.counts.recall,
            "invalid": float(self.invalid),
            "seconds": round(self.seconds, 2),
        }


class Judge:
    """Extracts the same dev texts with the same strategy each time it is asked."""

    def __init__(
        self, dev: Sequence[Example], prompting: Prompting, how: Evaluation, tools: Tools
    ) -> None:
        assert prompting.settings is not None
        self.dev = spread(dev, how.texts)
        self._name = prompting.strategy
        self._strategy = prompting.settings.model_copy(update={"constrained": how.constrained})
        self._tools = tools
        self._settings = Settings(
            plain_template=prompting.plain or PlainTemplate(),
            extraction=ExtractionSettings(
                passage_chars=prompting.passage_chars, passage_overlap=prompting.passage_overlap
            ),
        )

    def __call__(self, model: Any, share: slice = slice(None)) -> Verdict:
        """Judge `model` as it is; nothing in it, and no random number, is different afterwards.

        `share`: the part of the dev texts that this process extracts.
        """
        import torch

        started = time.perf_counter()
        gold = self.dev[share]
        with preserved(model):
            model.eval()
            predictions = self._predict(model, gold, torch)
        scores = score(gold, predictions)
        return Verdict(
            scores.keywords,
            scores.invalid.count,
            time.perf_counter() - started,
            tuple(map(_sample, gold[:SHOWN], predictions[:SHOWN])),
        )

    def _predict(self, model: Any, gold: Sequence[Example], torch: Any) -> list[Prediction]:
        weight = model.get_input_embeddings().weight
        loaded = replace(self._tools.loaded, model=model, device=weight.device, dtype=weight.dtype)
        extractor = self._extractor(loaded)
        bare = [Example(example.id, example.text) for example in gold]
        with torch.autocast(weight.device.type, enabled=False):
            return list(extractor.extract(bare))

    def _extractor(self, loaded: LoadedModel) -> Extractor:
        # Made anew each time: a decoder keeps the keys of the prompts' head, which are old now.
        return Extractor(
            self._name,
            self._strategy,
            loaded=loaded,
            glossary=self._tools.glossary,
            sources=self._tools.sources,
            cases=self._tools.cases,
            settings=self._settings,
            prompts=self._tools.prompts,
        )


def _sample(gold: Example, predicted: Prediction) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    wanted = tuple(dict.fromkeys(keyword.surface for keyword in gold.keywords))
    return gold.text, wanted, tuple(keyword.surface for keyword in predicted.keywords)


@contextmanager
def preserved(model: Any) -> Iterator[None]:
    """Put back random states, train mode and cache flags as they were, so that a run with
    evaluations is the run without them."""
    import numpy as np
    import torch

    modes = [(module, module.training) for module in model.modules()]
    cached = model.config.use_cache
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        model.config.use_cache = cached
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if gpu is not None:
            torch.cuda.set_rng_state_all(gpu)


def tools_for(prompting: Prompting, workspace: str, loaded: LoadedModel) -> Tools:
    """What the recipe's prompts need of the workspace, opened: glossary, cases, templates."""
    from engines.extraction.opening import corpus_cases
    from engines.extraction.strategy import needs_cases, needs_glossary
    from engines.finding import open_sources
    from engines.settings import load
    from engines.workspace import Workspace
    from glossary.store import Glossary

    assert prompting.settings is not None
    space = Workspace(Path(workspace)) if workspace else None
    tools = Tools(loaded, prompts=space.prompts if space else None)
    if space is None:
        return tools
    if (needs_glossary(prompting.settings) or prompting.glossary) and space.glossary_path.exists():
        tools.glossary = Glossary.open(space.glossary_path)
        tools.sources = open_sources(tools.glossary, load(space.root), space.root)[0]
    if (needs_cases(prompting.settings) or prompting.shots) and space.corpus_path.exists():
        tools.cases = corpus_cases(space)
    return tools
