"""Which terms are worth a token of their own: ranked by what they save, refused where they harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engines.tokenizer.audit import TermFigures, pieces_of
from engines.tokenizer.files import Tokenizer
from engines.tokenizer.places import Finder
from glossary.i18n import _

# General sentences that show a term's harm, and from how many the share inside words counts.
SHOWN = 100
FEW = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """A term with what it would do.

    `saving`: tokens saved in the domain's texts. `general`: how often it stands in the general
    text, `inside`: the share of these that follow a letter, so lie inside another word; `growth`:
    tokens by which the general text would change. `refusal`: why it is not taken, or "".
    """

    term: str
    count: int
    pieces: tuple[str, ...]
    saving: int
    general: int = 0
    inside: float = 0.0
    growth: int = 0
    refusal: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return asdict(self)


def choose(
    tokenizer: Tokenizer,
    terms: Sequence[str],
    texts: Iterable[str],
    general: Sequence[str],
    budget: int = 0,
) -> list[Candidate]:
    """Every term as a candidate, the best first; those beyond `budget` (0: none) are refused.

    `texts` are those of the domain, `general` sentences of no domain.
    """
    finder = Finder(terms)
    counts = Counter[str]()
    for text in texts:
        counts.update(term for _start, _end, term in finder.find(text))
    harm = _Harm(tokenizer, finder, general)
    found = [_candidate(tokenizer, one, harm) for one in _figures(tokenizer, terms, counts)]
    found.sort(key=lambda one: (-one.saving, -len(one.pieces), one.term))
    return list(_within(found, budget))


def _figures(
    tokenizer: Tokenizer, terms: Sequence[str], counts: Counter[str]
) -> Iterable[TermFigures]:
    for term, encoding in zip(terms, tokenizer.encodings(terms), strict=True):
        yield TermFigures(term, counts[term], pieces_of(tokenizer, encoding))


def _candidate(tokenizer: Tokenizer, one: TermFigures, harm: _Harm) -> Candidate:
    general, inside, growth = harm.of(one.term)
    return Candidate(
        one.term,
        one.count,
        one.pieces,
        one.lost,
        general,
        inside,
        growth,
        _refusal(tokenizer, one, general, inside, growth),
    )


def _refusal(
    tokenizer: Tokenizer, one: TermFigures, general: int, inside: float, growth: int
) -> str:
    if any(letter.isspace() for letter in one.term):
        return _("has a space: a token never reaches over one")
    if len(one.pieces) == 1 or one.term in tokenizer.vocabulary:
        return _("is one token already")
    if growth > 0:
        return _("general text would take {count} tokens more").format(count=growth)
    if len(one.term) == 1:
        message = _("is one letter: it stands {count} times in general text, {share} inside words")
        return message.format(count=general, share=f"{inside:.0%}")
    if general >= FEW and inside >= 0.5:
        message = _("stands inside other words in {share} of {count} places of general text")
        return message.format(count=general, share=f"{inside:.0%}")
    return ""


def _within(found: Iterable[Candidate], budget: int) -> Iterable[Candidate]:
    taken = 0
    for one in found:
        if not one.refusal:
            taken += 1
            if budget and taken > budget:
                beyond = _("beyond the budget of {count} terms").format(count=budget)
                yield Candidate(**{**_plain(one), "refusal": beyond})
                continue
        yield one


def _plain(one: Candidate) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


class _Harm:
    """What single terms would do to the general text."""

    def __init__(self, tokenizer: Tokenizer, finder: Finder, general: Sequence[str]) -> None:
        self._counts: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        self._places: dict[str, list[tuple[str, int, int]]] = {}
        for text in general:
            for start, end, term in finder.find(text):
                self._counts[term] += 1
                self._inside[term] += bool(start and text[start - 1].isalnum())
                kept = self._places.setdefault(term, [])
                if len(kept) < SHOWN:
                    kept.append((text, start, end))
        self._growth = self._grown(tokenizer)

    def of(self, term: str) -> tuple[int, float, int]:
        """How often, which share inside words, tokens more."""
        count = self._counts[term]
        return count, self._inside[term] / count if count else 0.0, self._growth.get(term, 0)

    def _grown(self, tokenizer: Tokenizer) -> dict[str, int]:
        """Tokens with the term cut out as one, less those without, scaled up to all its places."""
        rows = [(term, *place) for term, kept in self._places.items() for place in kept]
        before = list(tokenizer.lengths(text for _t, text, _s, _e in rows))
        left = list(tokenizer.lengths(text[:start] for _t, text, start, _e in rows))
        right = list(tokenizer.lengths(text[end:] for _t, text, _s, end in rows))
        sums = Counter[str]()
        for (term, *_place), whole, a, b in zip(rows, before, left, right, strict=True):
            sums[term] += a + 1 + b - whole
        return {
            term: round(total * self._counts[term] / len(self._places[term]))
            for term, total in sums.items()
        }
