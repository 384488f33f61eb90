"""The rows of the sheet: pages of terms, asked from the glossary's process as they are seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from textual.timer import Timer

from glossary.errors import UserError
from glossary.listing import View

if TYPE_CHECKING:
    from glossary.term import Term
    from kwtui.panes.glossary_view import GlossaryView
    from kwtui.services.messages import Page
    from kwtui.services.request import Request

PAGE = 100
_KEPT = 60
# What is on the screen comes first; the pages beside it are asked for once that is painted.
_REST = 0.1


class Rows:
    """The terms of one view at a time; the old ones stay until the new ones are here.

    `on_page` is called with the first row and the row after the last of a page that has come.
    """

    def __init__(self, owner: GlossaryView, on_page: Callable[[int, int], None]) -> None:
        self.view = View()
        self.total = 0
        self.version = -1
        self.behind = False
        self._owner, self._on_page = owner, on_page
        self._pages: dict[int, tuple[Term, ...]] = {}
        self._asked: set[int] = set()
        self._generation = 0
        self._running: list[Request] = []
        self._beside: Timer | None = None

    @property
    def busy(self) -> bool:
        """Whether a page is on its way."""
        return any(not request.done() for request in self._running)

    def term(self, row: int) -> Term | None:
        """The term in this row, if its page is here."""
        page = self._pages.get(row // PAGE, ())
        return page[row % PAGE] if row % PAGE < len(page) else None

    def put(self, term: Term) -> None:
        """Show a term as it is now where its older version stands, until its page comes anew."""
        for page, terms in self._pages.items():
            if any(one.id == term.id for one in terms):
                self._pages[page] = tuple(term if one.id == term.id else one for one in terms)

    def want(self, offset: int, limit: int) -> None:
        """Ask for what is not here yet of these rows, and a moment later for the pages beside."""
        first, last = offset // PAGE, max(offset + limit - 1, 0) // PAGE
        self._need(first, last)
        if self._beside is not None:
            self._beside.stop()
        self._beside = self._owner.set_timer(_REST, lambda: self._need(first - 1, last + 1))

    def _need(self, first: int, last: int) -> None:
        for page in range(max(first, 0), min(last, max(self.total - 1, 0) // PAGE) + 1):
            if page not in self._pages and page not in self._asked:
                self._asked.add(page)
                self._owner.run_worker(self._read(page), group="pages")

    async def use(self, view: View, row: int = 0) -> bool:
        """Show another view, or the same one anew; its page with `row` first.

        False when there was no answer, or another view is wanted meanwhile.
        """
        self._generation += 1
        mine = self._generation
        if self._beside is not None:
            self._beside.stop()
        for request in self._running:
            self._owner.bench.host("glossary").cancel(request)
        found = await self._ask(view, row // PAGE)
        if found is None or mine != self._generation:
            return False
        self.view, self.total, self.version = view, found.total, found.version
        self.behind = found.behind
        self._pages = {row // PAGE: found.terms}
        self._asked = set()
        return True

    async def _read(self, page: int) -> None:
        mine = self._generation
        found = await self._ask(self.view, page)
        if found is None or mine != self._generation:
            return
        if len(self._pages) > _KEPT:
            self._pages.clear()
            self._asked = {page}
        self._pages[page] = found.terms
        self._on_page(page * PAGE, page * PAGE + len(found.terms))

    async def _ask(self, view: View, page: int) -> Page | None:
        from kwtui.services.request import RequestCancelled

        values = asdict(view) | {"offset": page * PAGE, "limit": PAGE}
        await self._owner.bench.settings()
        request = self._owner.bench.host("glossary").submit("rows", values)
        self._running = [one for one in self._running if not one.done()] + [request]
        try:
            found: Page = await request
        except RequestCancelled:
            return None
        except UserError as error:
            self._owner.bench.warn(error.sentence, "error")
            return None
        return found
