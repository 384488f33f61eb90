"""What kinds of mistakes a strategy makes: the words of one text, each with why it is wrong.

A word is wrong as the headline score sees it: by surface, not by place. The kinds say what to do:
a missed or unseen term belongs in the glossary or in training, an attached josa or a wrong
boundary in the guideline and the examples, an extra word on the not-a-keyword list.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from engines.records import Keyword
from glossary.text import normalise

MISSED, UNSEEN, BOUNDARY, JOSA, COMPOUND, EXTRA, ABSENT = (
    "missed",
    "unseen",
    "boundary",
    "josa",
    "compound",
    "extra",
    "absent",
)
# Missed: known from training. Unseen: no training text has it. Absent: the text does not hold it.
GROUPS = (MISSED, UNSEEN, BOUNDARY, JOSA, COMPOUND, EXTRA, ABSENT)

# What sticks to a Korean noun without naming anything (KEYWORDS, rule 2): suffixes, josa, copula.
_ATTACHED = re.compile(
    "(?:형|용|성|들|류)?(?:에서는|에게서|으로는|이라는|라는|입니다|이라고|께서|에서|에게|으로|부터|까지"
    "|처럼|보다|마다|조차|밖에|이나|이랑|하고|이라|이며|이고|이다|한테|은|는|이|가|을|를|의|에|과|와"
    "|도|만|로|나|랑|인|임)*"
)


@dataclass(frozen=True, slots=True)
class Error:
    """One mistake: its group, the gold keyword it concerns and the answered word, where known."""

    group: str
    gold: Keyword | None = None
    found: Keyword | None = None
    absent: str = ""

    @property
    def word(self) -> str:
        """The word to list it under: what was wanted, else what was answered."""
        if self.gold is not None:
            return self.gold.surface
        return self.found.surface if self.found is not None else self.absent


def errors_of(
    gold: Sequence[Keyword],
    found: Sequence[Keyword],
    *,
    outside: Iterable[str] = (),
    absent: Iterable[str] = (),
    seen: Collection[str] | None = None,
) -> tuple[Error, ...]:
    """The mistakes in one text; none where both sides have the same surfaces.

    `outside`: gold words that the text does not hold. `absent`: answered words that it does not
    hold. `seen`: surfaces of the training labels; without it no missed word counts as unseen.
    """
    wanted = _by_surface(gold) | {normalise(w): Keyword(0, 0, w) for w in outside}
    answered = _by_surface(found)
    missing = {surface: k for surface, k in wanted.items() if surface not in answered}
    made: list[Error] = []
    explained: set[str] = set()
    for surface, keyword in answered.items():
        if surface not in wanted:
            error, covered = _extra(keyword, wanted, missing)
            made.append(error)
            explained |= covered
    for word in absent:
        if normalise(word) in missing:
            explained.add(normalise(word))
        elif normalise(word) not in wanted:
            made.append(Error(ABSENT, absent=word))
    for surface, keyword in missing.items():
        if surface not in explained:
            new = seen is not None and surface not in seen
            made.append(Error(UNSEEN if new else MISSED, gold=keyword))
    return tuple(made)


def _by_surface(keywords: Iterable[Keyword]) -> dict[str, Keyword]:
    known: dict[str, Keyword] = {}
    for keyword in keywords:
        known.setdefault(normalise(keyword.surface), keyword)
    return known


def _extra(
    found: Keyword, wanted: dict[str, Keyword], missing: dict[str, Keyword]
) -> tuple[Error, set[str]]:
    """Why an answered word is none, and which missing words it stands for."""
    near = {s: k for s, k in wanted.items() if _touches(found, k)}
    if not near:
        return Error(EXTRA, found=found), set()
    lost = [s for s in near if s in missing]
    # A gold word that was missed explains the answer better than one that was found as well.
    surface = max(lost or near, key=lambda s: (_shared(found, near[s]), len(s)))
    error = Error(_kind(found, near[surface], len(near)), gold=near[surface], found=found)
    if error.group == EXTRA:
        return Error(EXTRA, found=found), set()
    inside = {s for s in lost if near[s].surface in found.surface}
    return error, inside | ({surface} & set(lost))


def _kind(found: Keyword, gold: Keyword, near: int) -> str:
    longer, shorter = found.surface, gold.surface
    if longer.startswith(shorter) and _ATTACHED.fullmatch(longer[len(shorter) :]):
        return JOSA
    if near > 1 and shorter in longer:
        return COMPOUND
    if len(shorter) > len(longer):
        longer, shorter = shorter, longer
    if shorter in longer:
        rest = longer.replace(shorter, "", 1)
        return COMPOUND if " " in rest or len(rest.strip()) > 1 else BOUNDARY
    return BOUNDARY if _shared(found, gold) else EXTRA


def _touches(one: Keyword, other: Keyword) -> bool:
    """Whether they overlap, or one is spelled inside the other at another place of the text."""
    if one.start < other.end and other.start < one.end:
        return True
    short, long = sorted((one.surface, other.surface), key=len)
    return len(short) > 1 and short in long


def _shared(one: Keyword, other: Keyword) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))
