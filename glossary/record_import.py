"""A file of drug data into the glossary: terms, and records linked to the terms they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glossary.i18n import _
from glossary.presets import Harvest, Preset, harvest
from glossary.records import Record, Records, Replaced, linked
from glossary.term import Term, key
from glossary.text import normalise
from glossary.validation import Given, Present, plan, settle

if TYPE_CHECKING:
    from glossary.store import Glossary

Progress = Callable[[int, int], None]
_EVERY = 200
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do. `notes` are sentences about what was left.

    `some_records` and `some_terms` are the first of its records and of the terms it writes.
    """

    rows: int
    records: Replaced
    terms_new: int
    terms_changed: int
    terms_same: int
    notes: tuple[str, ...]
    some_records: tuple[Record, ...] = ()
    some_terms: tuple[Term, ...] = ()

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


def look(
    glossary: Glossary | None, preset: Preset, path: Path, *, encoding: str | None = None
) -> Imported:
    """What importing `path` by `preset` would do; `records.changed` is not looked for.

    Raises UserError as `glossary.presets.harvest` does.
    """
    found = harvest(preset, path, encoding)
    written, done = _planned(glossary or Given(), found)
    there = Replaced(len(found.records), 0, 0, 0)
    if glossary is not None:
        records = Records(glossary.path)
        there = records.foresee(preset.name, path.name, [r.id for r in found.records])
    shown = tuple(found.records[:_SHOWN]), tuple(written[:_SHOWN])
    return replace(done, records=there, some_records=shown[0], some_terms=shown[1])


def import_records(
    glossary: Glossary,
    preset: Preset,
    path: Path,
    *,
    author: str,
    encoding: str | None = None,
    reason: str = "",
    on_progress: Progress | None = None,
) -> Imported:
    """Import `path` by `preset`; a second import of the same file changes nothing.

    Terms that are there are completed, never overwritten; an alias that another term has is left
    out and named. The terms are one change, to be undone; records are replaced by the next import
    of their file.
    """
    found = harvest(preset, path, encoding)
    written, done = _planned(glossary, found)
    if written:
        why = reason or _("import of {name}").format(name=path.name)
        glossary.upsert(written, author=author, reason=why)
    ready = list(_linked(glossary, found.records, found.names, on_progress))
    stored = Records(glossary.path).replace(preset.name, path.name, ready, author=author)
    return replace(done, records=stored)


def _planned(present: Present, found: Harvest) -> tuple[list[Term], Imported]:
    """The terms that an import writes, and its counts without those of the records."""
    terms, notes = _completed(present, found.terms)
    made = plan(terms, present)
    notes += [refusal.reason for refusal in made.refused]
    notes += [_("row {row}: nothing in it to keep.").format(row=row) for row in found.empty]
    counts = len(made.new), len(made.changed), len(made.same)
    done = Imported(found.rows, Replaced(0, 0, 0, 0), *counts, tuple(notes))
    return [*made.new, *made.changed], done


def _completed(present: Present, terms: Iterable[Term]) -> tuple[list[Term], list[str]]:
    """Each term as it will stand: completed where it is there already, without taken aliases."""
    ready: list[Term] = []
    for term in terms:
        old = present.owner(key(term.canonical))
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
    settled, left_out = settle(merged.values(), present)
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
