"""`kwtui runs queue`: what waits for the GPU, in which order and on what conditions."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.columns import table

if TYPE_CHECKING:
    from engines.training.queue import Entry, Queue

app = typer.Typer(add_completion=False, no_args_is_help=True)

RUN = typer.Argument(..., metavar="RUN", help=_("Id, its beginning, or last."))
JSON = typer.Option(False, "--json", help=_("One JSON object on stdout."))


@app.command("list")
def list_command(as_json: bool = JSON) -> None:
    """List the queue with what each run waits for."""
    from engines.training.liveness import is_locked

    queue = _queue()
    entries = queue.read()
    if as_json:
        rows = [entry.to_json() for entry in entries]
        alive = is_locked(queue.lock_file)
        _json({"paused": queue.paused, "supervisor": alive, "entries": rows})
        return
    states = {"waiting": _("waiting"), "paused": _("paused"), "started": _("started")}
    rows_ = [
        [entry.run, str(n), states.get(entry.state, entry.state), entry.author, _note(entry)]
        for n, entry in enumerate(entries, start=1)
    ]
    if rows_:
        head = [_("run"), _("place"), _("state"), _("author"), _("note")]
        for line in table([head, *rows_]):
            sys.stdout.write(printable(line) + "\n")
    else:
        _say(_("The queue is empty."))
    if queue.paused:
        _say(_("The queue is paused; `kwtui runs queue unpause` lets it go on."))


@app.command("add")
def add(
    run: str = RUN,
    front: bool = typer.Option(False, "--front", help=_("Before all others that wait.")),
    free: float = typer.Option(
        0.0, "--free-gib", min=0.0, metavar="N", help=_("Start when a GPU has N GiB free.")
    ),
    minutes: float = typer.Option(
        0.0, "--free-minutes", min=0.0, metavar="M", help=_("... for M minutes without a break.")
    ),
    hours: str = typer.Option(
        "", "--hours", metavar="FROM-TO", help=_("Only then, such as 22:00-08:00.")
    ),
    nice: int = typer.Option(0, "--nice", min=0, max=19, help=_("Lower its priority.")),
    share: float = typer.Option(
        0.0, "--share", min=0.0, max=1.0, metavar="S", help=_("Of each GPU's memory at most.")
    ),
    as_json: bool = JSON,
) -> None:
    """Put a run into the queue: one that was prepared, stopped or interrupted."""
    from engines.training.launching import enqueue
    from engines.training.queue import Conditions
    from engines.training.runs import find

    conditions = Conditions(free, minutes, hours, nice, share)
    queue = _queue()
    found = find(queue.runs, run)
    if found.state in ("starting", "running", "stopping", "finished"):
        message = _("The run {id} does not wait; its state is {state}.")
        raise UserError(message.format(id=found.id, state=found.state))
    place, warning = enqueue(queue, found.id, conditions, front=front)
    if warning:
        _say(warning)
    if as_json:
        _json({"run": found.id, "place": place})
    else:
        _say(_("{id} is number {place} of the queue.").format(id=found.id, place=place))


@app.command("move")
def move(
    run: str = RUN, place: int = typer.Argument(..., min=1, help=_("Its new place, from 1."))
) -> None:
    """Change the order."""
    queue = _queue()
    queue.move(_entry(queue, run), place)


@app.command("pause")
def pause(
    run: str = typer.Argument("", metavar="[RUN]", help=_("This run; else the whole queue.")),
) -> None:
    """Hold a run back, or the whole queue; what has started goes on."""
    queue = _queue()
    queue.pause(_entry(queue, run) if run else None)


@app.command("unpause")
def unpause(
    run: str = typer.Argument("", metavar="[RUN]", help=_("This run; else the whole queue.")),
) -> None:
    """Let a run, or the whole queue, go on."""
    queue = _queue()
    queue.pause(_entry(queue, run) if run else None, on=False)
    queue.wake()


@app.command("cancel")
def cancel(run: str = RUN) -> None:
    """Take a run out of the queue; one that has started goes on without it."""
    queue = _queue()
    entry = queue.cancel(_entry(queue, run))
    if entry.state == "started":
        _say(
            _("{id} has started and goes on; `kwtui runs stop {id}` ends it.").format(id=entry.run)
        )


def _note(entry: Entry) -> str:
    from engines.training.queue import OUT_OF_HOURS

    return _("stopped until its hours begin") if entry.note == OUT_OF_HOURS else entry.note


def _queue() -> Queue:
    from engines.training.queue import Queue

    return Queue(context.need_workspace().runs)


def _entry(queue: Queue, name: str) -> str:
    """The id in the queue that `name` means."""
    ids = [entry.run for entry in queue.read()]
    chosen = [name] if name in ids else [i for i in ids if i.startswith(name)]
    if len(chosen) != 1:
        chosen = [i for i in ids if name in i] or chosen
    if len(chosen) == 1:
        return chosen[0]
    message = _("{name} names no single run of the queue: {known}.")
    raise UserError(message.format(name=name, known=", ".join(ids) or "-"))


def _json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
