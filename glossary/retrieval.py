"""What a text needs of a glossary: terms that stand in it, then what is near, and why.

Near terms and context records come from two rankings each, n-grams and vectors, joined by
reciprocal rank fusion (Cormack, Clarke and Büttcher 2009, k = 60).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from glossary.i18n import _
from glossary.matching import Match
from glossary.records import Record
from glossary.term import Term, fold
from glossary.text import normalise
from glossary.variants import skeleton

if TYPE_CHECKING:
    from glossary.records import Records
    from glossary.store import Glossary
    from glossary.vectors import Vectors

How = Literal["exact", "linked", "ngram", "vector", "hybrid"]
Which = Literal["terms", "records", "both"]

# One letter too many or too few in a name of four letters is 0.67, one changed in five 0.67.
MIN_CLOSENESS = 0.6
MIN_SHARE = 0.5
MIN_COSINE = 0.45
MIN_RECORD_COSINE = 0.5
_SLACK = 3
# Each candidate is a row read from disk, 0.1 to 0.2 ms: fewer where each search costs more.
_CANDIDATES, _FEWER, _LARGE = 64, 32, 100_000
_NEAREST, _FEW = 24, 12
# In more terms than these a text is not searched by letters that stand everywhere.
_MANY = 20_000
# No name has it, so that no n-gram with a space in it, which stands everywhere, is searched for.
_BETWEEN = "|"
_FUSION = 60
_QUERY = 1000
_SAME = 0.8
# Words of a text that are searched by n-grams at most: each costs about 3 ms at a million terms.
_WORDS = 24
_WORD = re.compile(r"[^\W_]+(?:[-·.][^\W_]+)*")
_JOSA = re.compile(
    r"(?<=[가-힣]{2})(?:은|는|이|가|을|를|의|에|와|과|도|로|만|에서|에게|으로|까지|부터|이나|입니다)\Z"
)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A term or a context record for a text, and why.

    `score` is 1 for a term that stands in the text, else the fused ranks, 1 at most and the higher
    the better. `share`: how alike a name and words of the text are spelt, or the part of n-grams
    that a record and the text share; `cosine`: of the vectors; `linked`: how many terms of the
    text a record names. Each 0 where it played no part.
    """

    term: Term | None
    score: float
    how: How
    match: Match | None = None
    record: Record | None = None
    share: float = 0.0
    cosine: float = 0.0
    linked: int = 0

    @property
    def name(self) -> str:
        """The canonical form of the term, or the record's title."""
        if self.term is not None:
            return self.term.canonical
        return self.record.title if self.record is not None else ""

    @property
    def reason(self) -> str:
        """Why it is here, as a sentence."""
        if self.match is not None:
            return _("stands in the text as '{surface}'").format(surface=self.match.surface)
        parts = []
        if self.linked:
            parts.append(_("names {count} terms of the text").format(count=self.linked))
        if self.share:
            parts.append(_("n-grams {share}").format(share=f"{self.share:.2f}"))
        if self.cosine:
            parts.append(_("vectors {cosine}").format(cosine=f"{self.cosine:.2f}"))
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Sources:
    """What can be asked beside the glossary's own names: stored vectors, context records."""

    vectors: Vectors | None = None
    records: Records | None = None


@dataclass(slots=True)
class _Near:
    """What the rankings say of one candidate."""

    entry: Term | Record
    rrf: float = 0.0
    values: dict[str, float] = field(default_factory=dict)

    @property
    def how(self) -> How:
        if "linked" in self.values:
            return "linked"
        if "share" in self.values and "cosine" in self.values:
            return "hybrid"
        return "ngram" if "share" in self.values else "vector"


