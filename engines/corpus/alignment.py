"""Keywords without a place, put where the text has them: at every occurrence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engines.corpus.adding import DOCUMENT, Given
from engines.corpus.formats import Record
from engines.records import Example, Keyword, occurrences
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

_OWN_KEYS = ("id", "text", "keywords", "labels", "output", "input", "split", "meta")
_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]」』]*[ \n]+|\n+")


@dataclass(frozen=True, slots=True)
class Aligned:
    """Keywords at all their places; `ambiguous` surfaces stand at several, `missing` at none."""

    keywords: tuple[Keyword, ...]
    ambiguous: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def align(text: str, words: Iterable[str], taken: Sequence[Keyword] = ()) -> Aligned:
    """Put each word at every occurrence in normalised `text` that no longer keyword covers.

    A word whose every occurrence lies inside other keywords is put at its first one. `taken`:
    keywords whose place is known.
    """
    wanted = list(dict.fromkeys(w for w in (normalise(word).strip() for word in words) if w))
    covered = [(k.start, k.end) for k in taken]
    found: list[Keyword] = list(taken)
    ambiguous, missing = list[str](), list[str]()
    for word in sorted(wanted, key=len, reverse=True):
        places = occurrences(text, word)
        free = [
            (start, end)
            for start, end in places
            if not any(low < end and start < high for low, high in covered)
        ]
        if not places:
            missing.append(word)
            continue
        chosen = free or places[:1]
        if len(chosen) > 1:
            ambiguous.append(word)
        covered += chosen
        found += [Keyword(start, end, word) for start, end in chosen]
    return Aligned(
        tuple(sorted(found, key=lambda k: (k.start, k.end))),
        tuple(w for w in wanted if w in ambiguous),
        tuple(w for w in wanted if w in missing),
    )


def given(record: Record) -> Given:
    """A record as the corpus takes it: keywords at all their places, other keys as metadata.

    The id is kept only where the record had one.
    """
    raw, example = record.raw, record.example
    names = [name for name in raw if name not in _OWN_KEYS]
    if not raw.get("text") and not raw.get("input"):
        names = [name for name in names if name != "instruction"]
    extras = {name: raw[name] for name in names}
    identifier = example.id if raw.get("id") not in (None, "") else ""
    known = replace(example, id=identifier, meta={**extras, **example.meta})
    placed, unplaced = _placed(record)
    if not unplaced:
        return Given(known, record.annotator, record.status, record.note)
    found = align(example.text, unplaced, placed)
    known = replace(known, keywords=found.keywords)
    return Given(known, record.annotator, record.status, record.note, len(found.ambiguous))


def _placed(record: Record) -> tuple[list[Keyword], list[str]]:
    """The keywords whose place the record gives, and the surfaces of the others."""
    items = next(
        (record.raw[n] for n in ("keywords", "labels", "output") if record.raw.get(n) is not None),
        (),
    )
    surfaces = {
        normalise(item["surface"]).strip()
        for item in (items if isinstance(items, Sequence) and not isinstance(items, str) else ())
        if isinstance(item, Mapping)
        and isinstance(item.get("surface"), str)
        and item.get("start") is not None
    }
    placed = [k for k in record.example.keywords if k.surface in surfaces]
    return placed, [k.surface for k in record.example.keywords if k.surface not in surfaces]


def words_in(text_id: str, text: str, words: Iterable[str]) -> tuple[Keyword, ...]:
    """The keywords that a person named by their letters. Raises UserError for one not there."""
    found = align(text, words)
    if found.missing:
        sentence = _("Text {id} does not hold {words}: nothing was changed.")
        shown = ", ".join(f"'{word}'" for word in found.missing)
        raise UserError(sentence.format(id=text_id, words=shown))
    return found.keywords


def pieces(one: Given, limit: int) -> Iterator[Given]:
    """A document of more than `limit` characters cut at sentence ends, never inside a keyword.

    Each piece keeps the document's id and its offset there in the metadata, and joins the group
    of the document. A sentence longer than the limit stays whole.
    """
    example = one.example
    if len(example.text) <= limit:
        yield one
        return
    for number, (start, end) in enumerate(_cut(example, limit), 1):
        text = example.text[start:end]
        skipped = len(text) - len(text.lstrip())
        start, text = start + skipped, text.strip()
        if not text:
            continue
        keywords = tuple(
            replace(k, start=k.start - start, end=k.end - start)
            for k in example.keywords
            if start <= k.start and k.end <= start + len(text)
        )
        name = example.id or "text"
        meta: dict[str, Any] = {DOCUMENT: name, **example.meta, "offset": start}
        if number > 1:
            meta.pop("ungrounded", None)
        part = replace(example, id=f"{name}/{number}", text=text, keywords=keywords, meta=meta)
        yield replace(one, example=part)


def _cut(example: Example, limit: int) -> Iterator[tuple[int, int]]:
    ends = [match.end() for match in _SENTENCE_END.finditer(example.text)] + [len(example.text)]
    allowed = [e for e in ends if not any(k.start < e < k.end for k in example.keywords)]
    start = 0
    previous = 0
    for end in allowed:
        if end - start > limit and previous > start:
            yield start, previous
            start = previous
        previous = end
    if start < len(example.text):
        yield start, len(example.text)
