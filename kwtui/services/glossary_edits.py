"""The glossary service: terms changed by a person who sees them, one or many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glossary.errors import UserError
from glossary.i18n import _
from glossary.listing import Listing, View
from kwtui.services.glossary_base import GlossaryBase
from kwtui.services.loop import Task

if TYPE_CHECKING:
    from glossary.store import Glossary
    from glossary.term import Term
    from glossary.validation import Plan


class GlossaryEdits(GlossaryBase):
    """The part about edits; many terms are named by their ids, or by the view that shows them."""

    requests: frozenset[str] = frozenset({"check", "add", "absorb", "revise", "alter", "remove"})

    if TYPE_CHECKING:

        def _listed(self, glossary: Glossary) -> Listing:
            """The rows of the glossary."""

    def check(self, task: Task, terms: Sequence[Term]) -> Plan:
        """What keeping these terms would do: refusals name the term to merge with.

        One without an id is meant as new, so that a term of the same name is in its way.
        """
        from glossary.bulk import taken
        from glossary.validation import plan

        glossary = self._opened()
        made = glossary.plan(terms) if glossary else plan(terms, {})
        for term in terms if glossary else ():
            there = None if term.id or glossary is None else glossary.lookup(term.canonical)
            if (refusal := taken(term, there)) is not None:
                made.refused.insert(0, refusal)
        return made

    def add(self, task: Task, term: Term, author: str, reason: str = "") -> Term:
        """Add a new term, to the glossary that is made when there is none; returns it as stored."""
        from glossary.bulk import taken

        glossary = self._needed(task, create=True)
        if (refusal := taken(term, glossary.lookup(term.canonical))) is not None:
            raise UserError(refusal.reason)
        glossary.upsert([term], author=author, reason=reason)
        return glossary.lookup(term.canonical) or term

    def absorb(self, task: Task, kept: str, term: Term, author: str, reason: str = "") -> Term:
        """Give the stored term `kept` the names and texts of one that is not stored."""
        from glossary.validation import merged

        glossary = self._needed(task)
        there = glossary.get(kept)
        if there is None:
            raise UserError(_("One of the two terms is gone: nothing was merged."))
        glossary.upsert([merged(there, term)], author=author, reason=reason or _("merged"))
        return glossary.get(kept) or there

    def revise(self, task: Task, seen: Term, wanted: Term, author: str, reason: str = "") -> Term:
        """Change in the stored term what differs between `seen` and `wanted`; returns the term.

        What others changed meanwhile stays; a field that both changed is refused.
        """
        from glossary.bulk import revised

        glossary = self._needed(task)
        made = revised(glossary.get(seen.id), seen, wanted)
        glossary.upsert([made], author=author, reason=reason)
        return glossary.get(seen.id) or made

    def alter(
        self,
        task: Task,
        values: Mapping[str, Any],
        author: str,
        ids: Sequence[str] = (),
        view: View | None = None,
        reason: str = "",
    ) -> int:
        """Give terms the same values, in one change; returns how many that touched."""
        from glossary.bulk import alter

        glossary = self._needed(task)
        keys = self._chosen(glossary, ids, view)
        return alter(
            glossary, keys, values, author=author, reason=reason, on_progress=_progress(task)
        )

    def remove(
        self,
        task: Task,
        author: str,
        ids: Sequence[str] = (),
        view: View | None = None,
        reason: str = "",
    ) -> int:
        """Remove terms in one change; returns how many there were."""
        from glossary.bulk import remove

        glossary = self._needed(task)
        keys = self._chosen(glossary, ids, view)
        return remove(glossary, keys, author=author, reason=reason, on_progress=_progress(task))

    def _chosen(self, glossary: Glossary, ids: Sequence[str], view: View | None) -> list[int]:
        """The keys of the terms in the journal."""
        if view is None:
            found = map(glossary.journal.key_of, ids)
            return [number for number in found if number is not None]
        return self._listed(glossary).keys(view)


def _progress(task: Task) -> Callable[[int, int], None]:
    def on_progress(done: int, total: int) -> None:
        task.progress(_("Writing the terms"), done, total)

    return on_progress
