"""The words of a corpus beside the glossary: what a term would match, and which terms it lacks.

Texts that scores are measured on are never read for either.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.moving import proposals
from engines.corpus.splits import HELD_OUT
from engines.records import Keyword
from glossary.boundaries import Morpheme, morphemes
from glossary.matching import Matcher
from glossary.term import Term, key

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]
_NOUNS = ("NNG", "NNP", "SL", "XR")
_PREFIX = "XPN"
_PAGE = 200
_CONTEXT = 20
_LONGEST = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One place where a term stands in a text: the words around it and its own spelling."""

    text_id: str
    before: str
    surface: str
    after: str


@dataclass(slots=True)
class TermPreview:
    """What a term matches in the corpus: how many texts, how often, the first places.

    `read` of `total` texts were looked at; fewer when time was up.
    """

    texts: int = 0
    hits: int = 0
    lines: list[Line] = field(default_factory=list)
    read: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class MissingTerm:
    """A word that the glossary lacks, in how many texts it stands, and who says so.

    `sources`: "sent" (missed by a strategy, sent by a person), "label" (people), "model" (drafts
    and predictions), "kiwi" (nouns).
    """

    surface: str
    texts: int
    sources: tuple[str, ...]
    example: str = ""

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return {
            "surface": self.surface,
            "texts": self.texts,
            "sources": list(self.sources),
            "example": self.example,
        }


def preview(
    corpus: Core, term: Term, *, lines: int = 5, seconds: float = 2.0, stopped: Stop | None = None
) -> TermPreview:
    """What `term`, stored or not, would match in the corpus, within about `seconds`."""
    found, matcher = TermPreview(total=_count(corpus)), Matcher([term])
    morphemes("말")  # loads Kiwi, which is not the search's own time
    end = monotonic() + seconds
    for text_id, text in _texts(corpus):
        if monotonic() > end or (stopped is not None and stopped()):
            break
        found.read += 1
        matches = matcher.find(text, keywords=False)
        found.texts += bool(matches)
        found.hits += len(matches)
        for match in matches[: max(lines - len(found.lines), 0)]:
            before = text[max(match.start - _CONTEXT, 0) : match.start]
            after = text[match.end : match.end + _CONTEXT]
            found.lines.append(Line(text_id, before, match.surface, after))
    return found


def missing_terms(
    corpus: Core,
    is_known: Callable[[str], bool],
    *,
    limit: int = 50,
    at_least: int = 2,
    most_texts: int = 20_000,
    on_progress: Progress | None = None,
    stopped: Stop | None = None,
) -> list[MissingTerm]:
    """Words that people or models took for keywords, and frequent nouns, that are not known.

    `is_known(word)` says whether the glossary has it. Nouns of Kiwi are counted in the first
    `most_texts` texts (some thousand a second); one that stands in fewer than `at_least` texts is
    left out unless a person labeled or sent it. Ordered by number of texts, those that were sent
    first, then those of people and models.
    """
    sent = proposals(corpus)
    counts = {"sent": Counter({one.surface: one.texts for one in sent})}
    counts |= {"label": _labeled(corpus), "model": _predicted(corpus), "kiwi": Counter()}
    examples = {one.surface: one.example for one in sent}
    total = min(_count(corpus), most_texts)
    for number, (_id, text) in enumerate(_texts(corpus), start=1):
        if number > total or (stopped is not None and stopped()):
            break
        nouns = set(nouns_of(text))
        counts["kiwi"].update(nouns)
        for noun in nouns:
            examples.setdefault(noun, text[:200])
        if on_progress is not None:
            on_progress(number, total)
    return _ranked(counts, examples, is_known, limit, at_least)


def nouns_of(text: str) -> Iterator[str]:
    """The runs of nouns in a text as Kiwi reads them, of two letters or more, no numbers."""
    run: list[Morpheme] = []
    for token in [*morphemes(text), None]:
        joins = token is not None and bool(run) and run[-1].end == token.start
        if token is not None and token.tag in _NOUNS and joins:
            run.append(token)
            continue
        if run and run[-1].tag in _NOUNS:
            surface = text[run[0].start : run[-1].end]
            if 2 <= len(surface) <= _LONGEST and any(c.isalpha() for c in surface):
                yield surface
        run = [token] if token is not None and token.tag in (*_NOUNS, _PREFIX) else []


