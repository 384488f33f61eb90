"""The part of a glossary that tells what is: terms by id, by name and one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from glossary import validation
from glossary.past import Past
from glossary.term import Term, key
from glossary.text import normalise


class Present(Past):
    """What the journal knows of the terms now; a question costs the same at any size."""

    def count(self) -> int:
        """How many terms there are, the not-a-keyword list included."""
        return self.journal.count()

    def iterate(self) -> Iterator[Term]:
        """All terms, one after the other, none kept in memory."""
        for _key, term in self.journal.iterate():
            yield term

    def in_order(self) -> Iterator[Term]:
        """All terms by canonical form, one after the other, none kept in memory."""
        return self.journal.sorted_terms()

    def get(self, term_id: str) -> Term | None:
        """The term with this id."""
        return self.journal.get(term_id)

    def get_many(self, ids: Iterable[str]) -> dict[str, Term]:
        """The terms with these ids, in the order given; unknown ids are left out."""
        return self.journal.get_many(ids)

    def lookup(self, surface: str) -> Term | None:
        """The term with this canonical form or alias; case counts as in `glossary.term.key`."""
        return self.journal.owner(key(surface))

    def named(self, part: str, limit: int) -> list[Term]:
        """At most `limit` terms with `part` in one of their names, those that begin so first."""
        clean = normalise(part).strip()
        return self.journal.named(clean, limit) if clean else []

    def owner(self, name: str) -> Term | None:
        """The term that has `name`, as `glossary.term.key` gives it."""
        return self.journal.owner(name)

    def categories(self) -> dict[str, int]:
        """How many terms each category has; "" is none."""
        return self.journal.categories()

    def plan(self, terms: Iterable[Term]) -> validation.Plan:
        """What `upsert` would do with these terms, refusals included; changes nothing."""
        return validation.plan(terms, self._names())

    def settle(self, terms: Iterable[Term]) -> tuple[list[Term], list[validation.Refusal]]:
        """`glossary.validation.settle` against the terms of this glossary."""
        return validation.settle(terms, self._names())

    def _names(self) -> validation.Present:
        return self.journal if self.count() else validation.Given()
