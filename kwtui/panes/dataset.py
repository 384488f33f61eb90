"""The dataset pane: label texts, list them, settle disagreements, check the labels."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.base import Pane
from kwtui.panes.dataset_store import Store
from kwtui.themes import MUTED, ON
from kwtui.widgets.lines import Lines

if TYPE_CHECKING:
    from engines.corpus.queue import Filter
    from kwtui.panes.dataset_label import LabelView
    from kwtui.panes.dataset_view import DatasetView

_HEARTBEAT = 60.0
_VIEWS = {
    "label": ("kwtui.panes.dataset_label", "LabelView"),
    "list": ("kwtui.panes.dataset_list", "ListView"),
    "adjudicate": ("kwtui.panes.dataset_adjudicate", "AdjudicateView"),
    "checks": ("kwtui.panes.dataset_checks", "ChecksView"),
}


class DatasetPane(Pane):
    """Four views on the corpus of the workspace, one at a time."""

    pane_id = "dataset"

    def __init__(self) -> None:
        super().__init__()
        self.store: Store | None = None
        self.view: DatasetView | None = None
        self.goal = 0
        self.wanted: Filter | None = None
        self._views: dict[str, DatasetView] = {}
        self._wanted = "label"
        self._kept: dict[str, Any] = {}
        self._timer: Timer | None = None
        self._opening = False
        self._asked = ""

    def compose(self) -> ComposeResult:
        """The names of the views in a line; the view beneath it."""
        yield Lines(id="head")
        yield Container(id="views")

    def __getattr__(self, name: str) -> Any:
        """Actions of the palette that the pane has not belong to the view."""
        view = self.__dict__.get("view")
        if name.startswith("action_") and view is not None:
            return getattr(view, name)
        raise AttributeError(name)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that the view in front has."""
        return hasattr(self, f"action_{action}")

    @property
    def busy(self) -> bool:
        """Whether the view still waits for something."""
        return self._opening or (self.view is not None and self.view.busy)

    def shown(self) -> None:
        """Open the corpus, or say that there is none yet."""
        if not self._opening:
            self._opening = True
            self.run_worker(self._open(), exit_on_error=True)

    async def _open(self) -> None:
        try:
            if self.store is None:
                settings = await self.bench.settings()
                self.goal = settings.curation.goal
                self.store = Store(self.bench.workspace, settings, on_note=self._note)
                self._timer = self.set_interval(_HEARTBEAT, self._beat)
            if not self.store.exists:
                self._without_corpus()
            elif self.view is None:
                await self.show_view(self._wanted)
                self.run_worker(asyncio.to_thread(self.store.copy), exit_on_error=True)
            else:
                await self.view.opened()
            if self._asked and self.view is not None:
                asked, self._asked = self._asked, ""
                await (await self.labeling()).go_to(asked)
        except UserError as error:
            self.bench.warn(error.sentence, "error")
        finally:
            self._opening = False

    def _note(self, sentence: str) -> None:
        """Say what the corpus notes, from whatever thread."""
        self.app.call_from_thread(self.bench.warn, sentence)

    def _without_corpus(self) -> None:
        sentence = _("The corpus has no texts yet: `kwtui data import FILE` adds some; then F4.")
        self.query_one("#head", Lines).show([Content(" " + sentence)])

    async def _beat(self) -> None:
        """Keep what is claimed; a disk that is full for a while ends nothing."""
        if self.store is not None and self.store.exists and self.view is not None:
            try:
                await self.store.heartbeat()
            except UserError as error:
                self.bench.warn(error.sentence, "error")

    def on_unmount(self) -> None:
        """Let the claimed texts go."""
        view = self.label_view()
        if view is not None:
            view.ahead.stop()
        if self.store is not None:
            self.store.close()

    # Views

    async def show_view(self, name: str) -> None:
        """Bring a view to the front; it is made when it is first shown."""
        assert self.store is not None
        if name not in self._views:
            module, made = _VIEWS[name]
            kind = getattr(importlib.import_module(module), made)
            self._views[name] = kind(self, self.store)
            await self.query_one("#views").mount(self._views[name])
        if self.view is not None:
            self.view.left()
        for view in self._views.values():
            view.display = view.view_id == name
        self.view = self._views[name]
        self.draw_head()
        await self.view.opened()

    async def label_text(self, text_id: str) -> None:
        """Show one text in the labeling view, once the pane is open."""
        if self._opening:
            self._asked = text_id
            return
        await (await self.labeling()).go_to(text_id)

    async def labeling(self) -> LabelView:
        """The labeling view, brought to the front."""
        await self.show_view("label")
        return cast("LabelView", self.view)

    def label_view(self) -> LabelView | None:
        """The labeling view, if it was shown already."""
        return cast("LabelView | None", self._views.get("label"))

    async def action_next_view(self) -> None:
        """The next of the views."""
        await self._step(1)

    async def action_previous_view(self) -> None:
        """The view before."""
        await self._step(-1)

    async def _step(self, step: int) -> None:
        if self.view is not None:
            names = list(_VIEWS)
            at = names.index(self.view.view_id) + step
            await self.show_view(names[at % len(names)])

    def draw_head(self) -> None:
        """The names of the views, and on the right what text this is."""
        current = self.view.view_id if self.view else ""
        parts = [
            Content.styled(f" {title} ", ON if name == current else MUTED)
            for name, title in _titles().items()
        ]
        line = Content.assemble(" ", *parts)
        head = self.query_one("#head", Lines)
        about = Content(printable(self._about()))
        room = head.size.width - line.cell_length - 2
        if about.cell_length > room:
            about = about.truncate(max(room, 1), ellipsis=True)
        gap = " " * max(1, head.size.width - line.cell_length - about.cell_length - 1)
        head.show([Content.assemble(line, gap, (about.plain, MUTED))])

    def _about(self) -> str:
        view = self.label_view()
        if view is None or view is not self.view or view.loaded is None:
            return ""
        text = view.loaded.view
        parts = [text.id, statuses().get(text.status, text.status), text.split]
        return " | ".join(part for part in parts if part)

    def on_resize(self) -> None:
        """Fit the line to the new width."""
        if self.view is not None:
            self.call_after_refresh(self.draw_head)

    def help_text(self) -> str:
        """What the pane is for."""
        return _(
            "Label the texts of the corpus one after another. Candidates are numbered under the "
            "text: a digit labels one or takes its label off, Enter approves and goes on. "
            "Arrows move by morpheme, with Ctrl by character, up and down by candidate; with "
            "Shift they stretch; Space labels what is under the cursor. Hints show a letter at "
            "every place where a keyword may begin: its letter and that of an end make a span.\n\n"
            "A label takes the place of those it overlaps. Every key is on disk before its effect "
            "is seen; Backspace takes the latest change back, also one of an earlier day.\n\n"
            "Tab goes to the list of texts, to the texts that people labeled differently, and to "
            "the checks."
        )

    # State

    def state(self) -> dict[str, Any]:
        """Which view, and how the labeling view works."""
        view = self.label_view()
        kept = dict(self._kept)
        if view is not None:
            kept |= view.kept_state()
        kept["view"] = self.view.view_id if self.view is not None else self._wanted
        return kept

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last time ended."""
        self._kept = state
        if state.get("view") in _VIEWS:
            self._wanted = str(state["view"])

    @property
    def restored(self) -> dict[str, Any]:
        """What the last time kept, for a view that is made now."""
        return self._kept


def _titles() -> dict[str, str]:
    return {
        "label": _("Label"),
        "list": _("List"),
        "adjudicate": _("Adjudicate"),
        "checks": _("Checks"),
    }


def statuses() -> dict[str, str]:
    """The statuses of texts as a person reads them."""
    return {
        "new": _("new"),
        "draft": _("draft"),
        "labeled": _("labeled"),
        "skipped": _("skipped"),
        "flagged": _("flagged"),
        "adjudicated": _("adjudicated"),
    }
