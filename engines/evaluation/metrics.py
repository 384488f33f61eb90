"""Scores of predicted keywords against gold ones.

Headline: micro precision, recall and F1 over the sets of NFC-normalised, deduplicated surfaces of
each text. Beside it: macro F1 over texts, exact and partial spans (SemEval-2013 task 9, as in
nervaluate), hallucinations, invalid outputs, recall of terms seen in training and of new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engines.evaluation.pairing import Pairs, align
from engines.records import Example, Keyword, Prediction
from glossary.text import normalise

Span = tuple[int, int]
# Upper ends (code points, exclusive) of the classes of text length, with their names.
LENGTHS = ((50, "0-49"), (100, "50-99"), (200, "100-199"), (500, "200-499"))
LONGEST = "500-"


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives and false negatives with the rates that follow.

    Nothing to find and nothing answered is a perfect answer: precision, recall and F1 are 1.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def precision(self) -> float:
        """Share tp / (tp + fp); without answers 1 when there was nothing to find, otherwise 0."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else float(self.fn == 0)

    @property
    def recall(self) -> float:
        """Share tp / (tp + fn); with nothing to find 1 when nothing was answered, otherwise 0."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else float(self.fp == 0)

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 1.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    def to_json(self) -> dict[str, float]:
        """Counts and rates as one object."""
        rates = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn, **rates}


@dataclass(frozen=True, slots=True)
class Overlap:
    """Spans matched one to one: exact ones count 1, overlapping ones one half.

    Exact pairs are made first; then each remaining predicted span, from left to right, takes the
    first remaining gold span that it overlaps.
    """

    exact: int = 0
    partial: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def precision(self) -> float:
        """(exact + partial / 2) / predicted."""
        return self._share(self.predicted, self.gold)

    @property
    def recall(self) -> float:
        """(exact + partial / 2) / gold."""
        return self._share(self.gold, self.predicted)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.predicted + self.gold
        return (2 * self.exact + self.partial) / total if total else 1.0

    def _share(self, of: int, other: int) -> float:
        return (self.exact + self.partial / 2) / of if of else float(other == 0)

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(
            self.exact + other.exact,
            self.partial + other.partial,
            self.predicted + other.predicted,
            self.gold + other.gold,
        )

    def to_json(self) -> dict[str, float]:
        """Counts and rates as one object."""
        counts = {"exact": self.exact, "partial": self.partial}
        sums = {"predicted": self.predicted, "gold": self.gold}
        rates = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {**counts, **sums, **rates}


@dataclass(frozen=True, slots=True)
class Share:
    """`count` out of `total`; the rate is None where there is nothing to count."""

    count: int = 0
    total: int = 0

    @property
    def rate(self) -> float | None:
        """Share count / total, None when total is 0."""
        return self.count / self.total if self.total else None

    def __add__(self, other: Share) -> Share:
        return Share(self.count + other.count, self.total + other.total)

    def to_json(self) -> dict[str, float | None]:
        """Counts and rate as one object."""
        return {"count": self.count, "total": self.total, "rate": self.rate}


@dataclass(frozen=True, slots=True)
class Scores:
    """All scores of one list of predictions.

    `hallucinated`: answered words that do not stand in their text. `invalid`: answers that were
    no JSON array of strings. `empty_exact`: texts without gold keyword that got an empty answer.
    `gold_grounded`: gold keywords that stand in their text. `seen`, `unseen`: recall of gold
    keywords that training held or not. `categories`: recall by category of the gold
    or of the glossary. `spaceless`:
    compared without any spaces. `canonical`: compared as canonical forms of the glossary, so that
    an alias is as good as its term. `lengths`: by code points of the text, see LENGTHS.
    """

    per_text: tuple[Counts, ...]
    keywords: Counts
    macro_f1: float
    span: Counts
    partial: Overlap
    hallucinated: Share
    invalid: Share
    empty_exact: Share
    gold_grounded: Share
    seen: Share | None = None
    unseen: Share | None = None
    categories: Mapping[str, Share] = field(default_factory=dict)
    spaceless: Counts = Counts()
    canonical: Counts = Counts()
    lengths: Mapping[str, Counts] = field(default_factory=dict)

    @property
    def texts(self) -> int:
        """Number of texts scored."""
        return len(self.per_text)

    @property
    def tp(self) -> int:
        """Keywords answered that are gold."""
        return self.keywords.tp

    @property
    def fp(self) -> int:
        """Keywords answered that are not gold, ungrounded words included."""
        return self.keywords.fp

    @property
    def fn(self) -> int:
        """Gold keywords that were not answered."""
        return self.keywords.fn

    @property
    def precision(self) -> float:
        """Micro precision over keyword sets."""
        return self.keywords.precision

    @property
    def recall(self) -> float:
        """Micro recall over keyword sets."""
        return self.keywords.recall

    @property
    def f1(self) -> float:
        """Micro F1 over keyword sets: the headline."""
        return self.keywords.f1

    @property
    def span_f1(self) -> float:
        """Micro F1 over exact spans."""
        return self.span.f1

    @property
    def hallucination_rate(self) -> float:
        """Share of answered words that do not stand in their text (0 when nothing was answered)."""
        return self.hallucinated.rate or 0.0

    @property
    def invalid_rate(self) -> float:
        """Share of answers that were no valid JSON array of strings."""
        return self.invalid.rate or 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything but the counts per text."""
        return {
            "texts": self.texts,
            **self.keywords.to_json(),
            "macro_f1": self.macro_f1,
            "span": self.span.to_json(),
            "partial": self.partial.to_json(),
            "hallucinated": self.hallucinated.to_json(),
            "invalid": self.invalid.to_json(),
            "empty_exact": self.empty_exact.to_json(),
            "gold_grounded": self.gold_grounded.to_json(),
            "seen": self.seen.to_json() if self.seen else None,
            "unseen": self.unseen.to_json() if self.unseen else None,
            "categories": {name: share.to_json() for name, share in self.categories.items()},
            "spaceless": self.spaceless.to_json(),
            "canonical": self.canonical.to_json(),
            "lengths": {name: counts.to_json() for name, counts in self.lengths.items()},
        }


