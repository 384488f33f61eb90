"""The scores of several trainings of one strategy as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from engines.evaluation.metrics import Counts, Overlap, Scores, Share


def summed(parts: Sequence[Scores]) -> Scores:
    """All answers of all trainings counted together; macro F1 is the mean. One stays as it is."""
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        per_text=tuple(counts for part in parts for counts in part.per_text),
        keywords=_counts(p.keywords for p in parts),
        macro_f1=sum(part.macro_f1 for part in parts) / len(parts),
        span=_counts(p.span for p in parts),
        partial=sum((p.partial for p in parts), Overlap()),
        hallucinated=_shares(p.hallucinated for p in parts),
        invalid=_shares(p.invalid for p in parts),
        empty_exact=_shares(p.empty_exact for p in parts),
        gold_grounded=_shares(p.gold_grounded for p in parts),
        seen=_shares(p.seen for p in parts if p.seen) if parts[0].seen else None,
        unseen=_shares(p.unseen for p in parts if p.unseen) if parts[0].unseen else None,
        categories=_by_name([p.categories for p in parts]),
        spaceless=_counts(p.spaceless for p in parts),
        canonical=_counts(p.canonical for p in parts),
        lengths={
            name: _counts(p.lengths[name] for p in parts if name in p.lengths)
            for name in parts[0].lengths
        },
    )


def _counts(parts: Iterable[Counts]) -> Counts:
    return sum(parts, Counts())


def _shares(parts: Iterable[Share]) -> Share:
    return sum(parts, Share())


def _by_name(parts: Sequence[Mapping[str, Share]]) -> dict[str, Share]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: _shares(part[name] for part in parts if name in part) for name in names}
