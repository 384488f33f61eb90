"""How accepted terms come into a vocabulary, each judged by what it becomes in sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engines.tokenizer.draft import Draft
from engines.tokenizer.files import SPACE, Tokenizer
from engines.tokenizer.places import Place, Places, bare, one_token, pieces_at
from glossary.errors import UserError
from glossary.i18n import _

Method = Literal["auto", "symbol", "merges", "piece"]
METHODS: tuple[Method, ...] = ("auto", "symbol", "merges", "piece")
# Trials in which chains are added or scores raised until the terms come out whole.
ROUNDS = 6
# How far a unigram piece rises in one; a multiple of 1/256, as all scores here are, so that sums
# are exact in the float32 of SentencePiece and the float64 of the tokenizers library.
_STEP = 1.5
_ABOVE = 4 / 256


@dataclass(slots=True)
class Extended:
    """A tokenizer with new terms in a folder, and the terms that did not come out whole."""

    draft: Draft
    tokenizer: Tokenizer
    terms: list[str]
    dropped: dict[str, str]
    places: Places


def method_for(tokenizer: Tokenizer, wanted: Method) -> Method:
    """The method that "auto" means for a kind; UserError where one does not fit."""
    unigram = tokenizer.kind.endswith("unigram")
    if wanted == "auto":
        return "piece" if unigram else "symbol"
    if (wanted == "piece") > unigram or (wanted == "merges" and unigram):
        fit = "piece, symbol" if unigram else "symbol, merges"
        message = _("The method {method} does not fit a tokenizer of the kind {kind}: use {fit}.")
        raise UserError(message.format(method=wanted, kind=tokenizer.kind, fit=fit))
    return wanted


def extend_in(
    base: Tokenizer,
    folder: Path,
    terms: Sequence[str],
    look: Callable[[Sequence[str]], Places],
    method: Method,
) -> Extended:
    """Write the extended tokenizer into `folder`, which holds the files of the base.

    Terms that are not one token at every place that `look` finds are left out and named; where a
    longer term is left out, the shorter ones in it are looked for anew.
    """
    make = {"symbol": _symbols, "merges": _merges, "piece": _pieces}[method]
    kept, dropped = list(terms), dict[str, str]()
    while True:
        places = look(kept)
        draft, tokenizer = make(base, kept, places)
        spots = places.sentences(kept)
        broken = one_token(tokenizer, spots).broken or out_of_step(tokenizer, spots)
        if not broken:
            return Extended(draft, draft.write(folder), kept, dropped, places)
        for term, place in broken.items():
            dropped[term] = whole_not(tokenizer, place)
        kept = [term for term in kept if term not in broken]


def whole_not(tokenizer: Tokenizer, place: Place) -> str:
    """Why a term is left out: a place where it is not one token, with its pieces there."""
    if _is_whole(tokenizer, place):
        said = _('is split otherwise by SentencePiece in "{text}"')
        return said.format(text=place.text[:60])
    said = _('is not one token in "{text}": {pieces}')
    pieces = "|".join(tokenizer.shown(place.text[max(0, place.start - 1) : place.end + 2]))
    return said.format(text=place.text[:60], pieces=pieces)


def _is_whole(tokenizer: Tokenizer, place: Place) -> bool:
    return not one_token(tokenizer, [place]).broken


def out_of_step(tokenizer: Tokenizer, spots: Sequence[Place]) -> dict[str, Place]:
    """Terms at whose places SentencePiece and the tokenizers library give other ids.

    A symbol in a unigram model competes by a score in the one and is cut out in the other.
    """
    slow = tokenizer.slow()
    if slow is None:
        return {}
    texts = [place.text for place in spots]
    pairs = zip(spots, tokenizer.ids(texts), slow.encode(texts, num_threads=1), strict=True)
    return {place.term: place for place, fast, other in reversed([*pairs]) if fast != other}


def _symbols(base: Tokenizer, terms: Sequence[str], places: Places) -> tuple[Draft, Tokenizer]:
    draft = Draft(base)
    for term in terms:
        draft.add_symbol(term)
    return draft, draft.trial()


def _merges(base: Tokenizer, terms: Sequence[str], places: Places) -> tuple[Draft, Tokenizer]:
    """Chains from the pieces that the terms have at their places, until no place asks for more."""
    draft, tokenizer = Draft(base), base
    spots = places.sentences(terms)
    for _round in range(ROUNDS):
        before = len(draft.new), len(draft.state["model"]["merges"])
        for tokens in _sequences(tokenizer, spots):
            draft.add_chain(tokens)
        tokenizer = draft.trial()
        if (len(draft.new), len(draft.state["model"]["merges"])) == before:
            break
        broken = one_token(tokenizer, spots).broken
        if not broken:
            break
        spots = [place for place in spots if place.term in broken]
    return draft, tokenizer


def _sequences(tokenizer: Tokenizer, spots: Sequence[Place]) -> list[tuple[str, ...]]:
    """The token sequences that make exactly a term, the commonest of each term first."""
    found: dict[tuple[str, ...], int] = defaultdict(int)
    for at in range(0, len(spots), 2000):
        some = spots[at : at + 2000]
        for place, encoding in zip(some, tokenizer.encodings([p.text for p in some]), strict=True):
            numbers = pieces_at(encoding, place.text, place.start, place.end)
            if numbers and len(numbers) > 1:
                tokens = tuple(encoding.tokens[n] for n in numbers)
                tokens = tokens[1:] if tokens[0] in (SPACE, "Ġ") else tokens
                if len(tokens) > 1 and not any(_no_part(token) for token in tokens):
                    found[tokens] += 1
    return sorted(found, key=lambda tokens: -found[tokens])


def _no_part(token: str) -> bool:
    """Bytes of a letter that the vocabulary lacks cannot be merged."""
    return len(token) == 6 and token.startswith("<0x")


def _pieces(base: Tokenizer, terms: Sequence[str], places: Places) -> tuple[Draft, Tokenizer]:
    """Pieces with the lowest scores that win at every place.

    A piece starts a little above the best it is made of now, and rises where its neighbours still
    take letters from it.
    """
    draft = Draft(base)
    scores = {term: round(_score_now(base, term) * 256) / 256 + _ABOVE for term in terms}
    highest = max((row[1] for row in base.state["model"]["vocab"] if row[1] < 0), default=-1.0)
    for term in terms:
        draft.add_piece(term, scores[term])
    spots = places.sentences(terms)
    tokenizer = draft.trial()
    for _round in range(4 * ROUNDS):
        broken = one_token(tokenizer, spots).broken
        rising = [term for term in broken if scores[term] < highest]
        if not rising:
            break
        for term in rising:
            scores[term] = min(highest, scores[term] + _STEP)
            draft.score(term, scores[term])
        tokenizer = draft.trial()
    return draft, tokenizer


def _score_now(base: Tokenizer, term: str) -> float:
    """The log probability of the pieces that a term has now."""
    rows = base.state["model"]["vocab"]
    ids = base.encode(term)
    kept = ids[-len(bare(base.fast.encode(term, add_special_tokens=False).tokens)) :]
    worst = min(score for _piece, score in rows)
    return float(sum(rows[n][1] if rows[n][1] < 0 else worst for n in kept))
