"""Changes to fields of terms: of one that a person looked at, or of many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import CONTENT, Term, tidy
from glossary.text import printable
from glossary.validation import Refusal

if TYPE_CHECKING:
    from glossary.store import Glossary

Progress = Callable[[int, int], None]

# What may be the same for many terms.
SHARED = ("category", "language", "source", "notes", "definition", "keyword")
_SHOWN = 60
_PIECE = 5_000
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


def alter(
    glossary: Glossary,
    keys: Sequence[int],
    values: Mapping[str, Any],
    *,
    author: str,
    reason: str = "",
    on_progress: Progress | None = None,
) -> int:
    """Give the terms with these keys of the journal the same `values` in some of their fields.

    One change, whatever their number; returns how many it touched. `on_progress` hears how many
    of how many were looked at. Raises UserError for a field that is not one of `SHARED` and for
    a value that no term may have.
    """
    for name in values:
        if name not in SHARED:
            sentence = _("'{field}' cannot be set for many terms: use one of {fields}.")
            raise UserError(sentence.format(field=name, fields=", ".join(SHARED)))

    def made(piece: Sequence[Term]) -> dict[str, Term | None]:
        pairs = ((term, tidy(replace(term, **values))) for term in piece)
        return {new.id: new for old, new in pairs if new != old}

    for piece in _pieces(glossary, keys):
        # A value is right or wrong for every term: names stay as they are.
        if refused := glossary.plan([*filter(None, made(piece[:1]).values())]).refused:
            raise UserError(refused[0].reason)
        break
    return _change(glossary, keys, made, author, reason, on_progress)


def remove(
    glossary: Glossary,
    keys: Sequence[int],
    *,
    author: str,
    reason: str = "",
    on_progress: Progress | None = None,
) -> int:
    """Remove the terms with these keys of the journal, in one change; returns how many."""

    def made(piece: Sequence[Term]) -> dict[str, Term | None]:
        return {term.id: None for term in piece}

    return _change(glossary, keys, made, author, reason, on_progress)


def _change(
    glossary: Glossary,
    keys: Sequence[int],
    made: Callable[[Sequence[Term]], dict[str, Term | None]],
    author: str,
    reason: str,
    on_progress: Progress | None,
) -> int:
    """Count, then write, a piece at a time."""
    total, seen = 2 * len(keys), 0

    def parts() -> Iterator[dict[str, Term | None]]:
        nonlocal seen
        for piece in _pieces(glossary, keys):
            yield made(piece)
            seen += len(piece)
            if on_progress is not None:
                on_progress(min(seen, total), total)

    def count() -> tuple[int, int, int]:
        found = Counter(term is None for part in parts() for term in part.values())
        return 0, found[False], found[True]

    return glossary.change_parts(count, parts, author=author, reason=reason)


def _pieces(glossary: Glossary, keys: Sequence[int]) -> Iterator[list[Term]]:
    for start in range(0, len(keys), _PIECE):
        yield glossary.journal.terms_of(keys[start : start + _PIECE])


def _short(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    text = " ".join(printable(text).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
