"""`kwtui runs`: the training runs of a workspace, wherever they were started from."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.commands import _runs_queue, _runs_text

if TYPE_CHECKING:
    from engines.training.runs import Run

app = typer.Typer(add_completion=False, no_args_is_help=True)
app.add_typer(_runs_queue.app, name="queue", help=_("The order in which waiting runs start."))

RUN = typer.Argument(..., metavar="RUN", help=_("Id, its beginning, a folder, or last."))
JSON = typer.Option(False, "--json", help=_("One JSON object on stdout."))


@app.command("list")
def list_command(
    every: bool = typer.Option(True, "--all/--living", help=_("All, or only those at work.")),
    as_json: bool = JSON,
) -> None:
    """List the runs with state, step, F1 and time left, the newest first."""
    from engines.training.runs import list_runs, sweep

    runs = _runs_folder()
    sweep(runs)
    found = [run for run in list_runs(runs) if every or run.alive or run.elsewhere]
    looked = [_look(run) for run in found]
    if as_json:
        places = {entry.run: n for n, entry in enumerate(_entries(runs), start=1)}
        rows = [{**shot, "place": places.get(shot["id"])} for shot, _text in looked]
        _json({"runs": rows})
        return
    _lines(_runs_text.listing([text for _shot, text in looked]))
    if not found:
        print(printable(_("No runs in {path}.").format(path=runs)), file=sys.stderr)


def _look(run: Run) -> tuple[dict[str, Any], _runs_text.Line]:
    from engines.training.series import Series
    from engines.training.snapshot import snapshot

    series = Series(run.folder.path)
    series.catch_up()
    shot = snapshot(run, series)
    about = {k: run.values.get(k) for k in ("method", "model", "name", "created", "author")}
    brief = {k: v for k, v in shot.to_json().items() if k not in ("samples", "foretold")}
    return {**about, **brief}, _runs_text.line(run, shot)


@app.command("show")
def show(run: str = RUN, as_json: bool = JSON) -> None:
    """Show all that is known of a run: state, figures, checkpoints, versions, recipe."""
    from engines.training.runs import checkpoints
    from engines.training.snapshot import Watcher

    found = _find(run)
    shot = Watcher(found.folder).look()
    steps = checkpoints(found)
    if as_json:
        _json({**found.to_json(), "now": shot.to_json(), "checkpoints": steps})
        return
    _lines(_runs_text.details(found, shot, steps))


@app.command("watch")
def watch(
    run: str = typer.Argument("last", metavar="[RUN]", help=_("Id, its beginning, or last.")),
    once: bool = typer.Option(False, "--once", help=_("One look, then end.")),
    interval: float = typer.Option(
        1.0, "--interval", min=0.1, metavar="S", help=_("Seconds between two looks.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object a line.")),
) -> None:
    """Follow a run until it ends: a line for each news, or JSON for scripts."""
    from engines.training.runs import WORKING
    from engines.training.snapshot import Watcher

    watcher = Watcher(_find(run).folder)
    before: Any = None
    while True:
        shot = watcher.look()
        now = shot.to_json()
        key = {k: v for k, v in now.items() if k not in ("seconds_left", "silent_seconds")}
        if key != before:
            before = key
            if as_json:
                sys.stdout.write(json.dumps(now, ensure_ascii=False) + "\n")
            else:
                sys.stdout.write(printable(_runs_text.news(shot)) + "\n")
            sys.stdout.flush()
        if once or shot.state not in (*WORKING, "stopping", "waiting"):
            break
        time.sleep(interval)
    if shot.state == "failed" and not once:
        raise FailedError(shot.reason or _("The run failed."))


@app.command("stop")
def stop(
    run: str = RUN,
    now: bool = typer.Option(
        False, "--now", help=_("Kill it; what came after the last checkpoint is lost.")
    ),
    wait: float = typer.Option(
        0.0, "--wait", min=0.0, metavar="S", help=_("Wait up to S seconds for its end.")
    ),
    as_json: bool = JSON,
) -> None:
    """Have a run save a checkpoint and end; `resume` goes on from there."""
    from engines.training import runs

    found = _find(run)
    ended = runs.stop_now(found) if now else runs.stop(found, wait=wait)
    if as_json:
        _json(ended.to_json())
    elif ended.state in (*runs.WORKING, "stopping"):
        _say(_("{id} saves and ends after its present step.").format(id=ended.id))
    else:
        _say(
            _("{id}: {state} at step {step}.").format(
                id=ended.id, state=_runs_text.state(ended.state), step=ended.checkpoint or 0
            )
        )


@app.command("resume")
def resume(run: str = RUN, as_json: bool = JSON) -> None:
    """Let a run go on from its last whole checkpoint."""
    from engines.training import runs
    from engines.training.logout import warning

    found = _find(run)
    step = found.checkpoint
    pid = runs.resume(found)
    if said := warning():
        _say(said)
    if as_json:
        _json({"run": str(found.folder.path), "pid": pid, "checkpoint": step})
    else:
        _say(_("{id} goes on from step {step}.").format(id=found.id, step=step or 0))


@app.command("compare")
def compare(
    names: list[str] = typer.Argument(..., metavar="RUN...", help=_("Two runs or more.")),
    as_json: bool = JSON,
) -> None:
    """Compare runs: what differs in their recipes, and how well and fast they learnt."""
    from engines.training.comparing import compared

    found = [_find(name) for name in names]
    result = compared(found)
    if as_json:
        _json(result.to_json())
    else:
        _lines(_runs_text.comparison(result))


@app.command("rm")
def remove(
    names: list[str] = typer.Argument(..., metavar="RUN...", help=_("Runs to delete.")),
    as_json: bool = JSON,
) -> None:
    """Delete runs with their checkpoints; models they published stay."""
    from engines.training import runs
    from engines.training.queue import Queue

    found = [_find(name) for name in names]
    for run in found:
        if run.state in (*runs.WORKING, "stopping"):
            raise UserError(_("The run {id} is at work; stop it first.").format(id=run.id))
    freed: dict[str, int] = {}
    for run in found:
        Queue(run.folder.path.parent).drop_if_there(run.id)
        freed[run.id] = runs.remove(run)
    if as_json:
        _json({"removed": freed})
        return
    for name, size in freed.items():
        _say(_("Removed {id}: {size}").format(id=name, size=_runs_text.size(size)))


@app.command("sbatch")
def sbatch(
    run: str = RUN,
    output: Path | None = typer.Option(None, "-o", "--output", metavar="FILE"),
    hours: float = typer.Option(
        24.0, "--hours", min=0.1, metavar="H", help=_("Time asked of Slurm; it goes on after.")
    ),
) -> None:
    """Write a batch file that trains a run under Slurm."""
    from engines.training.command_line import sbatch as text
    from engines.training.recipe import load_recipe

    found = _find(run)
    written = text(load_recipe(found.folder.recipe), found.folder.path, hours=hours)
    if output is None:
        sys.stdout.write(written)
    else:
        output.write_text(written, encoding="utf-8")
        _say(_("Wrote {path}; `sbatch {path}` submits it.").format(path=output))


def _runs_folder() -> Path:
    return context.need_workspace().runs


def _find(name: str) -> Run:
    from engines.training.runs import find

    space = context.workspace()
    return find(space.runs if space else None, name)


def _entries(runs: Path) -> list[Any]:
    from engines.training.queue import Queue

    return list(Queue(runs).read())


def _json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _lines(lines: list[str]) -> None:
    for line in lines:
        sys.stdout.write(printable(line).rstrip() + "\n")


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