def _ranked(
    counts: dict[str, Counter[str]],
    examples: dict[str, str],
    is_known: Callable[[str], bool],
    limit: int,
    at_least: int,
) -> list[MissingTerm]:
    merged: dict[str, tuple[str, int, list[str]]] = {}
    for source, counter in counts.items():
        for surface, count in counter.items():
            name, most, sources = merged.get(key(surface), (surface, 0, []))
            merged[key(surface)] = (name, max(most, count), [*dict.fromkeys((*sources, source))])
    found = [
        MissingTerm(surface, texts, tuple(sources), examples.get(surface, ""))
        for surface, texts, sources in merged.values()
        if texts >= at_least or sources[0] in ("sent", "label")
    ]
    found.sort(key=_rank)
    wanted: list[MissingTerm] = []
    for one in found:
        if len(wanted) >= limit:
            break
        if not is_known(one.surface):
            wanted.append(one)
    return wanted


def _rank(term: MissingTerm) -> tuple[bool, bool, int, str]:
    sent = "sent" in term.sources
    return not sent, term.sources == ("kiwi",), -term.texts, term.surface


def _labeled(corpus: Core) -> Counter[str]:
    """In how many texts each surface is labeled by people."""
    rows = _query(
        corpus,
        "SELECT l.surface, count(DISTINCT l.text_key) FROM labels l JOIN texts t"
        " ON t.key = l.text_key JOIN labelings m ON m.text_key = l.text_key"
        " AND m.annotator = l.annotator WHERE m.status IN ('labeled', 'adjudicated')"
        " AND t.split NOT IN ({held_out}) GROUP BY l.surface",
    )
    return Counter(dict(rows))


def _predicted(corpus: Core) -> Counter[str]:
    """In how many texts models found each surface: drafts and predictions."""
    found = Counter[str]()
    texts: dict[str, set[int]] = {}
    drafts = _query(
        corpus,
        "SELECT l.surface, l.text_key FROM labels l JOIN texts t ON t.key = l.text_key"
        " JOIN labelings m ON m.text_key = l.text_key AND m.annotator = l.annotator"
        " WHERE m.status = 'draft' AND t.split NOT IN ({held_out})",
    )
    for surface, text_key in drafts:
        texts.setdefault(surface, set()).add(text_key)
    predictions = _query(
        corpus,
        "SELECT p.keywords, p.text_key FROM predictions p JOIN texts t ON t.key = p.text_key"
        " WHERE t.split NOT IN ({held_out})",
    )
    for keywords, text_key in predictions:
        for surface in _surfaces(keywords):
            texts.setdefault(surface, set()).add(text_key)
    found.update({surface: len(keys) for surface, keys in texts.items()})
    return found


def _surfaces(keywords: str) -> Iterable[str]:
    for one in json.loads(keywords):
        yield one if isinstance(one, str) else Keyword.from_json(one).surface


def _texts(corpus: Core) -> Iterator[tuple[str, str]]:
    last = 0
    while True:
        rows = _query(
            corpus,
            "SELECT t.key, t.id, t.text FROM texts t WHERE t.split NOT IN ({held_out})"
            f" AND t.key > ? ORDER BY t.key LIMIT {_PAGE}",
            last,
        )
        for _key, text_id, text in rows:
            yield text_id, text
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]


def _count(corpus: Core) -> int:
    return int(
        _query(corpus, "SELECT count(*) FROM texts t WHERE t.split NOT IN ({held_out})")[0][0]
    )


def _query(corpus: Core, query: str, *values: Any) -> list[tuple[Any, ...]]:
    marks = ", ".join("?" * len(HELD_OUT))
    with sentences(corpus.path):
        return corpus.db.execute(query.format(held_out=marks), (*HELD_OUT, *values)).fetchall()
