"""How a field of the form is changed, and where recipes come from and go to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.training.form import FormField, written
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.widgets.dialogs import AskScreen, ChooseScreen

if TYPE_CHECKING:
    from engines.models.registry import ModelInfo
    from engines.settings import Settings
    from kwtui.panes.train import TrainPane

GIB = 2**30


async def edit(pane: TrainPane, one: FormField) -> None:
    """Change a field: yes and no at once, others in a window."""
    if one.key == "model":
        await choose_model(pane)
    elif one.key == "prompt.strategy":
        settings = await pane.bench.settings()
        names = [n for n, s in settings.strategies.items() if s.kind == "model"]
        _choose(pane, one, names)
    elif one.kind == "bool":
        _put(pane, one, not one.value(pane.form.values))
    elif one.choices:
        _choose(pane, one, list(one.choices))
    else:
        _ask(pane, one)


def _choose(pane: TrainPane, one: FormField, names: list[str]) -> None:
    now = str(one.value(pane.form.values))

    def chosen(index: int | None) -> None:
        if index is not None:
            _put(pane, one, names[index])

    rows = [(name, _("default") if name == str(one.default) else "") for name in names]
    at = names.index(now) if now in names else 0
    pane.app.push_screen(ChooseScreen(one.key, rows, at), chosen)


def _ask(pane: TrainPane, one: FormField) -> None:
    def check(typed: str) -> str:
        try:
            _trial(pane, one, one.parsed(typed))
        except UserError as error:
            return error.sentence
        return ""

    def accepted(typed: str | None) -> None:
        if typed is not None:
            _put(pane, one, one.parsed(typed))

    now = written(one.value(pane.form.values))
    pane.app.push_screen(AskScreen(one.key, now, check=check), accepted)


def _trial(pane: TrainPane, one: FormField, value: Any) -> None:
    from engines.training.form import with_value

    with_value(pane.form.values, one, value)


def _put(pane: TrainPane, one: FormField, value: Any) -> None:
    try:
        pane.form.put(one, value)
    except UserError as error:
        pane.bench.warn(error.sentence)
        return
    pane.changed()


async def choose_model(pane: TrainPane) -> None:
    """Choose a model of this machine: the settings' folders, the Hugging Face cache."""
    from kwtui.hosts import RequestCancelled

    host = await pane.job.host()
    try:
        found: tuple[ModelInfo, ...] = await host.request("models")
    except (UserError, RequestCancelled) as error:
        if isinstance(error, UserError):
            pane.bench.warn(error.sentence, "error")
        return
    settings = await pane.bench.settings()
    folders = [str(f) for f in settings.model_folders(pane.bench.workspace.root)]

    def chosen(index: int | None) -> None:
        if index is None:
            return
        info = found[index]
        if info.refusal:
            pane.bench.warn(info.refusal)
            return
        named = str(info.path.parent) in folders
        _take_model(pane, settings, info.name if named else str(info.path))

    at = next((n for n, info in enumerate(found) if info.name == pane.form.model), 0)
    pane.app.push_screen(ChooseScreen(_("Model"), [_described(i) for i in found], at), chosen)


def _described(info: ModelInfo) -> tuple[str, str]:
    if info.refusal:
        return info.name, _("cannot be loaded")
    size = f"{info.parameters / 1e6:,.1f}M, {info.size / GIB:.2f} GiB, {info.dtype}"
    return info.name, f"{info.architecture}, {size}"


def _take_model(pane: TrainPane, settings: Settings, model: str) -> None:
    """Another model; what the settings say of it when nothing was changed yet."""
    from engines.layers import overlay

    form = pane.form
    kept = {"model": model, "method": form.method if form.method != "scratch" else "lora"}
    preset = dict(settings.recipes.get(Path(model).name, {}))
    if preset and form.values == form.start:
        form.take(overlay(preset, kept), Path(model).name)
    else:
        form.values = overlay(form.values, kept)
    pane.changed()


async def choose_preset(pane: TrainPane) -> None:
    """Begin with one of `[recipes]`."""
    settings = await pane.bench.settings()
    names = list(settings.recipes)
    rows = [(name, _about_recipe(settings.recipes[name])) for name in names]

    def chosen(index: int | None) -> None:
        if index is not None:
            pane.form.take(settings.recipes[names[index]], names[index])
            pane.changed()

    at = names.index(pane.form.origin) if pane.form.origin in names else 0
    pane.app.push_screen(ChooseScreen(_("Recipe"), rows, at), chosen)


def _about_recipe(values: dict[str, Any]) -> str:
    how = values.get("optimisation", {})
    parts = [str(values.get("model", "")), str(values.get("method", "lora"))]
    for key in ("epochs", "batch_size", "learning_rate"):
        if isinstance(how, dict) and key in how:
            parts.append(f"{key} {how[key]:g}")
    return ", ".join(part for part in parts if part)


def open_recipe(pane: TrainPane) -> None:
    """Ask for a recipe file and begin with it."""
    from engines.training.recipe import checked, read_values

    def read(typed: str) -> tuple[dict[str, Any], Path]:
        path = Path(typed.strip()).expanduser()
        path = path if path.is_absolute() else pane.bench.workspace.root / path
        values = read_values(path)
        checked(values, str(path))
        return values, path

    def check(typed: str) -> str:
        try:
            read(typed)
        except UserError as error:
            return error.sentence
        return ""

    def accepted(typed: str | None) -> None:
        if typed:
            values, path = read(typed)
            pane.form.take(values, str(path), path.parent)
            pane.changed()

    title = _("Recipe file, relative to the workspace")
    pane.app.push_screen(AskScreen(title, "recipe.toml", check=check), accepted)


def write_recipe(pane: TrainPane) -> None:
    """Ask for a file and write the complete recipe there; nothing is written over."""
    found = pane.job.found
    if found is None:
        pane.bench.say(_("The recipe is not complete yet."))
        return

    def place(typed: str) -> Path:
        path = Path(typed.strip()).expanduser()
        return path if path.is_absolute() else pane.bench.workspace.root / path

    def check(typed: str) -> str:
        path = place(typed)
        return _("{path} is there already.").format(path=path) if path.exists() else ""

    def accepted(typed: str | None) -> None:
        if typed:
            path = place(typed)
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(found.toml)
            except OSError as error:
                message = _("{path}: {reason}.").format(path=path, reason=error.strerror)
                pane.bench.warn(message, "error")
                return
            pane.bench.say(_("Wrote {path}.").format(path=path))

    title = _("Write the complete recipe to")
    pane.app.push_screen(AskScreen(title, "recipe.toml", check=check), accepted)
