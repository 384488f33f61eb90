"""Strategies side by side on the same labeled texts: what each finds, and what it costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engines.evaluation.metrics import Scores, score
from engines.extraction.extractor import Extractor
from engines.records import Example, Prediction

SAMPLED = 0.05


@dataclass(frozen=True, slots=True)
class Rung:
    """One strategy measured: scores by split, texts a second, and the peak of memory in bytes.

    `peak_bytes` is the resident memory of the whole process while the strategy ran, sampled 20
    times a second: what earlier strategies left loaded is in it.
    """

    strategy: str
    model: str
    scores: Mapping[str, Scores]
    seconds: float
    peak_bytes: int
    feedback_rounds: int = 0

    @property
    def texts(self) -> int:
        """Number of texts of all splits."""
        return sum(scores.texts for scores in self.scores.values())

    @property
    def texts_per_second(self) -> float:
        """Texts a second over all splits, without loading."""
        return self.texts / self.seconds if self.seconds else 0.0

    @property
    def invalid(self) -> int:
        """Answers of all splits that were no JSON array of strings."""
        return sum(scores.invalid.count for scores in self.scores.values())

    @property
    def hallucinated(self) -> int:
        """Answered words of all splits that do not stand in their text."""
        return sum(scores.hallucinated.count for scores in self.scores.values())

    def to_json(self) -> dict[str, Any]:
        """The row as one object."""
        return {
            "strategy": self.strategy,
            "model": self.model,
            "feedback_rounds": self.feedback_rounds,
            "splits": {name: scores.to_json() for name, scores in self.scores.items()},
            "invalid": self.invalid,
            "hallucinated": self.hallucinated,
            "seconds": round(self.seconds, 3),
            "texts_per_second": round(self.texts_per_second, 3),
            "peak_bytes": self.peak_bytes,
        }


def measure(
    extractor: Extractor,
    splits: Mapping[str, Sequence[Example]],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Rung:
    """Run a strategy over labeled splits and score it. The gold never reaches the strategy.

    One text is asked before the clock starts, so that what loads on first use is not counted.
    """
    predictions: dict[str, list[Prediction]] = {}
    done = 0

    def heard(count: int) -> None:
        if on_progress is not None:
            on_progress(done + count)

    with peak_memory() as memory:
        warm = [Example(e.id, e.text) for found in splits.values() for e in found[:1]][:1]
        list(extractor.extract(warm))
        started = time.perf_counter()
        for name, examples in splits.items():
            bare = [Example(example.id, example.text) for example in examples]
            predictions[name] = list(extractor.extract(bare, on_progress=heard))
            done += len(bare)
        seconds = time.perf_counter() - started
    scores = {name: score(examples, predictions[name]) for name, examples in splits.items()}
    models = {p.model for found in predictions.values() for p in found if p.model}
    return Rung(
        extractor.name,
        next(iter(models), ""),
        scores,
        seconds,
        memory.peak,
        extractor.strategy.feedback_rounds,
    )


def spread(examples: Sequence[Example], limit: int) -> list[Example]:
    """At most `limit` examples at equal distances, the same each time; 0 means all."""
    if limit <= 0 or limit >= len(examples):
        return list(examples)
    return [examples[index * len(examples) // limit] for index in range(limit)]


class PeakMemory:
    """The highest resident memory of this process, in bytes, seen so far."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._end = threading.Event()
        self.peak = 0
        self.look()

    def look(self) -> None:
        """Take one sample."""
        self.peak = max(self.peak, self._process.memory_info().rss)

    def watch(self) -> None:
        """Sample until `end`."""
        while not self._end.wait(SAMPLED):
            self.look()

    def end(self) -> None:
        """Stop `watch`."""
        self._end.set()


@contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Watch this process's memory while the block runs."""
    memory = PeakMemory()
    watcher = threading.Thread(target=memory.watch, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        memory.end()
        watcher.join()
        memory.look()
