"""What a server counts, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class Metrics:
    """Counts since the start; only the server's event loop changes them."""

    responses: Counter[tuple[str, int]] = field(default_factory=Counter)
    texts: int = 0
    keywords: int = 0
    batches: int = 0
    batched: int = 0
    waiting: int = 0
    seconds: float = 0.0
    _buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def responded(self, path: str, status: int, seconds: float) -> None:
        """One more response, `seconds` after its request."""
        self.responses[path, status] += 1
        self.seconds += seconds
        self._buckets[bisect_left(BUCKETS, seconds)] += 1

    def text(self) -> str:
        """All of it, one metric after the other."""
        lines = ["# TYPE kwtui_responses_total counter"]
        for (path, status), count in sorted(self.responses.items()):
            lines.append(f'kwtui_responses_total{{path="{path}",status="{status}"}} {count}')
        for name, kind, value in (
            ("kwtui_texts_total", "counter", self.texts),
            ("kwtui_keywords_total", "counter", self.keywords),
            ("kwtui_batches_total", "counter", self.batches),
            ("kwtui_batched_texts_total", "counter", self.batched),
            ("kwtui_texts_waiting", "gauge", self.waiting),
        ):
            lines += [f"# TYPE {name} {kind}", f"{name} {value}"]
        return "\n".join([*lines, *self._histogram()]) + "\n"

    def _histogram(self) -> list[str]:
        name, total = "kwtui_response_seconds", 0
        lines = [f"# TYPE {name} histogram"]
        for limit, count in zip((*BUCKETS, "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{limit}"}} {total}')
        return [*lines, f"{name}_sum {self.seconds:.6f}", f"{name}_count {total}"]
