"""The answers of one strategy to the texts of a ladder: from disk as far as they are there."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engines.evaluation.kept import Costs, Kept
from engines.evaluation.keys import Ingredients, key_of
from engines.evaluation.measuring import give_back, peak_memory
from engines.extraction.extractor import Extractor
from engines.extraction.opening import Opener
from engines.records import Example, Prediction
from engines.settings import StrategySettings
from engines.workspace import Workspace

# Texts that are asked alone, one after the other, for the latency.
ALONE = 20

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Answered:
    """All answers of one strategy, in the order of the texts. `asked`: those asked for just now."""

    key: str
    path: Path
    predictions: tuple[Prediction, ...]
    costs: Costs
    asked: int = 0


def cache_folder(space: Workspace) -> Path:
    """Where answers are kept."""
    return space.reports / "ladder" / "cache"


def answers(
    space: Workspace,
    opener: Opener,
    ingredients: Ingredients,
    name: str,
    strategy: StrategySettings,
    texts: Sequence[Example],
    *,
    fresh: bool = False,
    timed: bool = True,
    on_progress: Progress | None = None,
) -> Answered:
    """The answers of the strategy; what is not on disk yet is asked for and put there.

    The gold never reaches the strategy. `timed`: a model is also asked about some texts alone, for
    the latency. `on_progress` hears the name, texts done and texts in all.
    """
    made_of = ingredients.of(name, strategy)
    key = key_of(made_of)
    kept = Kept(cache_folder(space), key, made_of)
    if fresh:
        kept.drop()
    found = kept.read(texts)
    costs, lost = kept.costs(), [n for n, answer in enumerate(found) if answer.error]
    todo = len(texts) - len(found) + len(lost)
    timed = timed and strategy.kind == "model"
    if todo or (timed and not costs.alone):
        costs = _ask(opener, name, strategy, texts, found, kept, on_progress, timed=timed)
    elif on_progress is not None:
        on_progress(name, len(found), len(texts))
    return Answered(key, kept.path, tuple(found), costs, todo)


def _ask(
    opener: Opener,
    name: str,
    strategy: StrategySettings,
    texts: Sequence[Example],
    found: list[Prediction],
    kept: Kept,
    on_progress: Progress | None,
    *,
    timed: bool,
) -> Costs:
    before = kept.costs()
    give_back()
    extractor = opener.extractor(name, model=strategy.model)
    bare = [Example(example.id, example.text) for example in texts]
    # Texts that a server gave no answer about are asked about once more.
    lost = [number for number, answer in enumerate(found) if answer.error]
    again, todo = [bare[number] for number in lost], bare[len(found) :]
    with peak_memory() as memory, kept:
        kept.write_costs(before)
        # What loads on first use is no part of a text's time.
        list(extractor.extract((again + todo + bare)[:1]))
        _reset_gpu()
        for number, prediction in zip(lost, extractor.extract(again), strict=True):
            found[number] = prediction
        if lost:
            kept.rewrite(found)
        for prediction in extractor.extract(todo):
            kept.append(prediction)
            found.append(prediction)
            if on_progress is not None:
                on_progress(name, len(found), len(texts))
    alone = _alone(extractor, bare) if timed and not before.alone else ()
    now = Costs(memory.peak, _gpu_peak(), model=extractor.model, alone=alone)
    costs = before.merged(now)
    if strategy.kind != "model":
        costs = replace(costs, gpu_peak_bytes=None)
    kept.write_costs(costs)
    return costs


def _alone(extractor: Extractor, texts: Sequence[Example]) -> tuple[float, ...]:
    """Seconds until the answer to a text that is asked alone, for texts of all lengths."""
    ordered, count = sorted(texts, key=lambda text: len(text.text)), min(ALONE, len(texts))
    seconds = []
    for number in range(count):
        text = ordered[(2 * number + 1) * len(ordered) // (2 * count)]
        started = time.perf_counter()
        answers = list(extractor.extract([text]))
        if not any(answer.error for answer in answers):
            seconds.append(time.perf_counter() - started)
    return tuple(seconds)


def free(opener: Opener) -> None:
    """Let go of the models that were loaded, and of the GPU's memory that they held."""
    opener.drop_models()
    gc.collect()
    give_back()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _reset_gpu() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _gpu_peak() -> int | None:
    """The most that this process had allocated on its GPU since the reset; None without one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return int(torch.cuda.max_memory_allocated())
