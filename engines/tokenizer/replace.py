"""Terms in the place of pieces that hardly anything uses: the vocabulary keeps its size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from engines.tokenizer.draft import Draft
from engines.tokenizer.files import BYTE, NORMAL, Tokenizer
from engines.tokenizer.methods import Extended, out_of_step, whole_not
from engines.tokenizer.places import Places, one_token
from glossary.errors import UserError
from glossary.i18n import _


def unused(tokenizer: Tokenizer, texts: Iterable[str]) -> list[int]:
    """Ids of pieces that `texts` never use and that may go, the last ones first.

    A piece that others are merged from stays, and so does a letter unless bytes can stand for it.
    """
    seen: set[int] = set()
    for row in tokenizer.ids(texts):
        seen.update(row)
    parts = {part for merge in tokenizer.state["model"].get("merges", ()) for part in merge}
    loose = [
        number
        for token, number in tokenizer.vocabulary.items()
        if number not in seen and token not in parts and _may_go(tokenizer, token, number)
    ]
    return sorted(loose, reverse=True)


def _may_go(tokenizer: Tokenizer, token: str, number: int) -> bool:
    if token in tokenizer.added or number in tokenizer.byte_ids():
        return False
    if tokenizer.proto is not None:
        if tokenizer.proto.pieces[number].type != NORMAL:
            return False
        falls_back = any(piece.type == BYTE for piece in tokenizer.proto.pieces)
    else:
        falls_back = bool(tokenizer.state["model"].get("byte_fallback"))
    if tokenizer.byte_level:
        return len(token) > 1
    return len(token) > 1 or (falls_back and not token.isascii() and token != "▁")


def replace_in(
    base: Tokenizer,
    folder: Path,
    terms: Sequence[str],
    look: Callable[[Sequence[str]], Places],
    texts: Callable[[], Iterable[str]],
) -> tuple[Extended, list[str]]:
    """Put terms in the place of pieces that `texts` do not use; also returns the pieces gone.

    Raises UserError when there are not enough of them, with their number.
    """
    free = unused(base, texts())
    letters = {letter for term in terms for letter in term}
    free = [n for n in free if (base.fast.id_to_token(n) or "") not in letters]
    if len(free) < len(terms):
        message = _(
            "{terms} terms are to come in, but only {free} pieces are unused in these texts: give "
            "a smaller budget, or extend instead."
        )
        raise UserError(message.format(terms=len(terms), free=len(free)))
    kept, dropped = list(terms), dict[str, str]()
    while True:
        places = look(kept)
        draft = Draft(base)
        for number, term in zip(free, kept, strict=False):
            draft.replace(number, term)
        tokenizer = draft.trial()
        spots = places.sentences(kept)
        broken = one_token(tokenizer, spots).broken or out_of_step(tokenizer, spots)
        if not broken:
            gone = [base.fast.id_to_token(n) for n in free[: len(kept)]]
            return Extended(draft, draft.write(folder), kept, dropped, places), gone
        for term, place in broken.items():
            dropped[term] = whole_not(tokenizer, place)
        kept = [term for term in kept if term not in broken]
