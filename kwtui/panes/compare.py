"""The compare pane: which strategy is worth it, on which texts, and what follows from it."""

from __future__ import annotations

import importlib
import subprocess
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui.panes.base import Pane
from kwtui.panes.compare_send import Sending
from kwtui.services.request import RequestCancelled
from kwtui.themes import MUTED, ON
from kwtui.widgets.lines import Lines

if TYPE_CHECKING:
    from engines.evaluation.comparing import Wanted
    from engines.evaluation.measured import LearningCurve
    from engines.evaluation.results import LadderResult
    from kwtui.panes.compare_run import Work
    from kwtui.panes.compare_view import CompareView
    from kwtui.services.compare import Opened, Pair
    from kwtui.services.messages import Progress

_VIEWS = {
    "table": ("kwtui.panes.compare_table", "TableView"),
    "texts": ("kwtui.panes.compare_texts", "TextsView"),
    "errors": ("kwtui.panes.compare_errors", "ErrorsView"),
    "plots": ("kwtui.panes.compare_plots", "PlotsView"),
}
_LOOK_SECONDS = 2.0
DEV = "dev"


class ComparePane(Sending, Pane):
    """Four views on the last ladder of a split; it opens on dev."""

    pane_id = "compare"

    def __init__(self) -> None:
        super().__init__()
        self.split = DEV
        self.result: LadderResult | None = None
        self.curve: LearningCurve | None = None
        self.pair: Pair | None = None
        self.opened: Opened | None = None
        self.looks = 0
        self.view: CompareView | None = None
        self._views: dict[str, CompareView] = {}
        self._view_wanted = "table"
        self._names = ("", "")
        self._filter: Wanted | None = None
        self.elsewhere: tuple[str, ...] = ()
        self._waiting = 0
        self._doing = ""
        self._stamp = 0
        self._work: Work | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def compose(self) -> ComposeResult:
        """The names of the views in a line; the view beneath it."""
        yield Lines(id="compare-head", classes="head")
        yield Container(id="compare-views", classes="views")

    def on_mount(self) -> None:
        """Look now and then whether a ladder has been run elsewhere."""
        super().on_mount()
        self.set_interval(_LOOK_SECONDS, self._look)

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
        """Whether an answer is awaited."""
        return self._waiting > 0 or (self.view is not None and self.view.busy)

    @property
    def wanted(self) -> Wanted:
        """Which texts are looked at."""
        from engines.evaluation.comparing import Wanted

        return self._filter or Wanted()

    @wanted.setter
    def wanted(self, wanted: Wanted) -> None:
        self._filter = wanted

    def shown(self) -> None:
        """Show the last result as it is now."""
        if self.view is None and self._waiting:
            return
        self._waiting += 1
        self.run_worker(self._open(), exit_on_error=True)

    async def _open(self) -> None:
        try:
            if self.view is None and self._mark():
                self.run_worker(self._wake(), exit_on_error=True)
            if self.view is None and self._view_wanted == "table":
                await self._read_result()
                await self.show_view("table")
                await self._compare()
                for view in self._views.values():
                    view.changed()
            elif self.view is None:
                await self.read()
                await self.show_view(self._view_wanted)
            else:
                await self.read()
                await self.view.opened()
        finally:
            self._waiting -= 1

    async def _wake(self) -> None:
        """Have the compare process come up while the result is read; errors are the asker's."""
        with suppress(UserError, RequestCancelled):
            await self.bench.settings()
            await self.bench.host("compare").request("ready")

    def help_text(self) -> str:
        """What the pane is for."""
        return _(
            "The strategies of the last ladder, each with what it finds and what it costs. The "
            "gain is against the rung below; bold where it is real, by the corrected p-value. "
            "Space chooses the rung that is compared against (1), Enter the one that is compared "
            "(2) and shows the texts on which they differ.\n\n"
            "Mistakes lead back: a text goes to labeling with what was wrong as its note, a "
            "missed word to the candidates of the glossary, a whole group of mistakes to the "
            "training split. Held-out texts that train leave their split, with their "
            "near-duplicates, and the results measured there are stale from then on.\n\n"
            "Test stays test: there the figures alone are shown. Looking at a single text is put "
            "on record and printed in the report; sending one anywhere moves it to train."
        )

    # What is compared

    async def read(self) -> None:
        """Read the last ladder of the split and open the comparison of its pair."""
        await self._read_result()
        await self._compare()
        for view in self._views.values():
            if view is not self.view:
                view.changed()

    async def _read_result(self) -> None:
        found = await self.bench.work(self._load)
        self.result, self.curve, self.elsewhere = found or (None, None, ())
        self._stamp = self._mark()
        self._pick()

    def _load(self) -> tuple[LadderResult | None, LearningCurve | None, tuple[str, ...]]:
        from engines.evaluation.measured import measured_splits, read_curve, read_result

        space = self.bench.workspace
        result = read_result(space, self.split)
        elsewhere = () if result is not None else tuple(measured_splits(space))
        return result, read_curve(space, self.split), elsewhere

    def _mark(self) -> int:
        path = self.bench.workspace.reports / "ladder" / f"{self.split}.json"
        try:
            return path.stat().st_mtime_ns
        except OSError:
            return 0

    async def _look(self) -> None:
        """A ladder that is run elsewhere, or in the background, shows by its files alone."""
        if not self.display or self.view is None or self.busy:
            return
        from kwtui.panes.compare_run import Work, last_words, look

        space, before = self.bench.workspace, self._work
        alive = self.process is not None and self.process.poll() is None
        self._work = await self.bench.work(lambda: look(space, started=alive)) or Work(False)
        if self._mark() != self._stamp:
            self._waiting += 1
            try:
                await self.read()
                await self.view.opened()
            finally:
                self._waiting -= 1
        if self.process is not None and (code := self.process.poll()) is not None:
            self.process = None
            if code:
                words = await self.bench.work(lambda: last_words(space))
                self.bench.warn(_("The ladder has ended: {words}").format(words=words or code))
        if self._work != before:
            self.draw_head()

    def _pick(self) -> None:
        """The pair of the last time where it was measured, else the best rung and the one below."""
        from engines.evaluation.measured import pair_of
        from kwtui.services.compare import Pair

        if self.result is None or len(self.result.rows) < 2:
            self.pair = None
            return
        files = {row.strategy: row.predictions for row in self.result.rows}
        first, second = self._names = pair_of(self.result, *self._names)
        self.pair = Pair(self.split, first, files[first], second, files[second])

    async def choose(self, *, first: str = "", second: str = "") -> None:
        """Compare other strategies; the other side gives way where both would be one."""
        one, other = first or self._names[0], second or self._names[1]
        if one == other:
            one, other = self._names[1], self._names[0]
            one, other = (first, one) if first else (other, second)
        self._names = (one, other)
        self._pick()
        await self._compare()

    async def _compare(self) -> None:
        self.opened = None
        if self.pair is not None:
            self.opened = await self.ask("open", pair=self.pair)
        self.looks = self.opened.looks if self.opened is not None else 0
        self.draw_head()

    async def recount(self) -> None:
        """Know anew how many test texts were looked at."""
        await self._compare()

    async def ask(self, method: str, **params: Any) -> Any:
        """The answer of the compare process; None, and its sentence shown, when it refused."""

        def on_progress(step: Progress) -> None:
            total = f" {step.done:,}/{step.total:,}" if step.total else ""
            self._doing = step.stage + total
            self.draw_head()

        self._waiting += 1
        try:
            await self.bench.settings()
            host = self.bench.host("compare")
            return await host.request(method, on_progress=on_progress, **params)
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return None
        finally:
            self._waiting -= 1
            self._doing = ""

    async def refresh_all(self) -> None:
        """Texts or labels were changed from here: show what that changes."""
        await self.read()
        if self.view is not None:
            await self.view.opened()

    # Keys of every view

    async def action_split(self) -> None:
        """The next split that was measured, dev first."""
        from engines.evaluation.measured import measured_splits

        known = await self.bench.work(lambda: measured_splits(self.bench.workspace)) or []
        names = [DEV, *(name for name in known if name != DEV)]
        if len(names) == 1:
            self.bench.say(_("Only {split} has been measured.").format(split=DEV))
            return
        at = names.index(self.split) + 1 if self.split in names else 0
        self.split, self._filter = names[at % len(names)], None
        await self.read()
        if self.view is not None:
            await self.view.opened()

    async def action_swap(self) -> None:
        """Compare the other way round."""
        self._names = (self._names[1], self._names[0])
        self._pick()
        await self._compare()
        for view in self._views.values():
            view.changed()

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

    async def show_view(self, name: str) -> None:
        """Bring a view to the front; it is made when it is first shown."""
        if name not in self._views:
            module, made = _VIEWS[name]
            self._views[name] = getattr(importlib.import_module(module), made)(self)
            await self.query_one("#compare-views").mount(self._views[name])
        for view in self._views.values():
            view.display = view.view_id == name
        self.view = self._views[name]
        self.draw_head()
        await self.view.opened()
        self.draw_head()

    def draw_head(self) -> None:
        """The names of the views, and on the right what is compared."""
        if not self.is_mounted:
            return
        current = self.view.view_id if self.view else ""
        parts = [
            Content.styled(f" {title} ", ON if name == current else MUTED)
            for name, title in _titles().items()
        ]
        line = Content.assemble(" ", *parts)
        head = self.query_one("#compare-head", Lines)
        about = Content(printable(self._doing or self._working() or self._about()))
        room = head.size.width - line.cell_length - 2
        if about.cell_length > room:
            about = about.truncate(max(room, 1), ellipsis=True)
        gap = " " * max(1, head.size.width - line.cell_length - about.cell_length - 1)
        head.show([Content.assemble(line, gap, (about.plain, MUTED))])

    def _working(self) -> str:
        if self._work is None or not self._work.working:
            return ""
        said = _("the ladder is at work")
        return f"{said}: {self._work.strategy}" if self._work.strategy else said

    def _about(self) -> str:
        if self.opened is None:
            return self.split
        counts = self.opened.summary.verdicts
        said = _("{split}: {second} against {first}, {won} won, {lost} lost")
        pair = self.opened.pair
        return said.format(
            split=pair.split,
            first=pair.first,
            second=pair.second,
            won=f"{counts['won']:,}",
            lost=f"{counts['lost']:,}",
        )

    def on_resize(self) -> None:
        """Fit the line to the new width."""
        self.call_after_refresh(self.draw_head)

    # State

    def state(self) -> dict[str, Any]:
        """Which view and which pair; the split is not kept, for the pane opens on dev."""
        view = self.view.view_id if self.view is not None else self._view_wanted
        return {"view": view, "pair": list(self._names), "verdict": self.wanted.verdict}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where the last time ended."""
        from engines.evaluation.comparing import VERDICTS

        if state.get("view") in _VIEWS:
            self._view_wanted = str(state["view"])
        pair = state.get("pair")
        if isinstance(pair, list) and len(pair) == 2:
            self._names = (str(pair[0]), str(pair[1]))
        if state.get("verdict") in VERDICTS:
            self.wanted = replace(self.wanted, verdict=str(state["verdict"]))


def _titles() -> dict[str, str]:
    return {
        "table": _("Table"),
        "texts": _("Texts"),
        "errors": _("Mistakes"),
        "plots": _("Plots"),
    }
