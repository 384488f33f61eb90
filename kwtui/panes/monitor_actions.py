"""What can be done to a run from the monitor, by the functions that the commands use too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.widget import Widget

from engines.training import runs
from engines.training.board import Row
from engines.training.folder import RunFolder
from engines.training.queue import Conditions, Queue
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.commands._runs_text import size
from kwtui.widgets.dialogs import AskScreen, ChooseScreen

if TYPE_CHECKING:
    from kwtui.app import Workbench
    from kwtui.panes.monitor_feed import View, Wish

WORKING = (*runs.WORKING, "stopping")


class RunActions(Widget):
    """Keys that act on the run under the cursor; each asks first where something is lost."""

    found: View
    wish: Wish
    acting = False

    if TYPE_CHECKING:

        def look(self) -> None:
            """Read what is new."""

    @property
    def _bench(self) -> Workbench:
        return cast("Workbench", self.app)

    @property
    def _row(self) -> Row | None:
        return self.found.chosen.row if self.found.chosen else None

    def _ask(self, title: str, ways: list[tuple[str, str, Callable[[], Any]]]) -> None:
        def chosen(index: int | None) -> None:
            if index is not None:
                self.run_worker(self._do(ways[index][2]), exit_on_error=True)

        self.app.push_screen(ChooseScreen(title, [(a, b) for a, b, _do in ways]), chosen)

    async def _do(self, work: Callable[[], str]) -> None:
        """Do something that waits for a disk or a process, and say what came of it."""
        self.acting = True
        try:
            said = await self._bench.work(work)
        finally:
            self.acting = False
        if said:
            self._bench.say(said)
        self.look()

    def action_stop(self) -> None:
        """Ask how the run is to end."""
        row = self._row
        if row is None:
            return
        if row.run.state not in WORKING:
            self._bench.say(_("{id} does not run.").format(id=row.run.id))
            return

        def save() -> str:
            ended = runs.stop(runs.look(row.run.folder))
            return _("{id} saves and ends after its present step.").format(id=ended.id)

        def now() -> str:
            ended = runs.stop_now(runs.look(row.run.folder))
            return _("{id} has ended; it can go on from step {step}.").format(
                id=ended.id, step=ended.checkpoint or 0
            )

        ways: list[tuple[str, str, Callable[[], Any]]] = [
            (_("Save a checkpoint and end"), _("nothing is lost"), save),
            (_("End at once"), _("what came after the last checkpoint is lost"), now),
        ]
        self._ask(_("Stop {id}?").format(id=row.run.id), ways)

    def action_resume(self) -> None:
        """Let the run go on from its last whole checkpoint; start one that waits."""
        row = self._row
        if row is None:
            return

        def go_on() -> str:
            from engines.training.logout import warning

            found = runs.look(row.run.folder)
            step = found.checkpoint or 0
            runs.resume(found)
            said = _("{id} goes on from step {step}.").format(id=found.id, step=step)
            return f"{said} {warning()}".strip()

        self.run_worker(self._do(go_on), exit_on_error=True)

    def action_remove(self) -> None:
        """Ask, then delete the run's folder; models it published stay."""
        row = self._row
        if row is None:
            return
        if row.run.state in WORKING:
            self._bench.say(_("{id} is at work; stop it first.").format(id=row.run.id))
            return

        def remove() -> str:
            Queue(row.run.folder.path.parent).drop_if_there(row.run.id)
            freed = runs.remove(runs.look(row.run.folder))
            return _("Removed {id}: {size}").format(id=row.run.id, size=size(freed))

        ways: list[tuple[str, str, Callable[[], Any]]] = [
            (_("Keep it"), "", lambda: ""),
            (_("Remove it"), _("checkpoints, curves and log; its model stays"), remove),
        ]
        self._ask(_("Remove {id}?").format(id=row.run.id), ways)

    def action_mark(self) -> None:
        """Mark the run for comparison, or take the mark off."""
        row = self._row
        if row is not None:
            marked = self.wish.marked
            name = row.run.id
            self.wish.marked = (
                [m for m in marked if m != name] if name in marked else [*marked, name]
            )
            self.look()

    def action_attach(self) -> None:
        """Watch a run in a folder outside the workspace too."""

        def check(typed: str) -> str:
            try:
                runs.look(RunFolder(Path(typed.strip()).expanduser().absolute()))
            except UserError as error:
                return error.sentence
            return ""

        def accepted(typed: str | None) -> None:
            if typed:
                folder = Path(typed.strip()).expanduser().absolute()
                if folder.parent != self._bench.workspace.runs:
                    others = [one for one in self.wish.others if one != str(folder)]
                    self.wish.others = [*others, str(folder)]
                self.wish.run = folder.name
                self.look()

        self.app.push_screen(AskScreen(_("Folder of the run"), check=check), accepted)

    # The queue

    def action_enqueue(self) -> None:
        """Put a run that waits, or was stopped, into the queue."""
        row = self._row
        if row is None:
            return

        def put() -> str:
            from engines.training.launching import enqueue

            found = runs.look(row.run.folder)
            if found.state in (*WORKING, "finished"):
                message = _("The run {id} does not wait; its state is {state}.")
                raise UserError(message.format(id=found.id, state=found.state))
            place, warning = enqueue(Queue(found.folder.path.parent), found.id, Conditions())
            said = _("{id} is number {place} of the queue.").format(id=found.id, place=place)
            return f"{said} {warning}".strip()

        self.run_worker(self._do(put), exit_on_error=True)

    def _queued(self, change: Callable[[Queue, Row], object]) -> None:
        row = self._row
        if row is None:
            return
        if row.entry is None:
            self._bench.say(_("{id} is not in the queue.").format(id=row.run.id))
            return

        def work() -> str:
            queue = Queue(row.run.folder.path.parent)
            change(queue, row)
            queue.wake()
            return ""

        self.run_worker(self._do(work), exit_on_error=True)

    def action_earlier(self) -> None:
        """One place forward in the queue."""
        self._queued(lambda queue, row: queue.move(row.run.id, max(1, (row.place or 1) - 1)))

    def action_later(self) -> None:
        """One place back."""
        self._queued(lambda queue, row: queue.move(row.run.id, (row.place or 1) + 1))

    def action_hold(self) -> None:
        """Hold a waiting run back, or let it go on."""

        def change(queue: Queue, row: Row) -> None:
            held = row.entry is not None and row.entry.state == "paused"
            queue.pause(row.run.id, on=not held)
            queue.wake()

        self._queued(change)

    def action_hold_all(self) -> None:
        """Hold the whole queue, or let it go on."""

        def work() -> str:
            row = self._row
            if row is None:
                return ""
            queue = Queue(row.run.folder.path.parent)
            queue.folder.mkdir(parents=True, exist_ok=True)
            on = not queue.paused
            queue.pause(None, on=on)
            queue.wake()
            return _("The queue is held.") if on else _("The queue goes on.")

        self.run_worker(self._do(work), exit_on_error=True)

    def action_unqueue(self) -> None:
        """Take the run out of the queue; one that has started goes on."""
        self._queued(lambda queue, row: queue.cancel(row.run.id))