def retrieve(
    glossary: Glossary,
    text: str,
    *,
    limit: int,
    sources: Sources | None = None,
    which: Which = "terms",
) -> list[Retrieved]:
    """At most `limit` entries for `text`, no two the same: terms that stand in it, then near ones.

    A term is near when words of the text are spelt nearly like it, or its vector is close. A
    context record is near by the terms it names, n-grams and vectors. With both, a quarter of the
    places is kept for records where there are any. The not-a-keyword list is left out:
    `excluded_in` gives it.
    """
    if limit < 1:
        return []
    clean, sources = normalise(text), sources or Sources()
    matches = glossary.matcher().find(clean)
    exact: dict[str, Retrieved] = {}
    for match in matches:
        exact.setdefault(match.term.id, Retrieved(match.term, 1.0, "exact", match))
    records = _near_records(sources, clean, list(exact), limit) if which != "terms" else []
    if which == "records":
        return records[:limit]
    kept = min(len(records), max(1, limit // 4)) if records else 0
    first = list(exact.values())[: limit - kept]
    room = limit - len(first)
    terms = _near_terms(glossary, sources, clean, matches, limit) if room > 0 else []
    rest = sorted([*terms, *records], key=lambda found: -found.score)
    return [*first, *_some(rest, room, kept)]


def excluded_in(glossary: Glossary, text: str) -> list[Match]:
    """The entries of the not-a-keyword list that stand in `text` (normalised)."""
    matches = glossary.matcher().find(normalise(text), keywords=False)
    return [match for match in matches if not match.term.keyword]


def search_terms(glossary: Glossary, text: str, limit: int) -> list[Term]:
    """At most `limit` terms for what a person typed: by a part of a name, then by n-grams."""
    named = glossary.named(text, limit)
    if len(named) >= limit:
        return named
    near = [term for term, _score in glossary.ngram_search(text, limit)]
    return list(dict.fromkeys([*named, *near]))[:limit]


def _some(ranked: Sequence[Retrieved], room: int, records: int) -> list[Retrieved]:
    """The best `room` of these, at least `records` records among them."""
    chosen = list(ranked[:room])
    spare = [one for one in ranked[room:] if one.record is not None]
    missing = records - sum(one.record is not None for one in chosen)
    for one in spare[: max(0, missing)]:
        last = max(i for i, there in enumerate(chosen) if there.record is None)
        del chosen[last]
        chosen.append(one)
    return chosen


def _near_terms(
    glossary: Glossary,
    sources: Sources,
    text: str,
    matches: Sequence[Match],
    limit: int,
) -> list[Retrieved]:
    """Terms that do not stand in the text, the best of both rankings first."""
    # A term whose letters stand there but are no word, or part of a longer term, is not near.
    literal = {m.term.id for m in glossary.matcher().find_all(text) if _as_written(m)}
    candidates = max(_FEWER if glossary.count() > _LARGE else _CANDIDATES, 2 * limit)
    near: dict[str, _Near] = {}
    literal |= {match.term.id for match in matches}
    nearest = max(_FEW if glossary.count() > _LARGE else _NEAREST, limit)
    # LanceDB works outside of the interpreter's lock: both searches at once.
    asked = _beside().submit(_by_vectors, sources, text, nearest)
    ngrams = _by_ngrams(glossary, _open_words(text, matches), candidates)
    _rank(near, ((t.id, t, s) for t, s in ngrams if t.id not in literal), "share")
    if sources.vectors is not None:
        close = [(id_, cosine) for id_, cosine in asked.result() if cosine >= MIN_COSINE]
        there = glossary.get_many(id_ for id_, _cosine in close if id_ not in literal)
        ranked = ((i, there[i], cosine) for i, cosine in close if i in there)
        _rank(near, (one for one in ranked if one[1].keyword), "cosine")
    rankings = 1 if sources.vectors is None else 2
    return [
        Retrieved(
            one.entry,
            one.rrf / rankings,
            one.how,
            share=one.values.get("share", 0.0),
            cosine=one.values.get("cosine", 0.0),
        )
        for one in sorted(near.values(), key=lambda item: -item.rrf)
        if isinstance(one.entry, Term)
    ]


@cache
def _beside() -> ThreadPoolExecutor:
    """One thread for what is searched beside the n-grams."""
    return ThreadPoolExecutor(1, thread_name_prefix="vectors")


def _by_vectors(sources: Sources, text: str, nearest: int) -> list[tuple[str, float]]:
    if sources.vectors is None:
        return []
    return sources.vectors.search(text[:_QUERY], nearest, kind="t")


def _near_records(sources: Sources, text: str, terms: Sequence[str], limit: int) -> list[Retrieved]:
    """Records by the terms they name, n-grams and vectors, without near copies of each other."""
    if sources.records is None or not text.strip():
        return []
    near: dict[str, _Near] = {}
    candidates, named = max(_CANDIDATES, 2 * limit), set(terms)
    linked = sources.records.naming(terms, candidates)
    _rank(near, ((r.id, r, float(len(named & set(r.terms)))) for r in linked), "linked")
    grams = _ngrams([fold(text)])
    shares = [(r, _overlap(r, grams)) for r, _bm25 in sources.records.search(text, candidates)]
    _rank(near, ((r.id, r, share) for r, share in shares if share >= MIN_SHARE), "share")
    if sources.vectors is not None:
        found = sources.vectors.search(text[:_QUERY], max(_NEAREST, limit), kind="r")
        close = dict(pair for pair in found if pair[1] >= MIN_RECORD_COSINE)
        there = sources.records.get(close)
        _rank(near, ((i, there[i], c) for i, c in close.items() if i in there), "cosine")
    chosen: list[Retrieved] = []
    kept: list[frozenset[str]] = []
    for one in sorted(near.values(), key=lambda item: -item.rrf):
        assert isinstance(one.entry, Record)
        own = _ngrams([fold(one.entry.text)])
        if len(chosen) < limit and not any(_jaccard(own, other) >= _SAME for other in kept):
            kept.append(own)
            chosen.append(_retrieved_record(one, one.entry))
    return chosen


def _retrieved_record(one: _Near, record: Record) -> Retrieved:
    return Retrieved(
        None,
        one.rrf / 3,
        one.how,
        record=record,
        share=one.values.get("share", 0.0),
        cosine=one.values.get("cosine", 0.0),
        linked=int(one.values.get("linked", 0.0)),
    )


def _rank(
    near: dict[str, _Near], ranked: Iterable[tuple[str, Term | Record, float]], name: str
) -> None:
    """Add one ranking, the best first: reciprocal ranks, 1 for the first place."""
    for rank, (key, entry, value) in enumerate(ranked, start=1):
        one = near.setdefault(key, _Near(entry))
        one.rrf += (_FUSION + 1) / (_FUSION + rank)
        one.values[name] = value


def _open_words(text: str, matches: Sequence[Match]) -> list[str]:
    """The words of the text in which no term was found, each once, without josa."""
    found: dict[str, None] = {}
    ends = {place for match in matches for place in range(match.start, match.end)}
    for word in _WORD.finditer(text):
        if word.start() not in ends:
            found.setdefault(_JOSA.sub("", word.group()))
    return list(found)[:_WORDS]


def _by_ngrams(glossary: Glossary, words: list[str], candidates: int) -> list[tuple[Term, float]]:
    """Terms that are spelt nearly like words of the text, the nearest first."""
    if not words:
        return []
    windows = _windows(words)
    if glossary.count() > _MANY:
        words = glossary.common_pairs().rare(words)
    scored = [
        (term, max(_closeness(surface, windows) for surface in term.surfaces), bm25)
        for term, bm25 in glossary.ngram_search(_BETWEEN.join(words), candidates)
        if term.keyword
    ]
    scored.sort(key=lambda item: (-item[1], -item[2], item[0].canonical))
    return [(term, near) for term, near, bm25 in scored if near >= MIN_CLOSENESS]


def _windows(words: list[str]) -> list[tuple[int, frozenset[str]]]:
    """One to four words in a row, written together: their length and pairs of letters."""
    found: dict[str, None] = {}
    for size in range(1, 5):
        for at in range(len(words) - size + 1):
            found.setdefault(fold("".join(words[at : at + size])))
    return [(len(word), _pairs(word)) for word in found]


def _closeness(surface: str, windows: list[tuple[int, frozenset[str]]]) -> float:
    """The best Dice coefficient of pairs of letters, word borders included."""
    letters = skeleton(surface)
    own, best = _pairs(letters), 0.0
    for size, pairs in windows:
        if abs(size - len(letters)) <= _SLACK:
            best = max(best, 2 * len(own & pairs) / (len(own) + len(pairs)))
    return best


def _pairs(word: str) -> frozenset[str]:
    bordered = f"^{word}$"
    return frozenset(bordered[i : i + 2] for i in range(len(bordered) - 1))


def _as_written(match: Match) -> bool:
    surface = fold(match.surface)
    return any(fold(normalise(own)) == surface for own in match.term.surfaces)


def _overlap(record: Record, grams: frozenset[str]) -> float:
    """The part of the title's or the text's n-grams that are shared, whichever is more."""
    title, body = _ngrams([fold(record.title)]), _ngrams([fold(record.text)])
    of_title = len(title & grams) / len(title) if title else 0.0
    return max(of_title, len(body & grams) / (min(len(body), len(grams)) or 1))


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / (len(left | right) or 1)


def _ngrams(texts: Iterable[str]) -> frozenset[str]:
    grams: set[str] = set()
    for text in texts:
        for size in (2, 3):
            grams.update(text[i : i + size] for i in range(len(text) - size + 1))
    return frozenset(gram for gram in grams if not any(c.isspace() for c in gram))
