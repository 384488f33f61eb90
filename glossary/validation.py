"""What a glossary refuses, each refusal a sentence that names the term and what to do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from glossary.i18n import _
from glossary.term import Term, key, new_id, same_content, tidy

MAX_NAME = 200
MAX_TEXT = 10_000
MAX_ALIASES = 200
MAX_CATEGORY = 200
# The longest language tag of BCP 47, section 4.4.1.
MAX_LANGUAGE = 35
MAX_SOURCE = 2_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The term at `index` of what was given cannot be taken, for `reason`.

    `other`: the id of the term that has the name already, which this one could be merged into
    (`merged`); "" when merging is no cure.
    """

    index: int
    canonical: str
    reason: str
    other: str = ""


@dataclass(slots=True)
class Plan:
    """What would happen to a glossary: terms that are new, changed and the same, and refusals.

    `ordered` holds every term that is not refused, in the order given.
    """

    new: list[Term] = field(default_factory=list)
    changed: list[Term] = field(default_factory=list)
    same: list[Term] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    ordered: list[Term] = field(default_factory=list)


class Present(Protocol):
    """The terms of a glossary, asked one at a time."""

    def get(self, term_id: str) -> Term | None:
        """The term with this id."""
        ...

    def owner(self, name: str) -> Term | None:
        """The term that has `name` (as `glossary.term.key` gives it)."""
        ...


class Given:
    """Terms in memory as `Present`."""

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        self._by_id = {term.id: term for term in terms}
        self._owner = {key(s): t.id for t in self._by_id.values() for s in t.surfaces}

    def get(self, term_id: str) -> Term | None:
        """The term with this id."""
        return self._by_id.get(term_id)

    def owner(self, name: str) -> Term | None:
        """The term that has `name`."""
        found = self._owner.get(name)
        return self._by_id[found] if found else None


class Names:
    """Whose name each spelling is: what is present, with the terms that are planned over it."""

    def __init__(self, present: Present) -> None:
        self._present = present
        self._planned: dict[str, Term] = {}
        self._owner: dict[str, str] = {}

    def get(self, term_id: str) -> Term | None:
        """The term with this id."""
        return self._planned.get(term_id) or self._present.get(term_id)

    def put(self, term: Term) -> None:
        """Add or replace a term."""
        old = self._planned.get(term.id)
        for surface in old.surfaces if old else ():
            if self._owner.get(key(surface)) == term.id:
                del self._owner[key(surface)]
        self._planned[term.id] = term
        for surface in term.surfaces:
            self._owner[key(surface)] = term.id

    def owner(self, surface: str) -> Term | None:
        """The term that has `surface` as canonical form or alias."""
        name = key(surface)
        if name in self._owner:
            return self._planned[self._owner[name]]
        found = self._present.owner(name)
        return None if found is None or found.id in self._planned else found

    def canonical(self, surface: str) -> Term | None:
        """The term whose canonical form is `surface`."""
        term = self.owner(surface)
        return term if term and key(term.canonical) == key(surface) else None


def plan(terms: Iterable[Term], present: Mapping[str, Term] | Present) -> Plan:
    """Sort `terms` by what upserting them into the terms `present` (by id) would do.

    A term without an id, or with an id that is not there, is the entry with its canonical form;
    only when there is none it is new. Refused: empty or too long names, control characters in
    names, names that another term has, ids with other characters than Latin letters, digits, _.:-
    """
    names, result = Names(_asked(present)), Plan()
    for index, given in enumerate(terms):
        reason = _malformed(given)
        term, other = tidy(given), ""
        if not reason:
            term = _identified(term, names)
            reason, other = _conflict(term, names)
        if reason:
            result.refused.append(Refusal(index, term.canonical, reason, other))
            continue
        old = names.get(term.id)
        if old is None:
            result.new.append(term)
        elif same_content(old, term):
            result.same.append(old)
        else:
            term = replace(term, created=old.created)
            result.changed.append(term)
        result.ordered.append(term)
        names.put(term)
    return result


def merged(kept: Term, other: Term) -> Term:
    """`kept` with everything that `other` says: its names as aliases, its texts where none are.

    Definitions and notes that differ are joined by a newline. Names of other terms in between are
    not looked at: `plan` refuses them.
    """
    return replace(
        kept,
        aliases=tidy(replace(kept, aliases=(*kept.aliases, *other.surfaces))).aliases,
        definition=_joined(kept.definition, other.definition),
        notes=_joined(kept.notes, other.notes),
        category=kept.category or other.category,
        source="; ".join(dict.fromkeys(filter(None, (kept.source, other.source)))),
    )


