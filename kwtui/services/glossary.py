"""The glossary service: terms looked up, listed, matched and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from glossary.boundaries import morphemes
from glossary.i18n import _
from glossary.listing import Listing, View
from glossary.retrieval import search_terms
from glossary.text import normalise
from kwtui.services.glossary_edits import GlossaryEdits
from kwtui.services.glossary_files import GlossaryFiles
from kwtui.services.glossary_past import GlossaryPast
from kwtui.services.glossary_records import GlossaryRecords
from kwtui.services.glossary_vectors import GlossaryVectors
from kwtui.services.loop import Task
from kwtui.services.messages import Hello, Page

if TYPE_CHECKING:
    from glossary.matching import Match
    from glossary.store import Glossary
    from glossary.term import Term


class GlossaryService(GlossaryEdits, GlossaryPast, GlossaryFiles, GlossaryRecords, GlossaryVectors):
    """The glossary of one workspace; every request sees what other processes wrote before it."""

    requests = (
        frozenset(
            {"count", "version", "rows", "place", "facets", "get", "lookup", "match", "search",
             "warm", "warm_rows", "upsert", "delete", "merge"}
        )
        | GlossaryEdits.requests
        | GlossaryPast.requests
        | GlossaryFiles.requests
        | GlossaryRecords.requests
        | GlossaryVectors.requests
    )  # fmt: skip

    def __init__(self, hello: Hello) -> None:
        super().__init__(hello)
        self._listing: Listing | None = None

    def count(self, task: Task) -> int:
        """How many terms there are."""
        glossary = self._opened()
        return glossary.count() if glossary else 0

    def version(self, task: Task) -> int:
        """A number that grows with every change, of other processes too; cheap to ask."""
        glossary = self._opened()
        return glossary.version if glossary else 0

    def rows(
        self,
        task: Task,
        offset: int,
        limit: int,
        filter: str = "",
        sort: str = "canonical",
        which: str = "all",
        category: str | None = None,
    ) -> Page:
        """Rows `offset` and on of the terms that hold `filter`, in the order of `sort`.

        `filter` is a part of a name, the definition or the category, in any case; ㅍㅅ finds 파스.
        `sort` is a field of `glossary.listing.SORTS`, from the end with "-" before it. `which`:
        all, keywords or excluded. `category`: only terms of it.
        """
        glossary = self._opened()
        if glossary is None:
            return Page(0, (), 0)
        view = View(filter, sort, which, category)
        if view == View() and (self._listing is None or not self._listing.ready):
            first = tuple(glossary.journal.page(offset, limit))
            return Page(glossary.count(), first, glossary.version)
        listing = self._listed(glossary)
        terms = tuple(listing.page(view, offset, limit))
        return Page(listing.count(view), terms, glossary.version, listing.behind)

    def place(
        self,
        task: Task,
        term_id: str,
        filter: str = "",
        sort: str = "canonical",
        which: str = "all",
        category: str | None = None,
    ) -> int | None:
        """The row of a term in the view; None when it is not in it."""
        glossary = self._opened()
        if glossary is None:
            return None
        return self._listed(glossary).place(View(filter, sort, which, category), term_id)

    def facets(
        self, task: Task, filter: str = "", which: str = "all", category: str | None = None
    ) -> dict[str, dict[str, int]]:
        """How many terms of the view have each category and language."""
        glossary = self._opened()
        if glossary is None:
            return {}
        return self._listed(glossary).facets(View(filter, "canonical", which, category))

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
        """Load terms, morphemes and rows, so that nobody waits later; returns `count`.

        As background work it lets other requests pass.
        """
        task.progress(_("Opening the glossary"))
        glossary = self._opened()
        if glossary is None:
            return 0
        task.check()
        glossary.matcher()
        task.check()
        task.progress(_("Loading the morphemes"))
        morphemes("말")
        task.check()
        task.progress(_("Reading the terms"))
        self._listed(glossary, task.check).warm(task.check)
        return glossary.count()

    def warm_rows(self, task: Task) -> None:
        """Read the rows of every term; as background work it lets other requests pass."""
        glossary = self._opened()
        if glossary is not None:
            again = self._listing is not None and self._listing.ready and self._listing.outdated
            task.progress(_("Reading the changed terms") if again else _("Reading the terms"))
            self._listed(glossary, task.check).warm(task.check)

    def upsert(self, task: Task, terms: Sequence[Term], author: str, reason: str = "") -> int:
        """Add or replace terms, all or none; makes the glossary when there is none."""
        return self._needed(task, create=True).upsert(terms, author=author, reason=reason)

    def delete(self, task: Task, ids: Iterable[str], author: str, reason: str = "") -> int:
        """Remove terms; returns how many there were."""
        glossary = self._opened()
        return glossary.delete(ids, author=author, reason=reason) if glossary else 0

    def merge(self, task: Task, kept: str, other: str, author: str, reason: str = "") -> Term:
        """Make one term of two, by their ids; `kept` stays."""
        return self._needed(task).merge(kept, other, author=author, reason=reason)

    def _listed(self, glossary: Glossary, between: Callable[[], None] = lambda: None) -> Listing:
        """The rows of the glossary, read once; `between` is called while that goes on.

        Who needs them meanwhile reads the rest, and does not begin again. After very many changes
        the rows stay those of before until `warm_rows` is asked for, as `Page.behind` says.
        """
        if self._listing is None:
            self._listing = Listing(glossary, read=False, patient=True)
        if not self._listing.ready:
            self._listing.read(between)
        return self._listing
