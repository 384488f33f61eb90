"""Checks that find errors in labels, each with the texts where they stand.

`run` gives every check; those that read words need a matcher over the glossary or Kiwi.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engines.corpus import duplicates
from engines.corpus.connection import sentences
from engines.corpus.reading import Reading
from engines.corpus.splits import HELD_OUT, TRAIN
from engines.records import Example, Keyword
from glossary.i18n import _
from glossary.matching import Matcher
from glossary.term import Term

LONG = 30
_SUFFIXES = ("형", "용")


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that a person should look at; `other` is the text it stands against."""

    id: str
    text: str
    surface: str = ""
    start: int = -1
    end: int = -1
    note: str = ""
    other: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields that are set."""
        return {name: value for name, value in asdict(self).items() if value not in ("", -1)}


@dataclass(slots=True)
class Result:
    """What one check found; `findings` are the first ones, `count` is all of them."""

    name: str
    count: int = 0
    findings: list[Finding] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The count and the first findings."""
        return {"count": self.count, "findings": [one.to_json() for one in self.findings]}


@dataclass(frozen=True, slots=True)
class Uneven:
    """A surface that is a keyword in some labeled texts and left out where it stands in others."""

    surface: str
    labeled: int
    unlabeled: int
    places: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """The counts and the places without a label."""
        return {**asdict(self), "places": [place.to_json() for place in self.places]}


@dataclass(frozen=True, slots=True)
class Known:
    """What the glossary says: `matcher` over its terms, `excluded` words with the reason."""

    matcher: Matcher | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)


def titles() -> dict[str, str]:
    """The checks in their order, each with its sentence."""
    return {
        "uneven": _("Labeled in some texts and not in others"),
        "ungrounded": _("Keywords that their text does not hold"),
        "excluded": _("Labeled although on the not-a-keyword list"),
        "attached": _("Josa, 형 or 용 labeled with the keyword"),
        "terms": _("Glossary terms without a label"),
        "long": _("Unusually long keywords"),
        "empty": _("Labeled texts without a keyword"),
        "versions": _("Labeled under two versions of the guideline"),
        "duplicates": _("Near-duplicates within a split"),
        "across": _("Near-duplicates in two splits"),
        "leak": _("Near-duplicates of training texts in a held-out split"),
    }


def run(
    corpus: Reading, known: Known | None = None, names: Sequence[str] = (), *, limit: int = 100
) -> list[Result]:
    """The wanted checks (all of them when `names` is empty), `limit` findings kept of each.

    Checks of duplicates need `duplicates.sign` first.
    """
    known = known or Known()
    wanted = [name for name in titles() if not names or name in names]
    examples = list(corpus.examples())
    makers: dict[str, Callable[[], Iterable[Finding]]] = {
        "uneven": lambda: (p for one in uneven(examples) for p in one.places),
        "ungrounded": lambda: _ungrounded(examples),
        "excluded": lambda: _excluded(examples, known.excluded),
        "attached": lambda: _attached(examples),
        "terms": lambda: _terms(examples, known.matcher),
        "long": lambda: _long(examples),
        "empty": lambda: (Finding(e.id, e.text) for e in examples if not e.keywords),
        "versions": lambda: _versions(corpus),
    }
    pairs = list(duplicates.pairs(corpus)) if {"duplicates", "across", "leak"} & {*wanted} else []
    results: list[Result] = []
    for name in wanted:
        found = makers[name]() if name in makers else _pairs(corpus, pairs, name)
        results.append(_result(name, found, limit))
    return results


def _result(name: str, findings: Iterable[Finding], limit: int) -> Result:
    result = Result(name)
    for finding in findings:
        result.count += 1
        if len(result.findings) < limit:
            result.findings.append(finding)
    return result


def uneven(examples: Sequence[Example]) -> list[Uneven]:
    """Surfaces labeled here and not there, those that one side leads by most first.

    A place counts where the letters are a word (glossary.matching) and no label covers them.
    """
    labeled = Counter(surface for e in examples for surface in {k.surface for k in e.keywords})
    matcher = Matcher(Term(surface, surface) for surface in labeled)
    places: dict[str, list[Finding]] = defaultdict(list)
    for example in examples:
        for hit in _unlabeled(example, matcher):
            places[hit.surface].append(hit)
    found = []
    for surface, hits in places.items():
        if surface not in labeled:
            continue
        left_out = len({hit.id for hit in hits})
        note = f"{labeled[surface]} : {left_out}"
        noted = tuple(replace(hit, note=note) for hit in hits)
        found.append(Uneven(surface, labeled[surface], left_out, noted))
    return sorted(found, key=lambda u: (-_lead(u), -u.labeled, u.surface))


