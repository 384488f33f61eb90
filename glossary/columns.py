"""Which column of a table is which field of a term: guessed from headers, changed on request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from glossary.errors import UserError
from glossary.i18n import _

FIELDS = (
    "id", "canonical", "aliases", "definition", "category", "language", "source", "notes",
    "keyword", "created", "updated", "author", "ambiguous",
)  # fmt: skip

# Headers that are understood, compared without case, spaces and marks.
HEADERS: Mapping[str, str] = {
    **dict.fromkeys(("canonical", "term", "word", "용어", "표제어", "단어", "용어명"), "canonical"),
    **dict.fromkeys(("명칭", "이름", "name", "targetstring", "유형명"), "canonical"),
    **dict.fromkeys(("aliases", "alias", "synonyms", "synonym", "sourcestring"), "aliases"),
    **dict.fromkeys(("동의어", "유의어", "별칭", "이형", "이형태", "다른이름"), "aliases"),
    **dict.fromkeys(("definition", "description", "정의", "설명", "뜻", "의미"), "definition"),
    **dict.fromkeys(("category", "type", "class", "kind", "분류", "범주", "종류"), "category"),
    **dict.fromkeys(("language", "lang", "targetlang", "언어"), "language"),
    **dict.fromkeys(("source", "출처"), "source"),
    **dict.fromkeys(("notes", "note", "비고", "메모", "참고"), "notes"),
    **dict.fromkeys(("keyword", "iskeyword", "키워드", "키워드여부"), "keyword"),
    **dict.fromkeys(("ambiguous", "중의", "중의적", "모호"), "ambiguous"),
    **{name: name for name in ("id", "created", "updated", "author")},
}


@dataclass(slots=True)
class Table:
    """What a table's first rows show, so that a person can check or change the columns.

    `columns` maps our fields to headers; `unused` are the headers that no field takes; `sample`
    holds the first rows as they stand.
    """

    header: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    sample: list[list[str]] = field(default_factory=list)
    encoding: str = ""


def places(header: Sequence[str], named: Mapping[str, str], path: Path) -> dict[str, int]:
    """The place of each field's column: those that `named` says, the rest guessed.

    `named` maps fields to headers, or to "" for a field that no column has. Raises UserError for
    a header or field that is not there and when no column holds the term.
    """
    plain_header = [plain(name) for name in header]
    found: dict[str, int] = {}
    for name, wanted in named.items():
        if name not in FIELDS:
            sentence = _("'{field}' is no field of a term: use one of {fields}.")
            raise UserError(sentence.format(field=name, fields=", ".join(FIELDS)))
        if not wanted:
            continue
        if plain(wanted) not in plain_header:
            sentence = _("{path} has no column '{wanted}' (found: {found}).")
            shown = ", ".join(filter(None, header))
            raise UserError(sentence.format(path=path, wanted=wanted, found=shown))
        found[name] = plain_header.index(plain(wanted))
    for place, name in enumerate(plain_header):
        known = HEADERS.get(name)
        if known and known not in named and place not in found.values():
            found.setdefault(known, place)
    if "canonical" not in found and "keyword" in found and "keyword" not in named:
        found["canonical"] = found.pop("keyword")
    if "canonical" not in found:
        sentence = _(
            "{path} has no column for the term (found: {found}): "
            "call it 용어 or term, or name it with --column canonical=NAME."
        )
        raise UserError(sentence.format(path=path, found=", ".join(filter(None, header))))
    return found


def plain(header: str) -> str:
    """A header without case, spaces and marks."""
    return re.sub(r"[\s_\-().*]", "", header).lower()
