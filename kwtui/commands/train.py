"""`kwtui train`: a model from a recipe, a preset or a few options."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from engines.layers import overlay
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.commands import _preflight
from kwtui.progress import Progress

if TYPE_CHECKING:
    from engines.training.folder import RunFolder
    from engines.training.recipe import Recipe


def command(
    recipe: str = typer.Argument(
        "", metavar="[RECIPE]", help=_("A recipe.toml, or the name of one in the settings.")
    ),
    method: str = typer.Option(
        "", "--method", metavar="NAME", help=_("lora, qlora, full or scratch.")
    ),
    model: str = typer.Option("", "--model", "-m", help=_("The model to teach: name or folder.")),
    data: Path | None = typer.Option(
        None, "--data", metavar="FILE", help=_("Labeled records instead of the workspace's texts.")
    ),
    changes: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help=_("Change a value of the recipe; may be repeated.")
    ),
    output: Path | None = typer.Option(
        None, "-o", "--output", metavar="OUT", help=_("The run's folder; else one in runs/.")
    ),
    foreground: bool = typer.Option(
        False, "--foreground", help=_("Run here and now, with a line of progress.")
    ),
    show_examples: int = typer.Option(
        0,
        "--show-examples",
        min=0,
        metavar="N",
        help=_("Show N examples as tokens; train nothing."),
    ),
    print_command: bool = typer.Option(
        False,
        "--print-command",
        help=_("Make the folder and print the command that runs it; start nothing."),
    ),
    print_recipe: bool = typer.Option(
        False, "--print-recipe", help=_("Print the complete recipe; start nothing.")
    ),
    preflight: bool = typer.Option(
        False, "--preflight", help=_("Say what memory, time and disk it takes; start nothing.")
    ),
    card: float = typer.Option(
        0.0,
        "--card",
        min=0.0,
        metavar="GIB",
        help=_("The preflight for empty GPUs of so many GiB, instead of those that are here."),
    ),
    force: bool = typer.Option(False, "--force", help=_("Start even what cannot fit.")),
    queue: bool = typer.Option(False, "--queue", help=_("Put it into the queue: see runs queue.")),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object on stdout.")),
) -> None:
    """Train a model. Started again on the same folder, a run that was cut off goes on."""
    from engines.training.launching import guard, whole_recipe
    from engines.training.start import prepare

    values, base, origin = _values(recipe, method, model, data, changes)
    whole = whole_recipe(values, context.settings(), context.workspace(), base, origin)
    if show_examples:
        _show(whole, show_examples, as_json)
        return
    if print_recipe:
        from engines.training.recipe import to_toml

        sys.stdout.write(to_toml(whole))
        return
    if preflight or card:
        _preflight.show(whole, output, as_json, card=card)
        return
    path = _run_path(whole, output)
    new = not path.exists()
    folder = prepare(whole, path, context.workspace())
    if print_command:
        _print_command(whole, path)
        return
    guard(whole, folder, new=new, force=force, queued=queue)
    if queue:
        _preflight.enqueue(folder, as_json)
        return
    _start(folder, foreground, as_json)


def _values(
    recipe: str, method: str, model: str, data: Path | None, changes: list[str]
) -> tuple[dict[str, Any], Path, str]:
    """The recipe's values, the folder that its files are relative to, and what to call it."""
    from engines.training.launching import default_values
    from engines.training.recipe import parse_changes, preset, read_values

    settings = context.settings()
    base, origin = Path.cwd(), _("the options")
    values: dict[str, Any] = {}
    if recipe and (Path(recipe).exists() or recipe.endswith(".toml") or "/" in recipe):
        values, base, origin = read_values(Path(recipe)), Path(recipe).absolute().parent, recipe
    elif recipe:
        values, origin = preset(settings, recipe), recipe
    options: dict[str, Any] = {}
    if method:
        options["method"] = method
    if model:
        folder = Path(model).expanduser()
        options["model"] = str(folder.absolute()) if folder.is_dir() else model
    if data is not None:
        options["data"] = {"sources": [{"file": str(data.absolute())}]}
        if context.workspace() is None or not recipe:
            options["data"]["dev"] = {"split": "", "file": ""}
    if not recipe:
        values = default_values(settings, method, model)
    values = overlay(values, options)
    return overlay(values, parse_changes(changes)), base, origin


def _run_path(recipe: Recipe, output: Path | None) -> Path:
    if output is not None:
        return output
    from engines.training.start import run_path

    space = context.workspace()
    if space is None:
        raise UserError(_("There is no workspace here; name a folder for the run with -o OUT."))
    return run_path(space, recipe)


def _start(folder: RunFolder, foreground: bool, as_json: bool) -> None:
    if not foreground:
        from engines.training.detached import start

        pid = start(folder)
        print(printable(_("Started {path}.").format(path=folder.path)), file=sys.stderr)
        if as_json:
            sys.stdout.write(json.dumps({"run": str(folder.path), "pid": pid}) + "\n")
        return
    from engines.training.worker import work

    line = _Line()
    try:
        end = work(folder, on_step=line)
    finally:
        line.clear()
    if as_json:
        sys.stdout.write(json.dumps(end, ensure_ascii=False, indent=1) + "\n")
    _say_end(folder, end)


class _Line:
    """The line of progress, made when the number of steps is known."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def __call__(self, step: int, steps: int) -> None:
        if self._progress is None:
            self._progress = Progress(steps, first=step - 1)
        self._progress.update(step)

    def clear(self) -> None:
        if self._progress is not None:
            self._progress.clear()


def _say_end(folder: RunFolder, end: dict[str, Any]) -> None:
    state = end.get("state")
    if state == "failed":
        raise FailedError(end.get("reason") or _("The run failed."))
    if state == "stopped":
        sentence = _("Stopped after step {step}; the same command goes on: {path}")
        said = sentence.format(step=end.get("step", 0), path=folder.path)
    else:
        said = _("Done: {path}").format(path=end.get("output", folder.path))
    print(printable(said), file=sys.stderr)


def _show(recipe: Recipe, count: int, as_json: bool) -> None:
    from engines.training.tune_recipe import TuneRecipe

    if not isinstance(recipe, TuneRecipe):
        raise UserError(_("--show-examples is for lora, qlora and full."))
    from kwtui.commands._examples import show

    show(recipe, count, as_json)


def _print_command(recipe: Recipe, path: Path) -> None:
    from engines.training.command_line import equivalent

    sys.stdout.write(equivalent(recipe, path) + "\n")
