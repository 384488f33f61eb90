"""What importing a file would do to a glossary, row by row, and doing it as one change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from glossary.columns import FIELDS
from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import Term, key
from glossary.term_file import TermFile, combine
from glossary.validation import Given, plan, settle

if TYPE_CHECKING:
    from glossary.store import Glossary

NEW, CHANGED, CONFLICT, SAME, REFUSED = "new", "changed", "conflicting", "same", "refused"
_STAMPS = frozenset(("id", "created", "updated", "author"))
Mode = Literal["complete", "keep", "replace"]


@dataclass(frozen=True, slots=True)
class Row:
    """One term of a file; `before` is the glossary's version, `notes` say what is left out or why.

    A "conflicting" row says something else than the glossary in a field that is filled.
    """

    line: int
    outcome: str
    term: Term
    before: Term | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The row as JSON types."""
        return {
            "line": self.line,
            "outcome": self.outcome,
            "term": self.term.to_json(),
            "before": self.before.to_json() if self.before else None,
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class Preview:
    """What an import would do; `rows` in the order of the file."""

    rows: list[Row] = field(default_factory=list)
    left_out: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    encoding: str = ""

    def counts(self) -> dict[str, int]:
        """Rows of each outcome; conflicting ones count under changed too."""
        found = Counter(row.outcome for row in self.rows)
        return {
            NEW: found[NEW],
            CHANGED: found[CHANGED] + found[CONFLICT],
            CONFLICT: found[CONFLICT],
            SAME: found[SAME],
            REFUSED: found[REFUSED],
            "aliases_left_out": self.left_out,
        }

    def terms(self) -> list[Term]:
        """The terms that the import would write."""
        return [row.term for row in self.rows if row.outcome in (NEW, CHANGED, CONFLICT)]

    def notes(self) -> Iterator[tuple[int, str]]:
        """The lines that something is said about, with the sentences."""
        for row in self.rows:
            yield from ((row.line, note) for note in row.notes)


def preview(found: TermFile, glossary: Glossary | None, *, mode: Mode = "complete") -> Preview:
    """What importing `found` would do; changes nothing.

    A term that is there is completed: what the file says counts, its names are added. With "keep"
    what the glossary says counts, and with "replace" the file's version takes its place.
    """
    terms = [_joined(t, g, glossary, mode) for t, g in zip(found.terms, found.fields, strict=True)]
    present = glossary if glossary is not None else Given()
    settled, left_out = settle(terms, present)
    notes: dict[int, list[str]] = {}
    for refusal in left_out:
        notes.setdefault(refusal.index, []).append(refusal.reason)
    outcome = plan(settled, present)
    reasons = {refusal.index: refusal.reason for refusal in outcome.refused}
    new, same = {t.id for t in outcome.new}, {t.id for t in outcome.same}
    planned = iter(outcome.ordered)
    made = Preview(left_out=len(left_out), columns=found.columns, encoding=found.encoding)
    for index, term in enumerate(settled):
        said = tuple(notes.get(index, ()))
        line = found.lines[index]
        if index in reasons:
            made.rows.append(Row(line, REFUSED, term, None, (*said, reasons[index])))
            continue
        written = next(planned)
        before = None if written.id in new else present.get(written.id)
        kind = NEW if before is None else SAME if written.id in same else CHANGED
        if kind == CHANGED and before is not None and _contradicts(before, written):
            kind = CONFLICT
        made.rows.append(Row(line, kind, written, before, said))
    for row in found.refused:
        made.rows.append(Row(row.line, REFUSED, Term("", ""), None, (row.reason,)))
    made.rows.sort(key=lambda row: row.line)
    return made


def carry_out(glossary: Glossary, made: Preview, *, author: str, reason: str) -> int:
    """Write what `preview` showed as one change; returns how many terms were new or changed.

    Raises UserError when another process changed the terms meanwhile so that names collide.
    """
    return glossary.upsert(made.terms(), author=author, reason=reason)


def reason_for(path: Path, reason: str = "") -> str:
    """The reason kept with an import."""
    return reason or _("import of {name}").format(name=path.name)


def checked_mode(name: str) -> Mode:
    """The mode of this name; UserError when there is none."""
    modes: tuple[Mode, ...] = ("complete", "keep", "replace")
    for mode in modes:
        if mode == name:
            return mode
    raise UserError(_("'{name}' is none of complete, keep, replace.").format(name=name))


def _joined(term: Term, given: frozenset[str], glossary: Glossary | None, mode: Mode) -> Term:
    """The term as it would be beside the version that is there."""
    if glossary is None:
        return term
    there = (glossary.get(term.id) if term.id else None) or glossary.lookup(term.canonical)
    if there is None or mode == "replace":
        return term
    if there.id != term.id and key(there.canonical) != key(term.canonical):
        return term
    joined = combine(there, term, given)
    if mode == "complete":
        return joined
    kept = {n for n in FIELDS if n not in ("aliases", "ambiguous") and getattr(there, n) != ""}
    return combine(joined, there, frozenset(kept - _STAMPS | {"keyword"}))


def _contradicts(before: Term, after: Term) -> bool:
    """Whether something that was said is said otherwise now, or a name is gone."""
    texts = ("canonical", "definition", "category", "language", "source", "notes")
    if any(getattr(before, n) and getattr(before, n) != getattr(after, n) for n in texts):
        return True
    return before.keyword != after.keyword or not set(before.aliases) <= set(after.aliases)
