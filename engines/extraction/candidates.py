"""What a person who labels is offered: spans from several sources, each with how likely it is.

Every source says which spans may be keywords. How much a source is to be believed is learnt from
what was accepted before: the share of its spans that were, and for each surface how often it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from engines.records import Keyword
from glossary.boundaries import Morpheme

DRAFT, GLOSSARY, STRATEGY, CRF, KIWI = "draft", "glossary", "strategy", "crf", "kiwi"
# Shares of spans that are keywords, before anything was accepted or not.
_PRIORS = {DRAFT: 0.8, GLOSSARY: 0.7, STRATEGY: 0.5, CRF: 0.6, KIWI: 0.3}
_SHAPES = {"plain1": 0.15, "plain2": 0.3, "plain3": 0.4}
# So many earlier texts weigh as much as a prior.
_WEIGHT = 8.0
_NOUNS = ("NNG", "NNP", "SL", "SH", "XR", "SN")
_HEADS = ("NNG", "NNP", "SL", "SH", "XR")
_SILENT = ("J", "E", "VC", "SF", "SP", "SE", "SY", "SW", "SS", "XSV", "XSA")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stop of the cursor, code points `start` to `end`.

    `begins`: a keyword may begin there; `likely`: it often does, at nouns, names and numbers.
    """

    start: int
    end: int
    begins: bool = True
    likely: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that may be a keyword, by which sources, how likely (0 to 1), and what is noted.

    `barred`: the glossary says that it is no keyword. `shape`: what kind of nouns it is made of.
    """

    start: int
    end: int
    surface: str
    sources: tuple[str, ...]
    score: float = 0.0
    category: str | None = None
    canonical: str | None = None
    term_id: str | None = None
    note: str = ""
    barred: bool = False
    shape: str = ""

    @property
    def span(self) -> tuple[int, int]:
        """Start and end."""
        return self.start, self.end

    def keyword(self) -> Keyword:
        """The keyword that it becomes."""
        return Keyword(
            self.start, self.end, self.surface, self.category, self.canonical, self.term_id
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text made ready: stops of the cursor and candidates in the order of the text."""

    text_id: str
    pieces: tuple[Piece, ...]
    candidates: tuple[Candidate, ...]


def pieces(text: str, morphemes: Sequence[Morpheme]) -> tuple[Piece, ...]:
    """The morphemes as stops that do not overlap; letters that none covers are stops of words."""
    found: list[Piece] = []
    at = 0
    for token in morphemes:
        if token.end <= max(token.start, at):
            continue
        start = max(token.start, at)
        found += words(text, at, start)
        begins = not token.tag.startswith(_SILENT)
        likely = begins and token.tag.startswith(("N", "SL", "SH", "SN", "XR", "XPN", "MM"))
        found.append(Piece(start, token.end, begins, likely))
        at = token.end
    return (*found, *words(text, at, len(text)))


def words(text: str, start: int = 0, end: int | None = None) -> list[Piece]:
    """What stands between spaces, as stops."""
    found: list[Piece] = []
    last = len(text) if end is None else end
    begin: int | None = None
    for place in range(start, last + 1):
        blank = place == last or text[place].isspace()
        if blank and begin is not None:
            found.append(Piece(begin, place))
            begin = None
        elif not blank and begin is None:
            begin = place
    return found


def noun_runs(morphemes: Sequence[Morpheme]) -> list[tuple[int, int, str]]:
    """Spans of nouns that stand together, and of numbers with their units, each with its shape.

    The shape is what Kiwi's tags say: name, number, foreign or plain, one word or more, guessed.
    """
    runs: list[list[Morpheme]] = []
    for token in morphemes:
        if token.end <= token.start or not _joins_run(token, runs[-1] if runs else []):
            runs.append([])
            continue
        if runs and runs[-1] and runs[-1][-1].end == token.start:
            runs[-1].append(token)
        else:
            runs.append([token])
    return [(run[0].start, run[-1].end, _shape(run)) for run in runs if run and _names(run)]


