"""Labeled sentences from patterns and words of the glossary: seeded, marked synthetic for ever.

A file of patterns (TOML) holds `patterns` and may hold `slots`, `fillers`, `count` and `seed`:

    patterns = ["{약효}[과] {약효} 효과가 있는 {제형}형 의약품은 {대상}에게 {?맞다|맞습니다}."]
    slots = {"대상" = ["임산부", "노인"]}
    fillers = {"수" = ["2", "3"]}

`{약효}` is a word of that slot or category of the glossary and a keyword; a filler is none.
`{=파스}` is a keyword as written, `{~파스타}` is none, `{?가|나}` is a choice. `[은]` after
anything becomes 은 or 는 by its last sound, and so do the other keys of glossary.josa.PAIRS.
"""

from __future__ import annotations

import difflib
import random
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.corpus.sources import read_text_strict
from engines.records import Example, Keyword
from glossary.errors import UserError
from glossary.i18n import _
from glossary.josa import PAIRS, attach
from glossary.term import Term
from glossary.text import normalise

_PART = re.compile(r"\{([^{}]*)\}|\[([^\[\]]*)\]")
_KEYS = ("patterns", "slots", "fillers", "count", "seed")
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a file of patterns says; `slots` and `fillers`: name -> words."""

    patterns: tuple[str, ...]
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fillers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    count: int = 100
    seed: int = 0


def read_patterns(path: Path) -> Patterns:
    """Read and check a file of patterns. Raises UserError naming what is wrong."""
    text, _encoding = read_text_strict(path, "utf-8")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            _("{path} is not TOML: {reason}.").format(path=path, reason=error)
        ) from None
    unknown = next((name for name in found if name not in _KEYS), None)
    patterns = found.get("patterns")
    if unknown is not None:
        sentence = _("{path}: '{name}' is unknown; there are {known}.")
        raise UserError(sentence.format(path=path, name=unknown, known=", ".join(_KEYS)))
    if not _strings(patterns) or not patterns:
        raise UserError(_("{path}: patterns is a list of sentences.").format(path=path))
    numbers = {name: found[name] for name in ("count", "seed") if name in found}
    if not all(isinstance(n, int) and n >= 0 for n in numbers.values()):
        raise UserError(_("{path}: count and seed are whole numbers.").format(path=path))
    slots, fillers = (_words(path, name, found.get(name, {})) for name in ("slots", "fillers"))
    return Patterns(tuple(map(normalise, patterns)), slots, fillers, **numbers)


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)


def _words(path: Path, name: str, table: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, dict) or not all(
        _strings(words) and words for words in table.values()
    ):
        sentence = _("{path}: {name} holds lists of words, each under its own name.")
        raise UserError(sentence.format(path=path, name=name))
    return {normalise(slot): tuple(map(normalise, words)) for slot, words in table.items()}


def glossary_slots(terms: Iterable[Term]) -> dict[str, tuple[str, ...]]:
    """Each category with the names and aliases of its keywords."""
    found: dict[str, list[str]] = {}
    for term in terms:
        if term.keyword and term.category:
            found.setdefault(term.category, []).extend(term.surfaces)
    return {name: tuple(dict.fromkeys(words)) for name, words in found.items()}


def synthesize(
    given: Patterns, categories: Mapping[str, Sequence[str]], *, count: int, seed: int
) -> Iterator[Example]:
    """At most `count` different sentences; the same ones for the same words, patterns and seed.

    Fewer come when the patterns have no more to say. Raises UserError for a slot without words
    and an unknown josa.
    """
    words = {**categories, **given.slots}
    parsed = [_parse(pattern, words, given.fillers) for pattern in given.patterns]
    rng = random.Random(seed)
    seen: set[str] = set()
    tries = 0
    while len(seen) < count and tries < _TRIES * max(count, 1):
        number = rng.randrange(len(parsed))
        text, keywords = _fill(parsed[number], words, given.fillers, rng)
        tries += 1
        if text in seen:
            continue
        seen.add(text)
        yield Example("", text, keywords, meta={"pattern": number + 1})


Part = tuple[str, str]


def _parse(
    pattern: str, words: Mapping[str, Sequence[str]], fillers: Mapping[str, Sequence[str]]
) -> list[Part]:
    """The parts of a pattern as (kind, value)."""
    parts: list[Part] = []
    at = 0
    for match in _PART.finditer(pattern):
        if match.start() > at:
            parts.append(("text", pattern[at : match.start()]))
        at = match.end()
        parts.append(_part(pattern, match, words, fillers))
    return [*parts, ("text", pattern[at:])] if at < len(pattern) else parts


def _part(
    pattern: str,
    match: re.Match[str],
    words: Mapping[str, Sequence[str]],
    fillers: Mapping[str, Sequence[str]],
) -> Part:
    slot, josa = match[1], match[2]
    if josa is not None:
        if josa not in PAIRS:
            sentence = _("'[{josa}]' in the pattern '{pattern}' is no josa; there are {known}.")
            shown = {"josa": josa, "pattern": pattern, "known": " ".join(PAIRS)}
            raise UserError(sentence.format(**shown))
        return "josa", josa
    if slot[:1] in "=~?" and slot[1:]:
        return {"=": "keyword", "~": "text", "?": "choice"}[slot[0]], slot[1:]
    if slot in fillers:
        return "filler", slot
    if words.get(slot):
        return "slot", slot
    near = difflib.get_close_matches(slot, [*words, *fillers], n=1, cutoff=0.5)
    if near:
        sentence = _("There are no words for '{slot}' in '{pattern}'. Did you mean '{near}'?")
        raise UserError(sentence.format(slot=slot, pattern=pattern, near=near[0]))
    sentence = _(
        "There are no words for '{slot}' in '{pattern}': list them under slots, or give terms of "
        "the glossary that category."
    )
    raise UserError(sentence.format(slot=slot, pattern=pattern))


def _fill(
    parts: Sequence[Part],
    words: Mapping[str, Sequence[str]],
    fillers: Mapping[str, Sequence[str]],
    rng: random.Random,
) -> tuple[str, tuple[Keyword, ...]]:
    text = ""
    keywords: list[Keyword] = []
    used: set[str] = set()
    for kind, value in parts:
        if kind == "josa":
            text = attach(text, value)
            continue
        piece, category = value, None
        if kind == "slot":
            fresh = [word for word in words[value] if word not in used] or words[value]
            piece, category = rng.choice(fresh), value
            used.add(piece)
        elif kind == "filler":
            piece = rng.choice(fillers[value])
        elif kind == "choice":
            piece = rng.choice(value.split("|"))
        if kind in ("slot", "keyword"):
            keywords.append(Keyword(len(text), len(text) + len(piece), piece, category))
        text += piece
    skipped = len(text) - len(text.lstrip())
    moved = [Keyword(k.start - skipped, k.end - skipped, k.surface, k.category) for k in keywords]
    return text.strip(), tuple(moved)
