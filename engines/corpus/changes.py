"""What the corpus keeps beside the texts: labelings, events, the outcome of an import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from engines.records import Keyword


@dataclass(slots=True)
class Added:
    """What an import did, in texts.

    `duplicates`: already there (`labeled` of them gained labels, `conflicts` kept the labels that
    the same annotator had given before). `renamed`: the id was taken by another text. `kept`:
    stayed in the split that they or an equal text already had. `blank`: nothing but spaces.
    """

    new: int = 0
    duplicates: int = 0
    labeled: int = 0
    conflicts: int = 0
    renamed: int = 0
    kept: int = 0
    blank: int = 0

    def to_json(self) -> dict[str, int]:
        """The counts as one object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Labeling:
    """What one annotator said about one text; `status` and `origin` as in schema.py."""

    status: str
    origin: str = "person"
    note: str = ""
    keywords: tuple[Keyword, ...] = ()
    ungrounded: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that events keep."""
        return {
            "status": self.status,
            "origin": self.origin,
            "note": self.note,
            "keywords": [keyword.to_json() for keyword in self.keywords],
            "ungrounded": list(self.ungrounded),
        }


@dataclass(frozen=True, slots=True)
class Event:
    """One change: when (UTC), by whom, of what kind, to which text key."""

    seq: int
    at: str
    annotator: str
    kind: str
    text_key: int | None
    data: Mapping[str, Any] = field(default_factory=dict)
