"""Strategies side by side on the same labeled texts: what each finds, and what it costs."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.evaluation.metrics import Scores, score
from engines.extraction.extractor import Extractor
from engines.records import Example, Prediction

SAMPLED = 0.05


@dataclass(frozen=True, slots=True)
class Rung:
    """One strategy measured: scores by split, texts a second, and the peak of memory in bytes.

    `peak_bytes` is the highest resident memory of the process while the strategy ran.
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
    """The highest resident memory of this process, in bytes, since this was made.

    Linux keeps it itself and lets it begin anew (clear_refs, proc(5)); elsewhere it is sampled.
    """

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._end = threading.Event()
        self.kept = _begin_anew()
        self.peak = 0
        self.look()

    def look(self) -> None:
        """Bring `peak` up to now."""
        seen = _highest() if self.kept else 0
        self.peak = max(self.peak, seen, self._process.memory_info().rss)

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
    if not memory.kept:
        watcher.start()
    try:
        yield memory
    finally:
        memory.end()
        if not memory.kept:
            watcher.join()
        memory.look()


def give_back() -> None:
    """Hand memory that was freed back to the system, so that it is in nobody's peak."""
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def _begin_anew() -> bool:
    """Have the kernel forget this process's peak; False where it does not know how to."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _highest() > 0
    except OSError:
        return False


def _highest() -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0
