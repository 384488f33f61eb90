"""A file of drug data into the glossary: terms, and records linked to the terms they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glossary.i18n import _
from glossary.presets import Preset, harvest
from glossary.records import Record, Records, Replaced, linked
from glossary.term import Term
from glossary.text import normalise

if TYPE_CHECKING:
    from glossary.store import Glossary

Progress = Callable[[int, int], None]
_EVERY = 200


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or with `dry_run` would do. `notes` are sentences about what was left."""

    rows: int
    records: Replaced
    terms_new: int
    terms_changed: int
    terms_same: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Counts as JSON types."""
        return {
            "rows": self.rows,
            "records": {name: getattr(self.records, name) for name in Replaced.__slots__},
            "terms": {
                "new": self.terms_new,
                "changed": self.terms_changed,
                "same": self.terms_same,
            },
        }


def import_records(
    glossary: Glossary,
    preset: Preset,
    path: Path,
    *,
    author: str,
    encoding: str | None = None,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> Imported:
    """Import `path` by `preset`; a second import of the same file changes nothing.

    Terms that are there are completed, never overwritten; an alias that another term has is left
    out and named. With `dry_run` nothing is written and `records` counts all as new.
    """
    found = harvest(preset, path, encoding)
    terms, notes = _completed(glossary, found.terms)
    plan = glossary.plan(terms)
    notes += [refusal.reason for refusal in plan.refused]
    notes += [_("row {row}: nothing in it to keep.").format(row=row) for row in found.empty]
    changed = [*plan.new, *plan.changed]
    counts = len(plan.new), len(plan.changed), len(plan.same)
    if dry_run:
        return Imported(found.rows, Replaced(len(found.records), 0, 0, 0), *counts, tuple(notes))
    if changed:
        reason = _("import of {name}").format(name=path.name)
        glossary.upsert(changed, author=author, reason=reason)
    ready = list(_linked(glossary, found.records, found.names, on_progress))
    done = Records(glossary.path).replace(preset.name, path.name, ready, author=author)
    return Imported(found.rows, done, *counts, tuple(notes))


def _completed(glossary: Glossary, terms: Iterable[Term]) -> tuple[list[Term], list[str]]:
    """Each term as it will stand: completed where it is there already, without taken aliases."""
    ready: list[Term] = []
    for term in terms:
        old = glossary.lookup(term.canonical)
        if old is None:
            ready.append(term)
        else:
            aliases = [a for a in (*term.surfaces, *old.aliases) if a != old.canonical]
            ready.append(
                replace(
                    old,
                    aliases=tuple(dict.fromkeys((*old.aliases, *aliases))),
                    definition=old.definition or term.definition,
                    category=old.category or term.category,
                )
            )
    merged: dict[str, Term] = {}
    for term in ready:
        known = merged.get(term.canonical)
        if known:
            united = tuple(dict.fromkeys((*known.aliases, *term.aliases)))
            term = replace(known, aliases=united)
        merged[term.canonical] = term
    settled, left_out = glossary.settle(merged.values())
    return settled, [item.reason for item in left_out]


def _linked(
    glossary: Glossary,
    records: list[Record],
    names: dict[str, tuple[str, ...]],
    on_progress: Progress | None,
) -> Iterator[Record]:
    """Records with links to the terms of their rows and to those that their text names."""
    matcher = glossary.matcher()
    for number, record in enumerate(records, start=1):
        own = [t.id for name in names.get(record.id, ()) if (t := glossary.lookup(name))]
        text = normalise(f"{record.title}\n{record.text}")
        yield linked(record, [*own, *(match.term.id for match in matcher.find(text))])
        if on_progress is not None and (number % _EVERY == 0 or number == len(records)):
            on_progress(number, len(records))
