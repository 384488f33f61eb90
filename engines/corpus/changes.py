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
    `ambiguous`: keywords without a place that the text holds several times; all were labeled.
    `ungrounded`: keywords that their text does not hold; `data check` lists them.
    """

    new: int = 0
    duplicates: int = 0
    labeled: int = 0
    conflicts: int = 0
    renamed: int = 0
    kept: int = 0
    blank: int = 0
    ambiguous: int = 0
    ungrounded: int = 0

    def to_json(self) -> dict[str, int]:
        """The counts as one object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Labeling:
    """What one annotator said about one text; `status` and `origin` as in schema.py.

    `confidence`: 0 to 1, of a draft whose strategy knows it. `guideline`: the version in force,
    0 for none. `event`: the change that made it; 0 for one that is not stored.
    """

    status: str
    origin: str = "person"
    note: str = ""
    keywords: tuple[Keyword, ...] = ()
    ungrounded: tuple[str, ...] = ()
    confidence: float | None = None
    guideline: int = 0
    event: int = 0

    @property
    def spans(self) -> frozenset[tuple[int, int]]:
        """Start and end of each keyword."""
        return frozenset((k.start, k.end) for k in self.keywords)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Labeling:
        """The inverse of `to_json`."""
        return cls(
            values["status"],
            values.get("origin", "person"),
            values.get("note", ""),
            tuple(Keyword.from_json(keyword) for keyword in values.get("keywords", ())),
            tuple(values.get("ungrounded", ())),
            confidence=values.get("confidence"),
            guideline=values.get("guideline", 0),
        )

    def to_json(self) -> dict[str, Any]:
        """The object that events keep."""
        values: dict[str, Any] = {
            "status": self.status,
            "origin": self.origin,
            "note": self.note,
            "keywords": [keyword.to_json() for keyword in self.keywords],
            "ungrounded": list(self.ungrounded),
        }
        if self.confidence is not None:
            values["confidence"] = self.confidence
        if self.guideline:
            values["guideline"] = self.guideline
        return values


@dataclass(frozen=True, slots=True)
class Event:
    """One change: when (UTC), by whom, of what kind, to which text.

    `change`: the first event of a change that concerns many texts, None for a change of its own.
    """

    seq: int
    at: str
    annotator: str
    kind: str
    text_key: int | None
    data: Mapping[str, Any] = field(default_factory=dict)
    change: int | None = None
    text_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The event as one object."""
        return {
            "seq": self.seq,
            "at": self.at,
            "annotator": self.annotator,
            "kind": self.kind,
            "id": self.text_id,
            **({"change": self.change} if self.change else {}),
            "data": dict(self.data),
        }