def settle(
    terms: Iterable[Term], present: Mapping[str, Term] | Present
) -> tuple[list[Term], list[Refusal]]:
    """Leave out aliases that another term has, so that a foreign list is taken whole.

    Who has a name keeps it; else a canonical form goes before an alias, an earlier alias before a
    later one. Returns the terms and one refusal for each alias left out.
    """
    given = list(terms)
    names, left_out = Names(_asked(present)), list[Refusal]()
    canonical = {key(term.canonical): _shown(term.canonical) for term in given}
    taken: dict[str, str] = {}
    settled: list[Term] = []
    for index, term in enumerate(given):
        there = (names.get(term.id) if term.id else None) or names.canonical(term.canonical)
        own, kept = key(term.canonical), list[str]()
        for alias in term.aliases:
            name, owner = key(alias), names.owner(alias)
            if owner is None:
                claimed = name if name in canonical else taken.setdefault(name, own)
                mine, other = claimed == own, canonical[claimed]
            else:
                mine, other = owner == there, owner.canonical
            if mine:
                kept.append(alias)
                continue
            sentence = _("the alias '{name}' is left out: it belongs to '{other}'.")
            reason = sentence.format(name=_shown(alias), other=other)
            left_out.append(Refusal(index, term.canonical, reason))
        settled.append(replace(term, aliases=tuple(kept)))
    return settled, left_out


def _asked(present: Mapping[str, Term] | Present) -> Present:
    return Given(present.values()) if isinstance(present, Mapping) else present


def _joined(one: str, other: str) -> str:
    return "\n".join(dict.fromkeys(filter(None, (one, other))))


def _identified(term: Term, names: Names) -> Term:
    if term.id and names.get(term.id):
        return term
    there = names.canonical(term.canonical)
    if there:
        return replace(term, id=there.id)
    if term.id:
        return term
    fresh, number = new_id(term.canonical), 1
    while names.get(fresh):
        number += 1
        fresh = f"{new_id(term.canonical)}-{number}"
    return replace(term, id=fresh)


def _malformed(term: Term) -> str:
    canonical = " ".join(term.canonical.split())
    checks = (
        _name_fault(term.canonical, canonical, _("The term")),
        *(_name_fault(alias, canonical, _("An alias")) for alias in term.aliases if alias.strip()),
    )
    if fault := next(filter(None, checks), ""):
        return fault
    if term.id.strip() and not _ID.fullmatch(term.id.strip()):
        sentence = _(
            "The id of '{term}' may hold only Latin letters, digits and _ . : - (at most 64)."
        )
        return sentence.format(term=canonical)
    if len(term.aliases) > MAX_ALIASES:
        sentence = _("'{term}' has {count} aliases; at most {limit} are kept.")
        return sentence.format(term=canonical, count=len(term.aliases), limit=MAX_ALIASES)
    if max(len(term.definition), len(term.notes)) > MAX_TEXT:
        sentence = _(
            "The definition or note of '{term}' is longer than {limit} characters: shorten it."
        )
        return sentence.format(term=canonical, limit=MAX_TEXT)
    return _label_fault(term, canonical)


def _label_fault(term: Term, canonical: str) -> str:
    """What is wrong with the short texts of a term; "" for nothing."""
    fields = (
        (term.category, MAX_CATEGORY, _("The kind of '{term}' is longer than {limit} characters: "
                                        "shorten it.")),
        (term.language, MAX_LANGUAGE, _("The language of '{term}' is longer than {limit} "
                                        "characters: write a tag such as ko or en.")),
        (term.source, MAX_SOURCE, _("The source of '{term}' is longer than {limit} characters: "
                                    "shorten it.")),
    )  # fmt: skip
    for value, limit, sentence in fields:
        if len(value) > limit:
            return sentence.format(term=_shown(canonical), limit=limit)
    return ""


def _name_fault(name: str, canonical: str, what: str) -> str:
    shown = _shown(canonical)
    if controls := sorted({c for c in name.strip() if _control(c)}):
        codes = ", ".join(f"U+{ord(c):04X}" for c in controls)
        sentence = _("{what} '{term}' holds control characters ({codes}): remove them.")
        return sentence.format(what=what, term=shown, codes=codes)
    clean = tidy(Term(id="", canonical=name)).canonical
    if not clean:
        return _("{what} is empty: give at least one character.").format(what=what)
    if len(clean) > MAX_NAME:
        sentence = _("{what} '{term}' is longer than {limit} characters: shorten it.")
        return sentence.format(what=what, term=_shown(clean), limit=MAX_NAME)
    if not any(c.isalnum() for c in clean):
        sentence = _(
            "{what} '{term}' has neither a letter nor a digit, so no text can be searched for it."
        )
        return sentence.format(what=what, term=shown)
    return ""


def _conflict(term: Term, names: Names) -> tuple[str, str]:
    """Why the term's names cannot be its own, and the id of the term that has one of them."""
    for surface in term.surfaces:
        other = names.owner(surface)
        if other is None or other.id == term.id:
            continue
        if surface == term.canonical:
            sentence = _(
                "'{name}' is already an alias of '{other}': merge the two, or remove that alias."
            )
            if key(other.canonical) == key(surface):
                sentence = _("'{name}' is already the term '{other}': change that term.")
        elif key(other.canonical) == key(surface):
            sentence = _(
                "The alias '{name}' of '{term}' is itself the term '{other}': merge the two."
            )
        else:
            sentence = _(
                "The alias '{name}' of '{term}' is already an alias of '{other}': merge the two."
            )
        shown = sentence.format(name=surface, term=term.canonical, other=other.canonical)
        return shown, other.id
    return "", ""


def _control(char: str) -> bool:
    return unicodedata.category(char) == "Cc"


def _shown(text: str) -> str:
    text = "".join(" " if _control(c) else c for c in text)
    return text if len(text) <= 40 else text[:39] + "…"
