"""The glossary pane: the terms as a sheet, words that are missing, and what was changed."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.base import Pane
from kwtui.services.request import RequestCancelled
from kwtui.themes import MUTED, ON
from kwtui.widgets.lines import Lines

if TYPE_CHECKING:
    from glossary.changes import Batch
    from glossary.term import Term
    from glossary.vectors import Coverage
    from kwtui.panes.glossary_view import GlossaryView
    from kwtui.services.messages import Progress
    from kwtui.services.request import Request

_LOOK_SECONDS = 1.0
_VIEWS = {
    "terms": ("kwtui.panes.glossary_terms", "TermsView"),
    "candidates": ("kwtui.panes.glossary_candidates", "CandidatesView"),
    "records": ("kwtui.panes.glossary_context", "ContextView"),
    "changes": ("kwtui.panes.glossary_changes", "ChangesView"),
}


class GlossaryPane(Pane):
    """Three views on the glossary of the workspace, one at a time; its process does the work."""

    pane_id = "glossary"

    def __init__(self) -> None:
        super().__init__()
        self.view: GlossaryView | None = None
        self.restored: dict[str, Any] = {}
        self._views: dict[str, GlossaryView] = {}
        self._wanted = "terms"
        self.waiting = 0
        self.turn = asyncio.Lock()
        self._opening = self._catching_up = self._read = False
        self._mark: tuple[int, ...] = ()
        self._doing = ""
        self._embedding: Request | None = None

    def compose(self) -> ComposeResult:
        """The names of the views in a line; the view beneath it."""
        yield Lines(id="glossary-head", classes="head")
        yield Container(id="glossary-views", classes="views")

    def __getattr__(self, name: str) -> Any:
        """Actions of the palette that the pane has not belong to the view."""
        view = self.__dict__.get("view")
        if name.startswith("action_") and view is not None:
            return getattr(view, name)
        raise AttributeError(name)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that the view in front has, and takes now."""
        view = self.view
        known = hasattr(self, f"action_{action}")
        return known and (view is None or bool(view.check_action(action, parameters)))

    def on_mount(self) -> None:
        """Look for changes of other programs now and then."""
        super().on_mount()
        self.set_interval(_LOOK_SECONDS, self._look)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self.waiting > 0 or self._opening or (self.view is not None and self.view.busy)

    def shown(self) -> None:
        """Show the terms as they are now."""
        if not self._opening:
            self._opening = True
            self.run_worker(self._open(), exit_on_error=True)

    async def _open(self) -> None:
        try:
            if self.view is None:
                await self.show_view(self._wanted if self._wanted in self._titles() else "terms")
                self.catch_up()
            else:
                await self.view.opened()
            self._mark = self._stamp()
        finally:
            self._opening = False

    def catch_up(self) -> None:
        """Have every term read beside the keys; the rows that are shown stay until then."""
        if not self._catching_up:
            self._catching_up = True
            self.run_worker(self._warm(), exit_on_error=True)

    async def _warm(self) -> None:
        """Have every term read, so that nobody waits for a filter later."""
        again = self._read

        def on_progress(step: Progress) -> None:
            self._doing = step.stage
            self.draw_head()

        await self.bench.settings()
        host = self.bench.host("glossary")
        try:
            await host.request("warm_rows", background=True, on_progress=on_progress)
        except RequestCancelled:
            return
        except UserError as error:
            self.bench.warn(error.sentence, "error")
        else:
            self._read = True
        self._catching_up = False
        self._doing = ""
        self.draw_head()
        if again:
            for view in self._views.values():
                await view.changed()

    async def embed(self) -> None:
        """Make the vectors that are missing, or stop that; what is done stays."""
        await self.bench.settings()
        host = self.bench.host("glossary")
        if self._embedding is not None and not self._embedding.done():
            host.cancel(self._embedding)
            return
        self._embedding = host.submit("embed", background=True, on_progress=self._embedded)
        try:
            found: Coverage = await self._embedding
        except RequestCancelled:
            self.bench.say(_("Stopped; what is embedded stays, and the next time goes on there."))
        except UserError as error:
            self.bench.warn(error.sentence, "error")
        else:
            sentence = _("{stored} vectors by {model}")
            self.bench.say(sentence.format(stored=f"{found.stored:,}", model=found.model))
        self._doing = ""
        self.draw_head()

    def _embedded(self, step: Progress) -> None:
        total = f" {step.done:,}/{step.total:,}" if step.total else ""
        self._doing = step.stage + total
        self.draw_head()

    # Asking

    async def request(self, method: str, **params: Any) -> Any:
        """The answer of the glossary's process. Raises UserError with its sentence."""
        self.waiting += 1
        params.setdefault("on_progress", self._progressed)
        try:
            await self.bench.settings()
            return await self.bench.host("glossary").request(method, **params)
        finally:
            self.waiting -= 1

    def _progressed(self, step: Progress) -> None:
        """Say what takes time, or for whom a write has to wait."""
        self.bench.say(step.stage)

    async def changed(self, term_id: str = "") -> None:
        """Terms were changed here: every view shows that; `term_id`: the one to go to."""
        self._mark = self._stamp()
        for view in self._views.values():
            await view.changed(term_id if view is self.view else "")
        self.draw_head()

    async def invert(self, which: str) -> None:
        """Undo or redo the latest change of this person, and say what it was."""
        try:
            batch: Batch = await self.request(which, author=author())
            touched = await self.request("changes_of", number=batch.number, limit=1)
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        sentence = _("Undone: {change}") if which == "undo" else _("Redone: {change}")
        await self.changed(touched[0].term_id if touched else "")
        self.bench.say(sentence.format(change=told(batch)))

    async def open_form(self, term: Term, field: str = "canonical") -> None:
        """The form of a term; one without an id is new."""
        from kwtui.panes.glossary_fields import TermForm

        async def closed(result: tuple[str, str, Term] | None) -> None:
            if result is None:
                return
            what, term_id, draft = result
            if what == "merge":
                await self._merge_with(draft, term_id)
                return
            await self.changed(term_id)
            self.bench.say(_("Kept: {term}").format(term=draft.canonical))

        await self.app.push_screen(TermForm(self, term, field), closed)

    async def _merge_with(self, term: Term, other: str) -> None:
        """Merge the term of a form, stored or new, into the one that has its name."""
        try:
            if term.id:
                made = await self.request("merge", kept=other, other=term.id, author=author())
            else:
                made = await self.request("absorb", kept=other, term=term, author=author())
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        await self.changed(made.id)
        self.bench.say(_("One term now: {names}").format(names=", ".join(made.surfaces)))

    async def _look(self) -> None:
        """See the writes of other programs by the files alone."""
        if not self.display or self.view is None or self.busy or len(self.app.screen_stack) > 1:
            return
        mark = self._stamp()
        if mark != self._mark:
            self._mark = mark
            terms = self._views.get("terms")
            latest = await self.view.ask("version")
            for view in self._views.values():
                # The table and the log are written back to the disk without a change of terms.
                if view is not terms or latest != terms.rows.version:  # type: ignore[attr-defined]
                    await view.changed()

    def _stamp(self) -> tuple[int, ...]:
        path = self.bench.workspace.glossary_path.with_suffix(".sqlite")
        found: list[int] = []
        for name in (path.name, f"{path.name}-wal"):
            try:
                stat = path.with_name(name).stat()
            except OSError:
                found += [0, 0]
            else:
                found += [stat.st_mtime_ns, stat.st_size]
        return tuple(found)

    # Views

    async def show_view(self, name: str) -> None:
        """Bring a view to the front; it is made when it is first shown."""
        if name not in self._views:
            module, made = _VIEWS[name]
            self._views[name] = getattr(importlib.import_module(module), made)(self)
            await self.query_one("#glossary-views").mount(self._views[name])
        for view in self._views.values():
            view.display = view.view_id == name
        self.view = self._views[name]
        self.draw_head()
        await self.view.opened()
        self.draw_head()

    async def action_next_view(self) -> None:
        """The next of the views."""
        await self._step(1)

    async def action_previous_view(self) -> None:
        """The view before."""
        await self._step(-1)

    async def _step(self, step: int) -> None:
        if self.view is not None:
            names = list(self._titles())
            at = names.index(self.view.view_id) + step if self.view.view_id in names else 0
            await self.show_view(names[at % len(names)])

    def _titles(self) -> dict[str, str]:
        """The views that there is something to see in; records only once some were imported."""
        from glossary.records import has_records

        found = {"terms": _("Terms"), "candidates": _("Candidates")}
        if has_records(self.bench.workspace.glossary_path):
            found["records"] = _("Records")
        return {**found, "changes": _("Changes")}

    def draw_head(self) -> None:
        """The names of the views, and on the right what is shown."""
        current = self.view.view_id if self.view else ""
        parts = [
            Content.styled(f" {title} ", ON if name == current else MUTED)
            for name, title in self._titles().items()
        ]
        line = Content.assemble(" ", *parts)
        head = self.query_one("#glossary-head", Lines)
        words = [*(self.view.about() if self.view else ()), self._doing]
        about = Content(printable(" | ".join(filter(None, words))))
        room = head.size.width - line.cell_length - 2
        if about.cell_length > room:
            about = about.truncate(max(room, 1), ellipsis=True)
        gap = " " * max(1, head.size.width - line.cell_length - about.cell_length - 1)
        head.show([Content.assemble(line, gap, (about.plain, MUTED))])

    def on_resize(self) -> None:
        """Fit the line to the new width."""
        self.call_after_refresh(self.draw_head)

    def help_text(self) -> str:
        """What the pane is for."""
        return _(
            "The terms of this workspace as a sheet. Arrows choose a cell, Enter changes it where "
            "it stands, Enter again keeps it and Tab goes on to the next cell. The form shows a "
            "term with every field and lines for its definition. What a term is called may "
            "belong to one term only; if another has the name, the two can be merged.\n\n"
            "Type after / to filter by name, kind or definition; initial consonants do too: ㅍㅅ "
            "finds 파스. Space marks terms: deleting, merging and setting a field then work on "
            "all of them. Before a term stands * when it is marked, x when it is no keyword, ? "
            "when only meaning can decide what it matches (its field Ambiguous). Beneath the sheet "
            "stands what a term matches in the corpus, also while you type a name, so that an "
            "over-eager one is seen before it hurts.\n\n"
            "Every change is on disk before it is seen, with author and time. Undo takes your own "
            "changes back, also those of another day. Tab goes to words of the corpus that the "
            "glossary lacks, and to all changes, where any moment can be named and restored.\n\n"
            "Import takes files of terms, and drug data (json, xml, csv) by the presets of "
            "config.toml: r in its window chooses one. What it made of drug data stands among the "
            "records, where Enter shows one whole, with the terms it names."
        )

    # State

    def state(self) -> dict[str, Any]:
        """Which view, and what the sheet shows."""
        kept = dict(self.restored)
        terms = self._views.get("terms")
        if terms is not None:
            kept |= terms.kept_state()  # type: ignore[attr-defined]
        kept["view"] = self.view.view_id if self.view is not None else self._wanted
        return kept

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last time ended."""
        self.restored = state
        if state.get("view") in _VIEWS:
            self._wanted = str(state["view"])


def author() -> str:
    """Who changes the glossary: the user's name on this machine, as for `kwtui glossary`."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def told(batch: Batch) -> str:
    """A change in one line: why, and how many terms it touched."""
    counts = _("+{new} ~{changed} -{removed}").format(
        new=batch.new, changed=batch.changed, removed=batch.removed
    )
    return " ".join(filter(None, (f"#{batch.number}", batch.reason, counts)))