def _shape(run: Sequence[Morpheme]) -> str:
    tags = [token.tag for token in run]
    kind = "plain"
    if "NNP" in tags:
        kind = "name"
    elif tags[0] in ("SN", "NR"):
        kind = "number"
    elif "SL" in tags:
        kind = "foreign"
    guessed = "?" if any(token.oov for token in run) else ""
    return f"{kind}{min(len(run), 3)}{guessed}"


def _joins_run(token: Morpheme, run: Sequence[Morpheme]) -> bool:
    if token.tag in _NOUNS or token.tag in ("XPN", "NR"):
        return True
    return token.tag == "NNB" and bool(run) and run[-1].tag in ("SN", "NR", "MM")


def _names(run: Sequence[Morpheme]) -> bool:
    if any(token.tag in _HEADS for token in run):
        return True
    return run[0].tag in ("SN", "NR") and len(run) > 1


class Trust:
    """How likely a candidate is, by what was accepted of its sources and of its surface."""

    def __init__(self) -> None:
        self._shown: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()

    def score(self, candidate: Candidate, confidence: float | None = None) -> float:
        """From 0 to 1; `confidence`: what the quick model itself gives the span."""
        if candidate.barred:
            return 0.0
        key = _key(candidate, confidence)
        prior = _prior(candidate, confidence)
        share = (self._taken[key] + _WEIGHT * prior) / (self._shown[key] + _WEIGHT)
        surface = _surface_key(candidate.surface)
        return (self._taken[surface] + share) / (self._shown[surface] + 1.0)

    def observe(
        self, offered: Iterable[tuple[Candidate, float | None]], labeled: Iterable[str]
    ) -> None:
        """Learn from one text: what was offered, and the surfaces that are its keywords."""
        wanted = set(labeled)
        known = set()
        for candidate, confidence in offered:
            known.add(candidate.surface)
            for key in (
                _key(candidate, confidence),
                _surface_key(candidate.surface),
            ):
                self._shown[key] += 1
                self._taken[key] += candidate.surface in wanted
        for surface in wanted - known:
            self._shown[_surface_key(surface)] += 1
            self._taken[_surface_key(surface)] += 1

    def seen(self, surface: str) -> bool:
        """Whether it was labeled before."""
        return self._taken[_surface_key(surface)] > 0


def _surface_key(surface: str) -> str:
    return f"={surface}"


def _key(candidate: Candidate, confidence: float | None) -> str:
    """What candidates share whose fate tells of each other."""
    sources = "+".join(sorted(candidate.sources))
    return sources + (candidate.shape if confidence is None else str(min(9, int(confidence * 10))))


def _prior(candidate: Candidate, confidence: float | None) -> float:
    """How likely before anything is learnt: sources that agree speak for each other (noisy or)."""
    wrong = 1.0
    for source in candidate.sources:
        share = _PRIORS.get(source, 0.5)
        if source == CRF and confidence is not None:
            share = confidence
        elif source == KIWI and candidate.shape:
            share = _SHAPES.get(candidate.shape, 0.45)
        wrong *= 1.0 - share
    return 1.0 - wrong


Offer = tuple[Candidate, float | None]


def merge(found: Iterable[Offer], score: Callable[[Candidate, float | None], float]) -> list[Offer]:
    """One candidate a surface: the first place, all sources, what any of them knows; scored."""
    by_surface: dict[str, Offer] = {}
    for candidate, confidence in found:
        before = by_surface.get(candidate.surface)
        if before is None:
            by_surface[candidate.surface] = (candidate, confidence)
            continue
        known, sure = before
        sources = tuple(dict.fromkeys((*known.sources, *candidate.sources)))
        first = known if known.start <= candidate.start else candidate
        joined = replace(
            first,
            sources=sources,
            category=known.category or candidate.category,
            canonical=known.canonical or candidate.canonical,
            term_id=known.term_id or candidate.term_id,
            note=known.note or candidate.note,
            barred=known.barred or candidate.barred,
            shape=known.shape or candidate.shape,
        )
        sure = confidence if sure is None else max(sure, confidence or 0.0)
        by_surface[candidate.surface] = (joined, sure)
    scored = [
        (replace(candidate, score=score(candidate, confidence)), confidence)
        for candidate, confidence in by_surface.values()
        if not candidate.barred
    ]
    return sorted(scored, key=lambda offer: offer[0].span)
