"""The rows of the ladder's table: what each strategy found, costs and gains over the rung below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engines.evaluation.answering import Answered
from engines.evaluation.metrics import Counts, Scores
from engines.evaluation.results import Delta, RungResult
from engines.evaluation.rungs import CONTROL, Standing
from engines.evaluation.significance import holm, seeded_difference, seeded_interval
from engines.evaluation.summing import summed
from engines.records import Example
from engines.settings import StrategySettings
from engines.workspace import Workspace
from glossary.i18n import _, ngettext_

DEV = "dev"


@dataclass(frozen=True, slots=True)
class Climbed:
    """One strategy with the answers of each of its trainings."""

    name: str
    strategy: StrategySettings
    standing: Standing
    answered: tuple[Answered, ...]
    scores: tuple[Scores, ...]

    @property
    def counts(self) -> list[Sequence[Counts]]:
        """The counts of each text, a training a list."""
        return [one.per_text for one in self.scores]


def row_of(space: Workspace, split: str, texts: Sequence[Example], one: Climbed) -> RungResult:
    """The row of one strategy, its gain left open."""
    first = one.answered[0]
    interval = seeded_interval(one.counts)
    predictions = [p for answered in one.answered for p in answered.predictions]
    seconds = [p.seconds for p in predictions]
    # A control takes one text after the other, a model a batch at a time.
    alone = [s for answered in one.answered for s in answered.costs.alone] or seconds
    stands = one.standing
    gpu = [a.costs.gpu_peak_bytes for a in one.answered if a.costs.gpu_peak_bytes is not None]
    return RungResult(
        strategy=one.name,
        rung=stands.rung,
        label=one.name,
        model=first.costs.model,
        split=split,
        texts=len(texts),
        scores=summed(one.scores),
        f1_low=interval.low,
        f1_high=interval.high,
        delta=None,
        texts_per_second=len(seconds) / sum(seconds) if sum(seconds) else 0.0,
        latency_p50=quantile(alone, 0.5),
        latency_p95=quantile(alone, 0.95),
        peak_bytes=max(a.costs.peak_bytes for a in one.answered),
        gpu_peak_bytes=max(gpu) if gpu else None,
        training_seconds=stands.training_seconds,
        gpu_hours=stands.gpu_hours,
        labeled_examples=stands.labeled_examples,
        epochs=stands.epochs,
        prompt_tokens=sum(p.prompt_tokens for p in predictions) / len(predictions),
        effort=stands.effort,
        seeds=len(one.answered),
        key=first.key,
        predictions=str(first.path.relative_to(space.root)),
        note=_note(split, stands, sum(bool(p.error) for p in predictions)),
    )


def _note(split: str, stands: Standing, lost: int) -> str:
    found = []
    if split == DEV and stands.method in ("lora", "qlora", "full", "tokenizer"):
        chosen = _("the best checkpoint was chosen on dev, so F1 here is a little flattered.")
        found.append(chosen)
    if lost:
        sentence = ngettext_(
            "the server gave no answer about {count} text, which counts as empty; the next ladder "
            "asks again.",
            "the server gave no answer about {count} texts, which count as empty; the next ladder "
            "asks again.",
            lost,
        )
        found.append(sentence.format(count=lost))
    return "; ".join(sentence.removesuffix(".") for sentence in found) + ("." if found else "")


def quantile(seconds: Sequence[float], share: float) -> float:
    """The quantile of a few values, interpolated (Hazen's plotting positions); 0 of none."""
    import numpy as np

    return float(np.quantile(seconds, share, method="hazen")) if len(seconds) else 0.0


def gain_of(one: Climbed, other: Climbed) -> Delta:
    """F1 of `other` minus that of `one`, its p-value not corrected yet."""
    found = seeded_difference(one.counts, other.counts)
    ends = (found.interval.low, found.interval.high)
    return Delta(one.name, found.value, *ends, found.p_value, found.p_value)


def deltas(
    order: Sequence[Climbed], rows: Sequence[RungResult], against: str = ""
) -> dict[str, Delta]:
    """Each strategy against the best one of the rung below, p-values corrected over all (Holm).

    With `against` each other one against that one.
    """
    found: dict[str, Delta] = {}
    scored = {row.strategy: row.scores.f1 for row in rows}
    for one in order:
        if against:
            if one.name != against:
                base = next(other for other in order if other.name == against)
                found[one.name] = gain_of(base, one)
            continue
        lower = [other for other in order if other.standing.rung < one.standing.rung]
        if not lower or one.standing.rung == CONTROL:
            continue
        top = max(other.standing.rung for other in lower)
        below = [other for other in lower if other.standing.rung == top]
        best = max(below, key=lambda other: scored[other.name])
        found[one.name] = gain_of(best, one)
    corrected = holm({name: delta.p for name, delta in found.items()})
    return {name: replace(delta, p_corrected=corrected[name]) for name, delta in found.items()}


def missed_words(
    texts: Sequence[Example], rows: Sequence[RungResult], climbed: Mapping[str, Climbed]
) -> dict[str, set[str]]:
    """The gold words that each strategy missed somewhere."""
    found: dict[str, set[str]] = {}
    for row in rows:
        words: set[str] = set()
        predictions = climbed[row.strategy].answered[0].predictions
        for example, prediction in zip(texts, predictions, strict=True):
            got = {keyword.surface for keyword in prediction.keywords}
            words |= {k.surface for k in example.keywords} - got
        found[row.strategy] = words
    return found
