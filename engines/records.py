"""The shared vocabulary: keywords in a text, labeled examples and a model's predictions."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

T = TypeVar("T")


class RecordError(UserError):
    """One input record that cannot be used; `line` counts from 1, `reason` is a sentence."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(_("Line {line}: {reason}").format(line=line, reason=reason))


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword in a text: code points `start` to `end` (exclusive) of the normalised text.

    `category`, `canonical` and `term_id` are known only where a glossary or a person said so.
    """

    start: int
    end: int
    surface: str
    category: str | None = None
    canonical: str | None = None
    term_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The object of output lines; what is unknown is left out."""
        values: dict[str, Any] = {"surface": self.surface, "start": self.start, "end": self.end}
        for name in ("category", "canonical", "term_id"):
            value = getattr(self, name)
            if value is not None:
                values[name] = value
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Keyword":
        """The inverse of `to_json`; KeyError or ValueError when it is not such an object."""
        start, end, surface = values["start"], values["end"], values["surface"]
        if not (isinstance(start, int) and isinstance(end, int) and isinstance(surface, str)):
            raise ValueError(_("start and end are numbers, surface is a string"))
        extra = {n: _optional_string(values, n) for n in ("category", "canonical", "term_id")}
        return cls(start, end, surface, **extra)


@dataclass(slots=True)
class Example:
    """A text with its gold keywords; `labeled` is False when the record said nothing about them."""

    id: str
    text: str
    keywords: tuple[Keyword, ...] = ()
    split: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    labeled: bool = True

    def to_json(self) -> dict[str, Any]:
        """The object of a JSON line that `parse_record` reads back."""
        values: dict[str, Any] = {"id": self.id, "text": self.text}
        if self.labeled:
            values["keywords"] = [keyword.to_json() for keyword in self.keywords]
        if self.split:
            values["split"] = self.split
        if self.meta:
            values["meta"] = self.meta
        return values


