"""What a ladder measured: a rung a row, with what it costs and whether its gain is real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from engines.evaluation.metrics import Counts, Overlap, Scores, Share


@dataclass(frozen=True, slots=True)
class Delta:
    """F1 minus that of the rung `against`, with its 95 % interval and its p-values."""

    against: str
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float

    def to_json(self) -> dict[str, Any]:
        """The fields as one object."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Delta:
        """The inverse of `to_json`."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class RungResult:
    """One strategy measured on a split.

    `rung`: 0 controls, 1 prompt, 2 rag, 3 lora and qlora, 4 full, 5 tokenizer. Latencies and
    `training_seconds` in seconds, memory in bytes, `prompt_tokens` a text in the mean, `effort`
    from 1 to 5. `predictions` is relative to the workspace. `stale`: texts or labels have changed
    since.
    """

    strategy: str
    rung: int
    label: str
    model: str
    split: str
    texts: int
    scores: Scores
    f1_low: float
    f1_high: float
    delta: Delta | None
    texts_per_second: float
    latency_p50: float
    latency_p95: float
    peak_bytes: int
    gpu_peak_bytes: int | None
    training_seconds: float
    gpu_hours: float
    labeled_examples: int
    epochs: float
    prompt_tokens: float
    effort: int
    seeds: int
    key: str
    predictions: str
    stale: bool = False
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as one object; the counts of single texts are left out."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["scores"] = self.scores.to_json()
        values["delta"] = self.delta.to_json() if self.delta is not None else None
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RungResult:
        """The inverse of `to_json`; KeyError, TypeError or ValueError for another object."""
        known = dict(values)
        known["scores"] = _scores(values["scores"])
        known["delta"] = Delta.from_json(values["delta"]) if values["delta"] else None
        return cls(**known)


@dataclass(frozen=True, slots=True)
class LadderResult:
    """The rungs of one split, sorted, with what follows from them and how to measure it again.

    `test_uses`, `split_uses`: how often the test split and this one have been scored.
    """

    split: str
    texts: int
    rows: tuple[RungResult, ...] = ()
    advice: tuple[str, ...] = ()
    gold_problems: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    test_uses: int = 0
    split_uses: int = 0
    created: str = ""

    def notes(self) -> list[str]:
        """What is to be known of strategies, each sentence once after the names it is about."""
        names: dict[str, list[str]] = {}
        for row in self.rows:
            if row.note:
                names.setdefault(row.note, []).append(row.label or row.strategy)
        return [f"{', '.join(about)}: {note}" for note, about in names.items()]

    def to_json(self) -> dict[str, Any]:
        """The fields as one object."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["rows"] = [row.to_json() for row in self.rows]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LadderResult:
        """The inverse of `to_json`; KeyError, TypeError or ValueError for another object."""
        known = dict(values)
        known["rows"] = tuple(RungResult.from_json(row) for row in values["rows"])
        for name in ("advice", "gold_problems", "commands"):
            known[name] = tuple(str(line) for line in values.get(name, ()))
        return cls(**known)


_NOTHING = {"tp": 0, "fp": 0, "fn": 0}


def _scores(values: Mapping[str, Any]) -> Scores:
    partial = values["partial"]
    names = ("exact", "partial", "predicted", "gold")
    shares = {
        name: _share(values[name])
        for name in ("hallucinated", "invalid", "empty_exact", "gold_grounded")
    }
    return Scores(
        per_text=(Counts(),) * int(values["texts"]),
        keywords=_counts(values),
        macro_f1=float(values["macro_f1"]),
        span=_counts(values["span"]),
        partial=Overlap(*(int(partial[name]) for name in names)),
        **shares,
        seen=_share(values["seen"]) if values["seen"] else None,
        unseen=_share(values["unseen"]) if values["unseen"] else None,
        categories={str(name): _share(one) for name, one in values["categories"].items()},
        spaceless=_counts(values.get("spaceless") or _NOTHING),
        canonical=_counts(values.get("canonical") or _NOTHING),
        lengths={str(name): _counts(one) for name, one in values.get("lengths", {}).items()},
    )


def _counts(values: Mapping[str, Any]) -> Counts:
    return Counts(int(values["tp"]), int(values["fp"]), int(values["fn"]))


def _share(values: Mapping[str, Any]) -> Share:
    return Share(int(values["count"]), int(values["total"]))