def _lead(one: Uneven) -> float:
    return max(one.labeled, one.unlabeled) / min(one.labeled, one.unlabeled)


def _unlabeled(example: Example, matcher: Matcher) -> Iterator[Finding]:
    """Words of the matcher in the text that no label touches."""
    spans = [(k.start, k.end) for k in example.keywords]
    raw = matcher.find_all(example.text)
    if all(any(hit.start < end and start < hit.end for start, end in spans) for hit in raw):
        return
    for hit in matcher.find(example.text):
        if not any(hit.start < end and start < hit.end for start, end in spans):
            yield Finding(example.id, example.text, hit.surface, hit.start, hit.end)


def _places(example: Example, keyword: Keyword, note: str = "") -> Finding:
    return Finding(example.id, example.text, keyword.surface, keyword.start, keyword.end, note)


def _ungrounded(examples: Iterable[Example]) -> Iterator[Finding]:
    for example in examples:
        for word in example.meta.get("ungrounded", ()):
            yield Finding(example.id, example.text, str(word))


def _excluded(examples: Iterable[Example], excluded: Mapping[str, str]) -> Iterator[Finding]:
    for example in examples:
        for keyword in example.keywords:
            if keyword.surface in excluded:
                yield _places(example, keyword, excluded[keyword.surface])


def _attached(examples: Sequence[Example]) -> Iterator[Finding]:
    """Keywords that end in josa or endings by Kiwi, or in 형 or 용 behind another keyword."""
    surfaces = {k.surface for e in examples for k in e.keywords}
    verdicts: dict[str, str] = {}
    for example in examples:
        for keyword in example.keywords:
            surface = keyword.surface
            if surface not in verdicts:
                verdicts[surface] = _tail(surface, surfaces)
            if verdicts[surface]:
                yield _places(example, keyword, verdicts[surface])


def _tail(surface: str, surfaces: set[str]) -> str:
    """What is attached to the keyword, "" for nothing."""
    if surface[-1:] in _SUFFIXES and (surface[:-1] in surfaces or len(surface) > 2):
        from glossary.boundaries import known

        if surface[:-1] in surfaces or (known(surface[:-1]) and len(surface) > 3):
            return surface[-1]
    if not "가" <= surface[-1:] <= "힣" or len(surface) < 2:
        return ""
    from glossary.boundaries import morphemes

    tokens = morphemes(surface)
    last = tokens[-1] if tokens else None
    if last is None or last.start == 0 or not last.tag.startswith(("J", "E")):
        return ""
    stem = surface[: last.start]
    return surface[last.start :] if stem in surfaces or tokens[-2].tag.startswith("NN") else ""


def _terms(examples: Iterable[Example], matcher: Matcher | None) -> Iterator[Finding]:
    if matcher is not None:
        for example in examples:
            yield from _unlabeled(example, matcher)


def _long(examples: Sequence[Example]) -> Iterator[Finding]:
    """Keywords longer than LONG characters, and than three times the 95th percentile if shorter."""
    sizes = sorted(len(k.surface) for e in examples for k in e.keywords)
    if not sizes:
        return
    limit = min(LONG, max(8, 3 * sizes[int(0.95 * (len(sizes) - 1))]))
    for example in examples:
        for keyword in example.keywords:
            if len(keyword.surface) > limit:
                yield _places(example, keyword, str(len(keyword.surface)))


def _versions(corpus: Reading) -> Iterator[Finding]:
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT t.id, t.text, min(m.guideline), max(m.guideline) FROM texts t"
            " JOIN labelings m ON m.text_key = t.key WHERE t.labelers > 1 AND m.status != 'draft'"
            " AND m.guideline > 0 GROUP BY t.key HAVING min(m.guideline) < max(m.guideline)"
        ).fetchall()
    for name, text, low, high in rows:
        yield Finding(name, text, note=f"{low}, {high}")


def _pairs(corpus: Reading, pairs: Iterable[duplicates.Pair], name: str) -> Iterator[Finding]:
    for pair in pairs:
        splits = {pair.split, pair.other_split}
        leak = TRAIN in splits and bool(splits & {*HELD_OUT})
        fits = {"duplicates": not pair.across, "across": pair.across and not leak, "leak": leak}
        if fits[name]:
            with sentences(corpus.path):
                _key, text = corpus.text_of(pair.id)
            note = f"{pair.similarity:.2f} {pair.split or '-'} {pair.other_split or '-'}"
            yield Finding(pair.id, text, note=note, other=pair.other)
