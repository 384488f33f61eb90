"""The glossary service: terms looked up, listed, matched and changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _
from glossary.retrieval import search_terms
from glossary.term import fold
from glossary.text import normalise
from kwtui.services.loop import Task
from kwtui.services.messages import Hello, Page

if TYPE_CHECKING:
    from glossary.matching import Match
    from glossary.store import Glossary
    from glossary.term import Term

SORTS = (
    "canonical",
    "category",
    "definition",
    "language",
    "source",
    "updated",
    "created",
    "author",
)
WHICH = ("all", "keywords", "excluded")


class GlossaryService:
    """The glossary of one workspace; every request sees what other processes wrote before it."""

    requests = frozenset(
        {"count", "rows", "get", "lookup", "match", "search", "warm", "upsert", "delete"}
    )

    def __init__(self, hello: Hello) -> None:
        self._path = Workspace(hello.workspace).glossary_path if hello.workspace else None
        self._glossary: Glossary | None = None
        self._listed: tuple[tuple[int, str, str, str], list[Term]] | None = None

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def count(self, task: Task) -> int:
        """How many terms there are."""
        glossary = self._opened()
        return glossary.count() if glossary else 0

    def rows(
        self,
        task: Task,
        offset: int,
        limit: int,
        filter: str = "",
        sort: str = "canonical",
        which: str = "all",
    ) -> Page:
        """Rows `offset` and on of the terms that hold `filter`, in the order of `sort`.

        `filter` is a part of a name, the definition or the category, in any case. `sort` is a
        field of `SORTS`, from the end with "-" before it. `which`: all, keywords or excluded.
        """
        glossary = self._opened()
        if glossary is None:
            return Page(0, (), 0)
        listed = self._list(glossary, normalise(filter).strip(), sort, which)
        return Page(len(listed), tuple(listed[offset : offset + limit]), glossary.version)

    def get(self, task: Task, term_id: str) -> Term | None:
        """The term with this id."""
        glossary = self._opened()
        return glossary.get(term_id) if glossary else None

    def lookup(self, task: Task, surface: str) -> Term | None:
        """The term with this canonical form or alias."""
        glossary = self._opened()
        return glossary.lookup(surface) if glossary else None

    def match(self, task: Task, text: str, everything: bool = False) -> tuple[Match, ...]:
        """The terms in `text`; with `everything` also overlaps and letters inside words."""
        glossary = self._opened()
        if glossary is None:
            return ()
        matcher, clean = glossary.matcher(), normalise(text)
        found = matcher.find_all(clean) if everything else matcher.find(clean, keywords=False)
        return tuple(found)

    def search(self, task: Task, text: str, limit: int = 20) -> tuple[Term, ...]:
        """Terms by a part of their names, then by n-grams of names and definitions."""
        glossary = self._opened()
        return tuple(search_terms(glossary, text, limit)) if glossary else ()

    def warm(self, task: Task) -> int:
        """Load the terms and Kiwi, so that the next `match` need not; returns `count`."""
        task.progress(_("Opening the glossary"))
        glossary = self._opened()
        if glossary is None:
            return 0
        terms = glossary.terms()
        task.check()
        if terms:
            task.progress(_("Loading the morphemes"))
            glossary.matcher().find(terms[0].canonical)
        return len(terms)

    def upsert(self, task: Task, terms: Sequence[Term], author: str, reason: str = "") -> int:
        """Add or replace terms, all or none; makes the glossary when there is none."""
        glossary = self._opened(create=True)
        assert glossary is not None
        return glossary.upsert(terms, author=author, reason=reason)

    def delete(self, task: Task, ids: Iterable[str], author: str, reason: str = "") -> int:
        """Remove terms; returns how many there were."""
        glossary = self._opened()
        return glossary.delete(ids, author=author, reason=reason) if glossary else 0

    def _opened(self, create: bool = False) -> Glossary | None:
        """The glossary as it is now; None while there is none."""
        if self._glossary is not None:
            self._glossary.refresh()
            return self._glossary
        if self._path is None:
            if not create:
                return None
            raise UserError(_("There is no workspace here, and so no glossary to add terms to."))
        if not create and not self._path.exists():
            return None
        from glossary.store import Glossary

        self._glossary = Glossary.open(self._path, create=create)
        return self._glossary

    def _list(self, glossary: Glossary, filter: str, sort: str, which: str) -> list[Term]:
        """The terms of a view, kept for its next page."""
        key = (glossary.version, filter, sort, which)
        if self._listed is None or self._listed[0] != key:
            self._listed = (key, _view(glossary.terms(), filter, sort, which))
        return self._listed[1]


def _view(terms: list[Term], filter: str, sort: str, which: str) -> list[Term]:
    field = sort.removeprefix("-")
    if field not in SORTS or which not in WHICH:
        raise ValueError(f"rows cannot be sorted by {sort!r} or show {which!r}")
    wanted = fold(filter)
    shown = [
        term
        for term in terms
        if (which == "all" or term.keyword == (which == "keywords"))
        and (not wanted or any(wanted in fold(part) for part in _parts(term)))
    ]
    if sort != "canonical":
        shown.sort(key=lambda term: str(getattr(term, field)), reverse=sort.startswith("-"))
    return shown


def _parts(term: Term) -> tuple[str, ...]:
    return (*term.surfaces, term.category, term.definition)
