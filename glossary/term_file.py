"""What a file of terms holds, row by row: terms with their lines, and rows that are none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from glossary.columns import FIELDS
from glossary.i18n import _
from glossary.term import Term, key

_SEPARATOR = re.compile(r"\s*[;|\n]\s*|\s*,\s+|(?<=[가-힣])\s*,\s*(?=[가-힣])")
# Ids of our own making (glossary.term.new_id); the row numbers of others are none.
_OWN_ID = re.compile(r"[0-9a-f]{16}(-\d+)?")
_NO = frozenset(["false", "no", "n", "0", "x", "아니오", "아니요", "제외"])
_YES = frozenset(["true", "yes", "y", "1", "o", "예", "네"])
_LISTS = ("aliases", "ambiguous")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a file that was not taken; lines count from 1."""

    line: int
    reason: str


@dataclass(slots=True)
class TermFile:
    """What a file holds: terms with their lines and the fields given, and rows that are no terms.

    `columns` maps our fields to the file's headers, `encoding` is what the bytes were.
    """

    terms: list[Term] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    fields: list[frozenset[str]] = field(default_factory=list)
    refused: list[BadRow] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    encoding: str = ""

    def take(self, line: int, values: Mapping[str, Any]) -> None:
        """Add a row, its values by our fields; what makes no term is refused with its line."""
        try:
            term = _term(values)
        except ValueError as error:
            self.refused.append(BadRow(line, str(error)))
            return
        self.terms.append(term)
        self.lines.append(line)
        self.fields.append(frozenset(n for n in FIELDS if values.get(n) not in (None, "", [])))

    def merged(self) -> TermFile:
        """Rows with the same canonical form as one: names united, the first of each text kept."""
        places: dict[str, int] = {}
        refused = sorted(self.refused, key=lambda row: row.line)
        made = TermFile(refused=refused, columns=self.columns, encoding=self.encoding)
        for term, line, given in zip(self.terms, self.lines, self.fields, strict=True):
            place = places.setdefault(key(term.canonical), len(made.terms))
            if place == len(made.terms):
                made.terms.append(term)
                made.lines.append(line)
                made.fields.append(given)
            else:
                first = made.terms[place]
                made.terms[place] = combine(term, first, made.fields[place])
                made.fields[place] |= given
        return made


def combine(old: Term, new: Term, given: frozenset[str]) -> Term:
    """`old` completed by `new`: the fields `given` in `new` count, names are united."""
    texts = given - {"id", "canonical", "aliases", "ambiguous", "created", "updated", "author"}
    return replace(
        old,
        canonical=new.canonical,
        aliases=tuple(dict.fromkeys((*old.aliases, *new.aliases))),
        ambiguous=tuple(dict.fromkeys((*old.ambiguous, *new.ambiguous))),
        **{name: getattr(new, name) for name in texts},
    )


def listed(values: tuple[str, ...]) -> str:
    """A list in one cell: set apart by semicolons, or as JSON where that would not come back."""
    joined = "; ".join(values)
    return joined if values == names(joined) else json.dumps(list(values), ensure_ascii=False)


def names(value: Any, field_name: str = "aliases") -> tuple[str, ...]:
    """A list of names from a cell or a JSON value; ValueError with a sentence for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):
            value = json.loads(value)
    if value is None:
        return ()
    if isinstance(value, str):
        value = _SEPARATOR.split(value)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(_("'{field}' is no list of texts.").format(field=field_name))
    return tuple(name.strip() for name in value if name.strip())


def _term(values: Mapping[str, Any]) -> Term:
    texts: dict[str, Any] = {}
    for name in FIELDS:
        value = values.get(name)
        if name in (*_LISTS, "keyword") or value is None:
            continue
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ValueError(_("'{field}' is no text.").format(field=name))
        texts[name] = str(value).strip()
    if not texts.get("canonical"):
        raise ValueError(_("there is no term in it."))
    if not _OWN_ID.fullmatch(texts.get("id", "")):
        texts["id"] = ""
    texts |= {name: names(values.get(name), name) for name in _LISTS}
    return Term(**texts, keyword=_flag(values.get("keyword")))


def _flag(value: Any) -> bool:
    text = "" if value is None else str(value).strip().lower()
    if text and text not in _YES | _NO:
        raise ValueError(_("'keyword' is '{value}', neither yes nor no.").format(value=value))
    return text not in _NO
