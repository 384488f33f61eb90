"""Changes to fields of terms: of one that a person looked at, or of many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import CONTENT, Term, tidy
from glossary.text import printable
from glossary.validation import Refusal

# What may be the same for many terms.
SHARED = ("category", "language", "source", "notes", "definition", "keyword")
MOST = 100_000
_SHOWN = 60
_FIELDS = (*CONTENT, "keyword")


def revised(now: Term | None, seen: Term, wanted: Term) -> Term:
    """The term as it is `now` with what a person who saw `seen` made of it in `wanted`.

    Fields that others changed meanwhile stay. Raises UserError when the term is gone, or when
    others changed a field that the person changed too.
    """
    if now is None:
        sentence = _("'{term}' was removed meanwhile: nothing was changed.")
        raise UserError(sentence.format(term=seen.canonical))
    one, other = tidy(seen), tidy(wanted)
    changes = {n: getattr(other, n) for n in _FIELDS if getattr(one, n) != getattr(other, n)}
    for name, value in changes.items():
        there = getattr(now, name)
        if there not in (getattr(one, name), value):
            sentence = _(
                "'{term}' was changed meanwhile by {author}: {field} is now '{there}', "
                "not '{before}'. Nothing was changed; look again, then edit."
            )
            raise UserError(
                sentence.format(
                    term=now.canonical,
                    author=now.author or "?",
                    field=name,
                    there=_short(there),
                    before=_short(getattr(one, name)),
                )
            )
    return replace(now, **changes)


def taken(term: Term, there: Term | None) -> Refusal | None:
    """Why a new term cannot be added: `there` has its name already; None: it can."""
    if there is None:
        return None
    sentence = _(
        "'{term}' is in the glossary already, as '{other}' ({about}): merge the two, or give "
        "another name."
    )
    about = _short(there.definition or there.category or ", ".join(there.aliases) or there.id)
    reason = sentence.format(
        term=term.canonical.strip(), other=printable(there.canonical), about=about
    )
    return Refusal(0, term.canonical, reason, there.id)


def altered(terms: Iterable[Term], values: Mapping[str, Any]) -> list[Term]:
    """The terms with the same `values` in some of their fields (`SHARED`), those that differ.

    Raises UserError for another field and for more than `MOST` terms.
    """
    for name in values:
        if name not in SHARED:
            sentence = _("'{field}' cannot be set for many terms: use one of {fields}.")
            raise UserError(sentence.format(field=name, fields=", ".join(SHARED)))
    found: list[Term] = []
    for term in terms:
        made = tidy(replace(term, **values))
        if made != term:
            found.append(made)
            refuse_too_many(len(found))
    return found


def refuse_too_many(count: int) -> None:
    """UserError when a change would touch more terms than one change should."""
    if count > MOST:
        sentence = _("One change touches at most {count} terms: narrow the filter.")
        raise UserError(sentence.format(count=f"{MOST:,}"))


def _short(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    text = " ".join(printable(text).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