@dataclass(frozen=True, slots=True)
class FeedbackNote:
    """One sentence sent back to the model: `source` is missed, excluded or person."""

    source: str
    word: str
    sentence: str

    def to_json(self) -> dict[str, str]:
        """The object of output lines."""
        return {"source": self.source, "word": self.word, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Entry:
    """A glossary entry that stood in a prompt: `kind` is term or record, `how` it was found."""

    kind: str
    id: str
    name: str
    how: str
    score: float

    def to_json(self) -> dict[str, Any]:
        """The object of output lines."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "how": self.how,
            "score": round(self.score, 4),
        }


_MEASURED = (
    "rounds",
    "truncated",
    "template",
    "prompt_tokens",
    "new_tokens",
    "seconds",
    "confidence",
)


@dataclass(slots=True)
class Prediction:
    """What a strategy answered for one text.

    `valid`: the answer was a JSON array of strings. `ungrounded`: answered words that the text
    does not hold. `truncated`: the token limit cut the answer. `template`: how the messages were
    rendered. `seconds`: wall-clock share of this text in its batch. `entries`: what of the
    glossary stood in its prompts, best first. `confidence`: the geometric mean of the
    probabilities of the answer's tokens, 0 to 1, where the model tells them. `error`: why a server
    gave no answer that can be used; "" for an answer, be it empty.
    """

    id: str
    text: str
    keywords: tuple[Keyword, ...]
    strategy: str
    model: str
    valid: bool = True
    ungrounded: tuple[str, ...] = ()
    rounds: int = 1
    feedback: tuple[FeedbackNote, ...] = ()
    truncated: bool = False
    template: str = ""
    prompt_tokens: int = 0
    new_tokens: int = 0
    seconds: float = 0.0
    entries: tuple[Entry, ...] = ()
    confidence: float | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """The object of one output line of `kwtui extract`."""
        return {
            "id": self.id,
            "text": self.text,
            "keywords": [keyword.to_json() for keyword in self.keywords],
            "strategy": self.strategy,
            "model": self.model,
            "valid": self.valid,
            "ungrounded": list(self.ungrounded),
            "rounds": self.rounds,
            "feedback": [note.to_json() for note in self.feedback],
            "truncated": self.truncated,
            "template": self.template,
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": self.new_tokens,
            "seconds": round(self.seconds, 6),
            "entries": [entry.to_json() for entry in self.entries],
            **({} if self.confidence is None else {"confidence": round(self.confidence, 4)}),
            **({"error": self.error} if self.error else {}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], line: int = 1) -> "Prediction":
        """The inverse of `to_json`; keywords alone are enough. Raises RecordError."""
        example = parse_record(values, line)
        known = {name: values[name] for name in _MEASURED if name in values}
        notes, entries, outside = _extras(values, line)
        return cls(
            id=example.id,
            text=example.text,
            keywords=example.keywords,
            strategy=str(values.get("strategy", "")),
            model=str(values.get("model", "")),
            valid=values.get("valid", True) is not False,
            ungrounded=(*outside, *example.meta.get("ungrounded", ())),
            feedback=notes,
            entries=entries,
            error=str(values.get("error") or ""),
            **known,
        )


def _extras(
    values: Mapping[str, Any], line: int
) -> tuple[tuple[FeedbackNote, ...], tuple[Entry, ...], tuple[str, ...]]:
    """Feedback, entries and ungrounded words of an output line. Raises RecordError."""
    for name in _MEASURED:
        kinds = (str,) if name == "template" else (int, float)
        if name in values and not isinstance(values[name], kinds):
            raise _foreign(line, name)
    notes = _read(values, "feedback", _note, line)
    entries = _read(values, "entries", lambda entry: Entry(**entry), line)
    return notes, entries, _read(values, "ungrounded", _word, line)


def _read(
    values: Mapping[str, Any], name: str, make: Callable[[Any], T], line: int
) -> tuple[T, ...]:
    try:
        return tuple(make(item) for item in values.get(name) or ())
    except (KeyError, TypeError):
        raise _foreign(line, name) from None


def _note(values: Any) -> FeedbackNote:
    return FeedbackNote(values["source"], values["word"], values["sentence"])


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _foreign(line: int, name: str) -> RecordError:
    return RecordError(line, _("{name} is not what kwtui extract writes.").format(name=name))


def occurrences(text: str, surface: str) -> list[tuple[int, int]]:
    """Where `surface` stands in `text`, from left to right, without overlaps."""
    found: list[tuple[int, int]] = []
    at = text.find(surface) if surface else -1
    while at >= 0:
        found.append((at, at + len(surface)))
        at = text.find(surface, at + len(surface))
    return found


def ground(text: str, surfaces: Iterable[str]) -> tuple[tuple[Keyword, ...], tuple[str, ...]]:
    """The keywords that `text` holds, and the surfaces that it does not.

    Each distinct surface is grounded at its first occurrence; keywords come in order of
    appearance. Surfaces are normalised and stripped; empty ones are no keywords.
    """
    keywords: list[Keyword] = []
    ungrounded: list[str] = []
    for surface in dict.fromkeys(normalise(s).strip() for s in surfaces):
        at = text.find(surface)
        if surface and at >= 0:
            keywords.append(Keyword(at, at + len(surface), surface))
        elif surface:
            ungrounded.append(surface)
    return tuple(sorted(keywords, key=lambda k: (k.start, k.end))), tuple(ungrounded)


def parse_record(obj: Mapping[str, Any], line: int = 1) -> Example:
    """An input record as an Example, its text normalised and its offsets moved accordingly.

    The text is `text`, or `input` (without one `instruction`); keywords are `keywords`, `labels`
    or `output`: a list of strings or of {"surface", "start", "end", ...}, or such a list as a
    JSON string. Keywords that the text does not hold are kept in `meta["ungrounded"]`. The id is
    `id` or the line number. Raises RecordError.
    """
    if not isinstance(obj, Mapping):
        raise RecordError(line, _("not a JSON object with a text."))
    raw = _text_of(obj, line)
    text = normalise(raw)
    given = next((obj[n] for n in ("keywords", "labels", "output") if obj.get(n) is not None), None)
    keywords, ungrounded = _keywords(given, raw, text, line)
    meta = obj.get("meta")
    known = dict(meta) if isinstance(meta, Mapping) else {}
    if ungrounded:
        known["ungrounded"] = ungrounded
    identifier = obj.get("id")
    return Example(
        id=str(line if identifier is None else identifier),
        text=text,
        keywords=keywords,
        split=str(obj.get("split") or ""),
        meta=known,
        labeled=given is not None,
    )


def _text_of(obj: Mapping[str, Any], line: int) -> str:
    for name in ("text", "input", "instruction"):
        value = obj.get(name)
        if value is None or (value == "" and name == "input"):
            continue
        if not isinstance(value, str):
            raise RecordError(line, _("{name} is not a string.").format(name=name))
        return value
    raise RecordError(line, _("no text: a record needs a key text (or instruction and input)."))


def _keywords(
    given: Any, raw: str, text: str, line: int
) -> tuple[tuple[Keyword, ...], tuple[str, ...]]:
    if isinstance(given, str):
        given = _from_json_string(given, line)
    if given is None:
        return (), ()
    if not isinstance(given, list | tuple):
        raise RecordError(line, _("the keywords are not a list."))
    if all(isinstance(item, str) for item in given):
        return ground(text, given)
    spans: list[Keyword] = []
    ungrounded: list[str] = []
    for item in given:
        found = _span(item, raw, text, line)
        if isinstance(found, Keyword):
            spans.append(found)
        elif found:
            ungrounded.append(found)
    unique = dict.fromkeys(sorted(spans, key=lambda k: (k.start, k.end)))
    return tuple(unique), tuple(ungrounded)


def _from_json_string(given: str, line: int) -> Any:
    try:
        return json.loads(given) if given.strip() else []
    except ValueError:
        raise RecordError(
            line, _("the keywords are a string, but not a JSON list of strings.")
        ) from None


def _span(item: Any, raw: str, text: str, line: int) -> Keyword | str:
    """One keyword of a list in the normalised text, or its surface when the text lacks it."""
    if isinstance(item, str):
        item = {"surface": item}
    if not isinstance(item, Mapping) or not isinstance(item.get("surface"), str):
        raise RecordError(line, _("a keyword is neither a string nor an object with a surface."))
    surface = normalise(item["surface"]).strip()
    start = item.get("start")
    if start is not None and (not isinstance(start, int) or not 0 <= start <= len(raw)):
        raise RecordError(
            line, _("the keyword {surface} starts outside the text.").format(surface=surface)
        )
    wanted = 0 if start is None else len(normalise(raw[:start]))
    places = [at for at, _end in occurrences(text, surface)]
    if text[wanted : wanted + len(surface)] == surface:
        places.append(wanted)
    if not places or not surface:
        return surface
    at = min(places, key=lambda place: abs(place - wanted))
    extra = {n: _optional_string(item, n) for n in ("category", "canonical", "term_id")}
    return Keyword(at, at + len(surface), surface, **extra)


def _optional_string(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return None if value is None or value == "" else str(value)