Key = Callable[[Keyword], str]
Form = Callable[[str], str]


def surface_key(keyword: Keyword) -> str:
    """The form under which keywords are compared: the normalised surface."""
    return normalise(keyword.surface)


def score(
    gold: Sequence[Example],
    pred: Sequence[Prediction],
    *,
    seen: Collection[str] | None = None,
    key: Key = surface_key,
    allow_missing: bool = False,
    canonical: Mapping[str, str] | None = None,
    categories: Mapping[str, str] | None = None,
) -> Scores:
    """Score predictions against gold, paired by id or by order (`pairing.align`).

    `seen`: surfaces of the training keywords, for recall of seen and unseen terms. `key` maps a
    keyword to the form compared. `allow_missing` scores a text without prediction as an empty
    answer. `canonical`, `categories`: the canonical form and the category of each surface that a
    glossary knows; a category that the gold itself has goes before. Raises UserError where the two
    lists do not belong together.
    """
    pairs = align(gold, pred, allow_missing=allow_missing)
    per_text = tuple(_sets(example, answer, key) for example, answer in pairs)
    known = None if seen is None else {normalise(surface) for surface in seen}
    kinds = categories or {}
    recalls = [_recalls(example, answer, key, known, kinds) for example, answer in pairs]
    return Scores(
        per_text=per_text,
        keywords=sum(per_text, Counts()),
        macro_f1=sum(c.f1 for c in per_text) / len(per_text) if per_text else 0.0,
        span=sum((_span_counts(*_spans(e, p)) for e, p in pairs), Counts()),
        partial=sum((overlap(*_spans(e, p)) for e, p in pairs), Overlap()),
        hallucinated=sum((_hallucinated(p) for _, p in pairs), Share()),
        invalid=Share(sum(not p.valid for _, p in pairs), len(pairs)),
        empty_exact=_empty_exact(per_text),
        gold_grounded=sum((_gold_grounded(e) for e, _ in pairs), Share()),
        seen=None if known is None else sum((r[0] for r in recalls), Share()),
        unseen=None if known is None else sum((r[1] for r in recalls), Share()),
        categories=_merged(r[2] for r in recalls),
        spaceless=sum((_sets(e, p, _spaceless_key, _spaceless) for e, p in pairs), Counts()),
        canonical=_canonical_counts(pairs, canonical or {}),
        lengths=_by_length(pairs, per_text),
    )


def length_class(text: str) -> str:
    """The name of the class of text length that `text` is of."""
    return next((name for end, name in LENGTHS if len(text) < end), LONGEST)


