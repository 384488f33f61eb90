"""The last question before a run: now, in the queue, or not at all."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from engines.training.queue import Conditions
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.commands._preflight import gib
from kwtui.progress import duration
from kwtui.widgets.dialogs import AskScreen, ChooseScreen

if TYPE_CHECKING:
    from engines.training.launching import Launched
    from kwtui.panes.train import TrainPane

EXAMPLE = "hours=22:00-08:00 free_gib=20 free_minutes=5 nice=10 share=0.5"


async def ask_and_start(pane: TrainPane) -> None:
    """Ask how the run is to start, and start it so."""
    if pane.job.wrong:
        pane.bench.warn(pane.job.wrong, "error")
        return
    if pane.job.found is None:
        pane.bench.say(_("What it will take is being worked out."))
        return
    rows = _ways(pane)
    form = pane.form
    model = form.model.rpartition("/")[2] or form.method
    title = _("Train {model} by {method}?").format(model=model, method=form.method)

    def chosen(index: int | None) -> None:
        if index is not None:
            rows[index][2](pane)

    pane.app.push_screen(ChooseScreen(title, [(a, b) for a, b, _do in rows]), chosen)


def _ways(pane: TrainPane) -> list[tuple[str, str, Any]]:
    assert pane.job.found is not None
    found = pane.job.found.preflight
    device = min(found.devices, key=lambda d: d.free)
    memory = _("{need} of {free} free").format(need=gib(found.total), free=gib(device.free))
    told = memory
    if found.seconds is not None:
        told += ", " + _("about {time}").format(time=duration(found.seconds))
    rows: list[tuple[str, str, Any]] = []
    if found.fits:
        rows.append((_("Start now"), told, _now))
    rows.append((_("Into the queue"), _("starts when its turn has come"), _later))
    rows.append((_("Into the queue, on conditions"), _("hours, free memory, priority"), _when))
    if not found.fits:
        rows.append((_("Start although it does not fit"), told, _forced))
    return rows


def _now(pane: TrainPane) -> None:
    pane.job.launch(lambda launched: started(pane, launched))


def _forced(pane: TrainPane) -> None:
    pane.job.launch(lambda launched: started(pane, launched), force=True)


def _later(pane: TrainPane) -> None:
    pane.job.launch(lambda launched: started(pane, launched), conditions=Conditions())


def _when(pane: TrainPane) -> None:
    def accepted(typed: str | None) -> None:
        if typed is not None:
            pane.job.launch(lambda done: started(pane, done), conditions=conditions(typed))

    title = _("Conditions, such as {example}").format(example=EXAMPLE)
    pane.app.push_screen(AskScreen(title, "hours=22:00-08:00", check=refused), accepted)


def refused(typed: str) -> str:
    """Why these are no conditions; "" when they are."""
    try:
        conditions(typed)
    except UserError as error:
        return error.sentence
    return ""


def conditions(typed: str) -> Conditions:
    """Conditions from "name=value" words. Raises UserError."""
    known = {one.name: one.type for one in fields(Conditions)}
    values: dict[str, Any] = {}
    for word in typed.split():
        name, _equals, value = word.partition("=")
        if name not in known or not value:
            message = _("{word}: write conditions as {example}.")
            raise UserError(message.format(word=word, example=EXAMPLE))
        try:
            kinds = {"float": float, "int": int, "str": str}
            values[name] = kinds[str(known[name])](value)
        except ValueError:
            message = _("{key}: {value} is no number.")
            raise UserError(message.format(key=name, value=value)) from None
    return Conditions(**values).checked()


def started(pane: TrainPane, launched: Launched) -> None:
    """Say what became of it and show the run in the monitor."""
    name = launched.folder.path.name
    if launched.place is not None:
        said = _("{id} is number {place} of the queue.").format(id=name, place=launched.place)
    else:
        said = _("{id} has started.").format(id=name)
    pane.bench.say(said)
    for note in launched.notes:
        pane.bench.warn(note)
    pane.bench.run_worker(_to_monitor(pane, name), exit_on_error=True)


async def _to_monitor(pane: TrainPane, run: str) -> None:
    from kwtui.panes.monitor import MonitorPane

    await pane.bench.show_pane("monitor")
    monitor = pane.bench.pane
    if isinstance(monitor, MonitorPane):
        await monitor.choose(run)
