"""Spelling variants of one name: spaces, hyphens and middle dots that a text adds or leaves out.

Names and texts are compared by their letters alone (`letters`); `gaps` then says whether what
stands between the letters of a text is a way to write the name, and where it was cut apart.
`Splits` judges those cuts by the words around them: 근육 통 is 근육통, but 모두 통과 is no 두통.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from glossary.boundaries import Hit, Judge, Morpheme, josa_only, known
from glossary.term import fold

_DASHES = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d")
_DOTS = frozenset("\u00b7\u318d\u30fb\u2027\uff65\u2022\u2219\u22c5")
_STOP = "."
JOINERS = _DASHES | _DOTS | {_STOP}
SEPARATORS = JOINERS | {" ", "\n"}
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
# Tags of morphemes that can be no part of a name cut apart: 두 통, 산 통, 이 명은.
_NO_PIECE = ("MM", "NR", "NP", "V", "E", "J", "MA", "IC", "SN")
_MEASURES = frozenset(["이상", "이하", "미만", "초과"])


class Gap(NamedTuple):
    """Where a text cuts a name apart that its spelling writes as one; `kind` "hangul" or "digit".

    `left` is where the piece before ends, `right` where the next one starts.
    """

    left: int
    right: int
    kind: str


def letters(text: str) -> tuple[str, list[int]]:
    """`text` folded and without separators, and the place in `text` of each letter left."""
    folded = fold(text)
    places = [i for i, char in enumerate(folded) if char not in SEPARATORS]
    if len(places) == len(folded):
        return folded, places
    return "".join([folded[i] for i in places]), places


def skeleton(surface: str) -> str:
    """The letters of a name, folded; "" when it has only marks."""
    return letters(surface)[0]


def gaps(surface: str, text: str, places: Sequence[int]) -> tuple[Gap, ...] | None:
    """How `text` spells `surface` with its letters at `places`: where it cuts it apart, or None.

    None when it is no way to write the name: a decimal point lost, a line or sentence end inside.
    """
    found: list[Gap] = []
    own = [i for i, char in enumerate(surface) if char not in SEPARATORS]
    for number in range(1, len(own)):
        here = text[places[number - 1] + 1 : places[number]]
        there = surface[own[number - 1] + 1 : own[number]]
        if here == there:
            continue
        left, right = text[places[number - 1]], text[places[number]]
        if there:
            fits = _replaced(there, here, left, right)
        else:
            fits = _added(here, left, right, number, len(own) - number)
            found.append(Gap(places[number - 1] + 1, places[number], _kind(left, right)))
        if not fits:
            return None
    return tuple(found)


def _replaced(there: str, here: str, left: str, right: str) -> bool:
    """Whether `here` may stand in the text for the separator `there` of the name."""
    digits = left.isdigit() and right.isdigit()
    if not here:
        latin = _latin(left) and _latin(right)
        return not digits and not (latin and there.isspace())
    if there in JOINERS:
        bare = here.strip(" ")
        if digits:
            return here in _DASHES and there in _DASHES
        alike = here in JOINERS or (bare in _DOTS and len(here) <= 3) or here == " "
        return alike and not (here == " " and there == _STOP)
    if there.isspace():
        if digits:
            return here in (" ", "\n", "  ")
        return here in ("\n", "  ", " ") or here in _DASHES or here in _DOTS
    return False


def _added(here: str, left: str, right: str, before: int, after: int) -> bool:
    """Whether `here` may stand in the text where the name has nothing between two letters."""
    if left.isdigit() and right.isdigit():
        return False
    if here in _DASHES:
        return not (_latin(left) and _latin(right)) or min(before, after) >= 3
    if here == " ":
        return not (_latin(left) and _latin(right))
    return here in _DOTS and not (_latin(left) or _latin(right))


def _kind(left: str, right: str) -> str:
    return "hangul" if _HANGUL.match(left) and _HANGUL.match(right) else "digit"


def _latin(char: str) -> bool:
    return char.isalpha() and not _HANGUL.match(char)


class Splits:
    """Judges names that a text cuts apart, by the words the pieces stand in."""

    def __init__(self, text: str, judge: Judge) -> None:
        self._text = text
        self._judge = judge

    def accepts(self, hit: Hit, cuts: Sequence[Gap]) -> bool:
        """Whether the pieces between `cuts` are one name there and no words of their own."""
        if any(cut.kind == "digit" for cut in cuts) and self._counts(hit):
            return False
        inner = [cut for cut in cuts if cut.kind == "hangul"]
        if not inner:
            return self._judge.accepts(hit)
        if hit.start and _HANGUL.match(self._text[hit.start - 1]):
            return False
        starts = [hit.start, *(cut.right for cut in inner)]
        ends = [*(cut.left for cut in inner), hit.end]
        pieces = [Hit(start, end) for start, end in zip(starts, ends, strict=True)]
        return self._joined(hit, pieces)

    def _joined(self, hit: Hit, pieces: Sequence[Hit]) -> bool:
        first, last = pieces[0], pieces[-1]
        tokens = self._judge.morphemes(hit)
        if any(_no_piece(piece, tokens) for piece in pieces[:-1]) or _measured(first, tokens):
            return False
        sizes = [piece.end - piece.start for piece in pieces]
        if min(sizes) >= 2:
            return self._judge.accepts(last)
        if any(self._text[piece.end] not in " " for piece in pieces[:-1]):
            return False
        if sizes[-1] >= 2:
            return self._judge.accepts(last) and not _straddled(last, tokens)
        rest = self._judge.right_run(hit.end)
        name = "".join(self._text[piece.start : piece.end] for piece in pieces)
        if rest and not josa_only(name, rest):
            return False
        if sizes[0] == 1:
            return not _no_piece(last, tokens) and not _straddled(last, tokens) and known(name)
        return True

    def _counts(self, hit: Hit) -> bool:
        """Whether the digits at the end of the hit count something or go on: 코로나 19명, B 1 2."""
        if not self._text[hit.end - 1].isdigit():
            return False
        after = [t for t in self._judge.morphemes(hit) if t.start >= hit.end]
        apart = bool(after) and after[0].start > hit.end
        if apart and after[0].tag == "SN":
            return True
        if not after or after[0].tag.startswith(("J", "S", "VC")):
            return False
        return after[0].tag == "NNB" or not (apart or after[0].tag == "SL")


def _no_piece(piece: Hit, tokens: Sequence[Morpheme]) -> bool:
    """Whether a piece is read as what no name is made of: a number, a verb, a josa."""
    inside = [t for t in tokens if t.start < piece.end and t.end > piece.start]
    if piece.end - piece.start >= 2:
        return any(t.tag.startswith(("V", "J", "MA")) and not t.oov for t in inside[:1])
    return any(t.tag.startswith(_NO_PIECE) for t in inside)


def _measured(piece: Hit, tokens: Sequence[Morpheme]) -> bool:
    """Whether a piece such as 이상 belongs to the measure before it: 두 달 이상 반응."""
    before = [t for t in tokens if t.end <= piece.start]
    word = next((t for t in tokens if (t.start, t.end) == piece), None)
    if word is None or word.form not in _MEASURES or not before:
        return False
    return before[-1].tag in ("NNB", "NR", "SN", "SW", "SL") or len(before[-1].form) == 1


def _straddled(piece: Hit, tokens: Sequence[Morpheme]) -> bool:
    return any(t.start < piece.end < t.end and not t.oov for t in tokens)
