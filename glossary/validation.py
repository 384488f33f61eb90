"""What a glossary refuses, each refusal a sentence that names the term and what to do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from glossary.i18n import _
from glossary.term import Term, key, new_id, same_content, tidy

MAX_NAME = 200
MAX_TEXT = 10_000
MAX_ALIASES = 200
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The term at `index` of what was given cannot be taken, for `reason`."""

    index: int
    canonical: str
    reason: str


@dataclass(slots=True)
class Plan:
    """What would happen to a glossary: terms that are new, changed and the same, and refusals."""

    new: list[Term] = field(default_factory=list)
    changed: list[Term] = field(default_factory=list)
    same: list[Term] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class Names:
    """Whose name each spelling is, kept up while terms are planned."""

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        self.by_id: dict[str, Term] = {}
        self._owner: dict[str, str] = {}
        for term in terms:
            self.put(term)

    def put(self, term: Term) -> None:
        """Add or replace a term."""
        self.drop(term.id)
        self.by_id[term.id] = term
        for surface in term.surfaces:
            self._owner.setdefault(key(surface), term.id)

    def drop(self, term_id: str) -> None:
        """Forget a term; unknown ids are ignored."""
        old = self.by_id.pop(term_id, None)
        for surface in old.surfaces if old else ():
            if self._owner.get(key(surface)) == term_id:
                del self._owner[key(surface)]

    def owner(self, surface: str) -> Term | None:
        """The term that has `surface` as canonical form or alias."""
        found = self._owner.get(key(surface))
        return self.by_id.get(found) if found else None

    def canonical(self, surface: str) -> Term | None:
        """The term whose canonical form is `surface`."""
        term = self.owner(surface)
        return term if term and key(term.canonical) == key(surface) else None


def plan(terms: Iterable[Term], present: Mapping[str, Term]) -> Plan:
    """Sort `terms` by what upserting them into the terms `present` (by id) would do.

    A term without an id, or with an id that is not there, is the entry with its canonical form;
    if there is none it is new and gets an id.
    """
    names, result = Names(present.values()), Plan()
    for index, given in enumerate(terms):
        reason = _malformed(given)
        term = tidy(given)
        if not reason:
            term = _identified(term, names)
            reason = _conflict(term, names)
        if reason:
            result.refused.append(Refusal(index, term.canonical, reason))
            continue
        old = names.by_id.get(term.id)
        if old is None:
            result.new.append(term)
        elif same_content(old, term):
            result.same.append(old)
        else:
            term = replace(term, created=old.created)
            result.changed.append(term)
        names.put(term)
    return result


def settle(terms: Iterable[Term], present: Mapping[str, Term]) -> tuple[list[Term], list[Refusal]]:
    """Leave out aliases that another term has, so that a foreign list is taken whole.

    A canonical form goes before an alias, an earlier alias before a later one. Returns the terms
    and one refusal for each alias left out.
    """
    given = [tidy(term) for term in terms]
    names, left_out = Names(present.values()), list[Refusal]()
    canonical = {key(term.canonical): term.canonical for term in given}
    taken: dict[str, str] = {}
    settled: list[Term] = []
    for index, term in enumerate(given):
        there, kept = names.canonical(term.canonical), list[str]()
        for alias in term.aliases:
            owner = names.owner(alias)
            other = canonical.get(key(alias)) or taken.setdefault(key(alias), term.canonical)
            if owner and owner != there:
                other = owner.canonical
            if other == term.canonical:
                kept.append(alias)
            else:
                sentence = _("the alias '{name}' is left out: it belongs to '{other}'.")
                reason = sentence.format(name=alias, other=other)
                left_out.append(Refusal(index, term.canonical, reason))
        settled.append(replace(term, aliases=tuple(kept)))
    return settled, left_out


def _identified(term: Term, names: Names) -> Term:
    if term.id in names.by_id:
        return term
    there = names.canonical(term.canonical)
    if there:
        return replace(term, id=there.id)
    if term.id:
        return term
    fresh, number = new_id(term.canonical), 1
    while fresh in names.by_id:
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


def _conflict(term: Term, names: Names) -> str:
    for surface in term.surfaces:
        other = names.owner(surface)
        if other is None or other.id == term.id:
            continue
        if surface == term.canonical:
            sentence = _(
                "'{name}' is already an alias of '{other}': add to that term or remove its alias."
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
        return sentence.format(name=surface, term=term.canonical, other=other.canonical)
    return ""


def _control(char: str) -> bool:
    return unicodedata.category(char) == "Cc"


def _shown(text: str) -> str:
    text = "".join(" " if _control(c) else c for c in text)
    return text if len(text) <= 40 else text[:39] + "…"
