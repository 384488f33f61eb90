"""What the journal records: batches of changes to terms, and names for moments."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

from glossary.term import CONTENT, Term

EDIT, UNDO, REDO = "edit", "undo", "redo"
_DEFAULTS = {f.name: f.default for f in fields(Term)}
_LISTS = ("aliases", "ambiguous")
_STAMPS = ("created", "updated", "author")


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that were made together; `number` counts from 1 and is a position of the journal.

    `at`: UTC, ISO 8601. `kind`: "edit", or "undo" or "redo" of the batch `of`. `new`, `changed`
    and `removed` count terms.
    """

    number: int
    at: str
    author: str
    reason: str
    kind: str
    of: int | None
    new: int
    changed: int
    removed: int

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class Change:
    """One term before and after a batch; None: it was not there."""

    batch: Batch
    term_id: str
    before: Term | None
    after: Term | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One term at two moments; None: it was not there."""

    term_id: str
    before: Term | None
    after: Term | None

    def to_json(self) -> dict[str, Any]:
        """Id and both versions."""
        return {
            "id": self.term_id,
            "before": self.before.to_json() if self.before else None,
            "after": self.after.to_json() if self.after else None,
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A name for a position of the journal; `count` terms were there."""

    name: str
    position: int
    at: str
    author: str
    note: str
    count: int

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def differing(before: Term | None, after: Term | None) -> list[tuple[str, Any, Any]]:
    """The fields in which two versions differ: name, old value, new value; stamps left out."""
    empty = Term("", "")
    one, other = before or empty, after or empty
    names = (*CONTENT, "keyword")
    return [
        (name, getattr(one, name), getattr(other, name))
        for name in names
        if getattr(one, name) != getattr(other, name)
    ]


def packed(term: Term, at: str = "", author: str = "") -> str:
    """A term as short JSON: no id, no defaults, no stamps that its batch says (`at`, `author`)."""
    values = {
        name: value
        for name, value in term.to_json().items()
        if name != "id" and value != _DEFAULTS[name] and value != []
    }
    implied = {"created": at, "updated": at, "author": author}
    for name in _STAMPS:
        if getattr(term, name) == implied[name]:
            values.pop(name, None)
        else:
            values[name] = getattr(term, name)
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def unpacked(term_id: str, text: str, at: str = "", author: str = "") -> Term:
    """The term of `packed`. Unknown fields of a newer kwtui raise TypeError."""
    values = json.loads(text)
    for name in _LISTS:
        if name in values:
            values[name] = tuple(values[name])
    stamps = {"created": at, "updated": at, "author": author}
    return Term(id=term_id, **{**stamps, **values})


def stamped(term: Term, old: Term | None, at: str, author: str) -> Term:
    """The term with times and author: creation stays, the rest is now."""
    created = (old.created if old else term.created) or at
    return replace(term, created=created, updated=at, author=author)
