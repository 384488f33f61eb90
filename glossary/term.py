"""One entry of the glossary, and when two spellings are the same entry."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from glossary.text import normalise

_CASED = re.compile(r"[A-Za-z]")
CASE_FREE_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Term:
    """A term with its other spellings; `keyword` False puts it on the not-a-keyword list.

    `created` and `updated` are UTC times in ISO 8601, set by the store like `author`.
    An empty `id` is filled by the store: the entry with this canonical form, or a new one.
    `ambiguous` lists what only meaning can decide: a spelling of the term (진통 is pain relief or
    labour), or a phrase with a spelling in it (진통 끝에). Matches there are kept and marked.
    """

    id: str
    canonical: str
    aliases: tuple[str, ...] = ()
    definition: str = ""
    category: str = ""
    language: str = "ko"
    source: str = ""
    notes: str = ""
    keyword: bool = True
    created: str = ""
    updated: str = ""
    author: str = ""
    ambiguous: tuple[str, ...] = ()

    @property
    def surfaces(self) -> tuple[str, ...]:
        """The canonical form and every alias, each in its own spelling."""
        return (self.canonical, *self.aliases)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON types, aliases and ambiguous as lists."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        values |= {"aliases": list(self.aliases), "ambiguous": list(self.ambiguous)}
        return values


CONTENT = (
    "canonical", "aliases", "definition", "category", "language", "source", "notes", "ambiguous",
)  # fmt: skip


def fold(text: str) -> str:
    """`text` in lower case and of the same length: letters with a longer lower case stay."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def key(surface: str) -> str:
    """What makes two spellings the same entry: NFC and, from three Latin letters on, any case.

    Shorter Latin names keep their case, since Mg is not mg.
    """
    clean = normalise(surface).strip()
    return fold(clean) if len(_CASED.findall(clean)) >= CASE_FREE_LETTERS else clean


def tidy(term: Term) -> Term:
    """The term normalised and stripped, its aliases unique and unlike the canonical form.

    Names become one line with single spaces; definition and notes keep their lines.
    """
    canonical = _one_line(term.canonical)
    return replace(
        term,
        id=term.id.strip(),
        canonical=canonical,
        aliases=_unique((_one_line(alias) for alias in term.aliases), canonical),
        definition=normalise(term.definition).strip(),
        category=_one_line(term.category),
        language=_one_line(term.language) or "ko",
        source=_one_line(term.source),
        notes=normalise(term.notes).strip(),
        ambiguous=tuple(dict.fromkeys(filter(None, map(_one_line, term.ambiguous)))),
    )


def same_content(one: Term, other: Term) -> bool:
    """Whether two terms say the same, apart from id, times and author."""
    return one.keyword == other.keyword and all(
        getattr(one, name) == getattr(other, name) for name in CONTENT
    )


def new_id(canonical: str) -> str:
    """A stable id for a new entry: 16 hex digits of the SHA-256 of its key."""
    return hashlib.sha256(key(canonical).encode()).hexdigest()[:16]


def _one_line(text: str) -> str:
    return " ".join(normalise(text).split())


def _unique(surfaces: Iterable[str], canonical: str) -> tuple[str, ...]:
    seen = {key(canonical)}
    kept: list[str] = []
    for surface in surfaces:
        if surface and key(surface) not in seen:
            seen.add(key(surface))
            kept.append(surface)
    return tuple(kept)
