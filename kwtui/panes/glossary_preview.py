"""What a term says and what it matches in the corpus, as lines; asked while one looks or types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.timer import Timer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.themes import KEY, KEYWORD, MUTED, WRONG

if TYPE_CHECKING:
    from textual.widget import Widget

    from engines.corpus.vocabulary import TermPreview
    from glossary.term import Term
    from kwtui.app import Workbench
    from kwtui.services.request import Request

_PAUSE = 0.25
_LINES = 12
_SECONDS = 2.0
_KEPT = 200


class Previewer:
    """Asks what a term would match, once nothing has changed for a moment; the last one counts."""

    def __init__(
        self, owner: Widget, bench: Callable[[], Workbench], show: Callable[[], None]
    ) -> None:
        self.term: Term | None = None
        self.found: TermPreview | None = None
        self._owner, self._bench, self._show = owner, bench, show
        self._timer: Timer | None = None
        self._request: Request | None = None
        self._known: dict[Term, TermPreview] = {}
        # The answer for every term while there is no corpus.
        self._nothing: TermPreview | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        waiting = self._timer is not None and self.term is not None
        return waiting or (self._request is not None and not self._request.done())

    def of(self, term: Term | None) -> None:
        """Show what this term matches; None: nothing."""
        if term == self.term:
            return
        self.stop()
        self.term = term
        self.found = self._known.get(term, self._nothing) if term is not None else None
        if term is not None and self.found is None:
            self._timer = self._owner.set_timer(_PAUSE, self._start)
        self._show()

    def forget(self) -> None:
        """The corpus may hold other texts now."""
        self._known.clear()
        self._nothing = None

    def stop(self) -> None:
        """Ask nothing any more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._request is not None:
            self._bench().host("glossary").cancel(self._request)
            self._request = None

    def _start(self) -> None:
        self._timer = None
        if self.term is not None:
            self._owner.run_worker(self._ask(self.term), group="preview", exclusive=True)

    async def _ask(self, term: Term) -> None:
        from kwtui.services.request import RequestCancelled

        await self._bench().settings()
        values = {"term": term, "lines": _LINES, "seconds": _SECONDS}
        host = self._bench().host("glossary")
        self._request = request = host.submit("preview_term", values, background=True)
        try:
            found: TermPreview = await request
        except (RequestCancelled, UserError):
            return
        if term == self.term and self._owner.is_mounted:
            if len(self._known) > _KEPT:
                self._known.clear()
            self._known[term] = self.found = found
            self._nothing = None if found.total else found
            self._show()


def describe(term: Term, width: int, *, roomy: bool) -> list[Content]:
    """What a term says of itself; `roomy`: with every field, its texts on several lines."""
    head: list[Content | tuple[str, str] | str] = [" ", (printable(term.canonical), KEY)]
    if not term.keyword:
        head += ["  ", (_("not a keyword"), WRONG)]
    about = ", ".join(filter(None, (term.category, term.language, term.source)))
    head += ["  ", (printable(about), MUTED)]
    lines = [Content.assemble(*head)]
    if term.aliases:
        lines += wrapped(", ".join(term.aliases), width, 3 if roomy else 1, _("also"))
    if term.definition:
        lines += wrapped(term.definition, width, 8 if roomy else 2)
    if roomy and term.notes:
        lines += wrapped(term.notes, width, 4, _("note"))
    if term.ambiguous:
        lines += wrapped(", ".join(term.ambiguous), width, 2 if roomy else 1, _("ambiguous"))
    if roomy and term.updated:
        when = f"{local_time(term.updated)} {term.author}"
        lines.append(Content.styled(f" {printable(when)}", MUTED))
    return lines


def matched(found: TermPreview | None, most: int) -> list[Content]:
    """How often a term stands in the corpus, and the first places."""
    if found is None:
        return [Content.styled(" " + _("Looking in the corpus …"), MUTED)]
    if not found.total:
        return [Content.styled(" " + _("There is no corpus to look in yet."), MUTED)]
    words = ngettext_(
        "in {count} text of the corpus", "in {count} texts of the corpus", found.texts
    ).format(count=f"{found.texts:,}")
    if not found.texts:
        words = _("in no text of the corpus")
    if found.hits > found.texts:
        words += ", " + _("{count} times").format(count=f"{found.hits:,}")
    if found.read < found.total:
        words += ", " + _("of the first {count}").format(count=f"{found.read:,}")
    lines = [Content.styled(" " + words, "b")]
    for line in found.lines[: max(most - 1, 0)]:
        before, after = (printable(part).replace("\n", " ") for part in (line.before, line.after))
        lines.append(Content.assemble("  ", before, (printable(line.surface), KEYWORD), after))
    return lines


def refused(sentence: str, width: int, offer: str = "") -> list[Content]:
    """Why a change is not taken, and the key that offers a way out."""
    lines = [line.stylize(WRONG) for line in wrapped(sentence, width, 3)]
    return [*lines, Content.styled(f" {offer}", KEY)] if offer else lines


def local_time(at: str) -> str:
    """A time of the journal in local time, to the minute."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return at


def wrapped(text: str, width: int, most: int, label: str = "") -> list[Content]:
    """A text on at most so many lines, each a cell in from the edge."""
    from kwtui.widgets.span_editor import wrapped as rows_of

    text = f"{label}: {text}" if label else text
    rows: list[str] = []
    for part in printable(text).split("\n"):
        rows += [part[row.start : row.end] for row in rows_of(part, max(width - 2, 8))] or [""]
    shown: Sequence[str] = rows[:most]
    if len(rows) > most:
        shown = [*rows[: most - 1], rows[most - 1] + " …"]
    return [Content(f" {row}") for row in shown]
