"""Tokens with tags: B-X I-X O, IOB1, BIOES and BILOU, and tags with a suffix such as Disease-B.

Texts are put together again from their tokens: from the text where it is known, else character
tokens as they are, Korean morphemes by Kiwi's spacing, and words by the spaces that English
punctuation has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from glossary.errors import UserError
from glossary.i18n import _

_PREFIXED = re.compile(r"([BIESLUM])(?:[-_](.+))?\Z")
_SUFFIXED = re.compile(r"(.+)[-_]([BIESLUM])\Z")
_OUTSIDE = frozenset({"O", "o", "_", ""})
_PLAIN = frozenset({"KW", "KEYWORD", "키워드"})
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
# Morphemes that stand alone only where a text was split into morphemes.
_BOUND = frozenset("은는을를의에와과로다하되된한었았고며") | {
    "으로",
    "에서",
    "에게",
    "이다",
    "습니다",
}
_NO_SPACE_BEFORE = re.compile(r"[.,;:!?%)\]}’”»…]+\Z|'s\Z|n't\Z")
_NO_SPACE_AFTER = re.compile(r"[(\[{‘“«$#]\Z")
_JOINING = frozenset("-/–'’")
_CONTRACTED = re.compile(r"(?:s|t|d|ll|re|ve|m)\Z", re.IGNORECASE)


class TagError(UserError):
    """Tokens and tags that do not fit together."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text and its keywords as objects with surface, start, end and perhaps category."""

    text: str
    keywords: tuple[dict[str, Any], ...]


def looks_like_tag(tag: str) -> bool:
    """Whether a cell may be a tag."""
    return tag == "O" or bool(_PREFIXED.match(tag) or _SUFFIXED.match(tag))


def parse_tag(tag: str) -> tuple[str, str]:
    """A tag as (B, I or O, type); S and U begin, E, L and M go on. Raises TagError."""
    tag = tag.strip()
    if tag in _OUTSIDE:
        return "O", ""
    prefixed = _PREFIXED.match(tag)
    suffixed = None if prefixed else _SUFFIXED.match(tag)
    if prefixed:
        mark, name = prefixed[1], prefixed[2] or ""
    elif suffixed:
        mark, name = suffixed[2], suffixed[1]
    else:
        raise TagError(_("'{tag}' is no tag such as B-Disease or Disease-B.").format(tag=tag))
    return "B" if mark in "BSU" else "I", name


def rebuild(tokens: Sequence[str], tags: Sequence[str], text: str | None = None) -> Sentence:
    """The text of the tokens and the keywords that the tags mark. Raises TagError."""
    if len(tokens) != len(tags):
        sentence = _("{tokens} tokens, but {tags} tags.")
        raise TagError(sentence.format(tokens=len(tokens), tags=len(tags)))
    places = locate(tokens, text) if text is not None else None
    if places is None:
        text, places = join(tokens)
    assert text is not None
    keywords = []
    for first, last, name in _runs([parse_tag(tag) for tag in tags]):
        start, end = places[first][0], places[last][1]
        surface = text[start:end]
        if not surface.strip():
            continue
        keyword: dict[str, Any] = {"surface": surface, "start": start, "end": end}
        if name and name.upper() not in _PLAIN:
            keyword["category"] = name
        keywords.append(keyword)
    return Sentence(text, tuple(keywords))


def _runs(marks: Sequence[tuple[str, str]]) -> Iterator[tuple[int, int, str]]:
    """First and last token of each keyword; an I after another type begins one (IOB1)."""
    start: int | None = None
    name = ""
    for place, (mark, kind) in enumerate([*marks, ("O", "")]):
        if start is not None and (mark != "I" or kind != name):
            yield start, place - 1, name
            start = None
        if mark != "O" and start is None:
            start, name = place, kind


def locate(tokens: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    """Where the tokens stand in `text`, one after the other; None when one is not there."""
    places: list[tuple[int, int]] = []
    at = 0
    for token in tokens:
        start = text.find(token, at)
        if start < 0 or text[at:start].strip():
            return None
        at = start + len(token)
        places.append((start, at))
    return places


def join(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text of the tokens as far as it can be known, and the place of each token."""
    if any(token.isspace() for token in tokens):
        return _placed(tokens, [False] * len(tokens))
    if any(_HANGUL.search(token) for token in tokens) and _BOUND & set(tokens):
        return _placed(tokens, _morpheme_spaces(tokens))
    return _placed(tokens, _word_spaces(tokens))


def _placed(tokens: Sequence[str], spaces: Sequence[bool]) -> tuple[str, list[tuple[int, int]]]:
    """The tokens one after the other, with a space before those marked."""
    text = ""
    places: list[tuple[int, int]] = []
    for token, space in zip(tokens, spaces, strict=True):
        text += " " if space and text else ""
        places.append((len(text), len(text) + len(token)))
        text += token
    return text, places


def _morpheme_spaces(tokens: Sequence[str]) -> list[bool]:
    """Kiwi's spaces in the tokens written together, those inside a token left out."""
    from glossary.boundaries import spaced

    spaces, at = set[int](), 0
    for letter in spaced("".join(tokens)):
        if letter.isspace():
            spaces.add(at)
        else:
            at += 1
    found, at = list[bool](), 0
    for token in tokens:
        found.append(at in spaces)
        at += len("".join(token.split()))
    return found


def _word_spaces(tokens: Sequence[str]) -> list[bool]:
    """Spaces as English writes them around punctuation, quotes and hyphens."""
    found: list[bool] = []
    quotes = 0
    glued = False
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        after = tokens[place + 1] if place + 1 < len(tokens) else ""
        if token == '"':
            quotes += 1
            found.append(quotes % 2 == 1)
            glued = quotes % 2 == 1
            continue
        attach = glued or bool(_NO_SPACE_BEFORE.match(token)) or bool(_NO_SPACE_AFTER.match(before))
        if token in _JOINING or before in _JOINING:
            attach = _joins(tokens, place, before, after) or attach
        found.append(not attach)
        glued = False
    return found


def _joins(tokens: Sequence[str], place: int, before: str, after: str) -> bool:
    """Whether a hyphen, slash or apostrophe belongs to its neighbours."""
    token = tokens[place]
    if "/" in (token, before):
        return True
    if token in _JOINING:
        return bool(after) and before[-1:].isalnum() and (after[0].isalnum() or token in "'’")
    earlier = tokens[place - 2] if place >= 2 else ""
    if before in "'’":
        return bool(_CONTRACTED.match(token))
    return earlier[-1:].isalnum() and token[0].isalnum()