def _by_length(pairs: Pairs, per_text: Iterable[Counts]) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for (example, _answer), counts in zip(pairs, per_text, strict=True):
        name = length_class(example.text)
        found[name] = found.get(name, Counts()) + counts
    order = [name for _end, name in LENGTHS] + [LONGEST]
    return {name: found[name] for name in order if name in found}


def _canonical_counts(pairs: Pairs, known: Mapping[str, str]) -> Counts:
    def form(word: str) -> str:
        word = normalise(word)
        return known.get(word, word)

    def key(keyword: Keyword) -> str:
        return normalise(keyword.canonical) if keyword.canonical else form(keyword.surface)

    return sum((_sets(e, p, key, form) for e, p in pairs), Counts())


def _spaceless(word: str) -> str:
    return "".join(normalise(word).split())


def _spaceless_key(keyword: Keyword) -> str:
    return _spaceless(keyword.surface)


def overlap(gold: Collection[Span], pred: Collection[Span]) -> Overlap:
    """Match two sets of spans one to one, exact pairs first, then overlapping ones."""
    golds, preds = set(gold), set(pred)
    exact = golds & preds
    left = sorted(golds - exact)
    partial = 0
    for start, end in sorted(preds - exact):
        hit = next((s for s in left if s[0] < end and start < s[1]), None)
        if hit is not None:
            left.remove(hit)
            partial += 1
    return Overlap(len(exact), partial, len(preds), len(golds))


def _wanted(example: Example, key: Key, form: Form = normalise) -> set[str]:
    """The gold set; a gold keyword that its text does not hold still counts as wanted."""
    outside = example.meta.get("ungrounded", ())
    return {key(keyword) for keyword in example.keywords} | {form(word) for word in outside}


def _answered(prediction: Prediction, key: Key, form: Form = normalise) -> set[str]:
    grounded = {key(keyword) for keyword in prediction.keywords}
    return grounded | {form(word) for word in prediction.ungrounded}


def _sets(example: Example, prediction: Prediction, key: Key, form: Form = normalise) -> Counts:
    gold, pred = _wanted(example, key, form), _answered(prediction, key, form)
    return Counts(len(gold & pred), len(pred - gold), len(gold - pred))


def _spans(example: Example, prediction: Prediction) -> tuple[set[Span], set[Span]]:
    return (
        {(k.start, k.end) for k in example.keywords},
        {(k.start, k.end) for k in prediction.keywords},
    )


def _span_counts(gold: set[Span], pred: set[Span]) -> Counts:
    return Counts(len(gold & pred), len(pred - gold), len(gold - pred))


def _hallucinated(prediction: Prediction) -> Share:
    words = {normalise(k.surface) for k in prediction.keywords}
    words |= {normalise(word) for word in prediction.ungrounded}
    return Share(sum(word not in prediction.text for word in words), len(words))


def _empty_exact(per_text: Iterable[Counts]) -> Share:
    empty = [counts for counts in per_text if counts.tp + counts.fn == 0]
    return Share(sum(counts.fp == 0 for counts in empty), len(empty))


def _gold_grounded(example: Example) -> Share:
    inside = len({k.surface for k in example.keywords})
    return Share(inside, inside + len(set(example.meta.get("ungrounded", ()))))


def _recalls(
    example: Example,
    prediction: Prediction,
    key: Key,
    known: set[str] | None,
    kinds: Mapping[str, str],
) -> tuple[Share, Share, dict[str, Share]]:
    """Recall of seen terms, of unseen terms and of each category of the gold in one text."""
    pred = _answered(prediction, key)
    gold = {key(keyword): keyword for keyword in reversed(example.keywords)}
    seen, unseen, categories = Share(), Share(), dict[str, Share]()
    for form, keyword in gold.items():
        hit = Share(int(form in pred), 1)
        if known is not None and normalise(keyword.surface) in known:
            seen += hit
        else:
            unseen += hit
        if kind := keyword.category or kinds.get(keyword.surface):
            categories[kind] = categories.get(kind, Share()) + hit
    return seen, unseen, categories


def _merged(parts: Iterable[Mapping[str, Share]]) -> dict[str, Share]:
    merged: dict[str, Share] = {}
    for part in parts:
        for name, share in part.items():
            merged[name] = merged.get(name, Share()) + share
    return dict(sorted(merged.items()))
