"""Recipes: a training run as TOML that reproduces it.

They come from files, from presets in config.toml and from `--set key=value`. `method` says which
kind one is: `scratch` makes a new model; `lora`, `qlora` and `full` teach a model that is there.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from engines.layers import nested, overlay, toml_value
from engines.training.scratch_recipe import ScratchRecipe
from engines.training.tune_recipe import TuneRecipe
from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.settings import Settings

METHODS = ("lora", "qlora", "full", "scratch")

Recipe = ScratchRecipe | TuneRecipe
_UNION: TypeAdapter[Any] = TypeAdapter(
    Annotated[ScratchRecipe | TuneRecipe, Field(discriminator="method")]
)


def load_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read and check a recipe. Raises UserError with file, key and reason."""
    values = read_values(path)
    for key, value in (overrides or {}).items():
        values = overlay(values, nested(tuple(key.split(".")), value))
    return checked(values, str(path))


def read_values(path: Path) -> dict[str, Any]:
    """The TOML of a recipe; UserError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(_("{path}: there is no such recipe.").format(path=path)) from None
    except IsADirectoryError:
        raise UserError(
            _("{path} is a folder; name the recipe.toml in it.").format(path=path)
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            _("{path}: the recipe cannot be read: {reason}").format(path=path, reason=error)
        ) from error


def checked(values: Mapping[str, Any], origin: str) -> Recipe:
    """The recipe in `values`; UserError that names `origin` and the key that is wrong."""
    if values.get("method", "lora") not in METHODS:
        message = _("{path}: method is {method}; it is one of {known}.")
        raise UserError(
            message.format(path=origin, method=values["method"], known=", ".join(METHODS))
        )
    try:
        recipe: Recipe = _UNION.validate_python({"method": "lora", **values})
        return recipe
    except ValidationError as error:
        first = error.errors()[0]
        # A tagged union puts the tag before the key.
        places = [str(part) for part in first["loc"][1:]]
        key = ".".join(places)
        if first["type"] == "extra_forbidden" and (near := _nearest(values, places)):
            message = _("{path}: there is no key {key}. Did you mean {near}?")
            raise UserError(message.format(path=origin, key=key, near=near)) from None
        raise UserError(
            _("{path}: {key}: {reason}. Mend this key of the recipe.").format(
                path=origin, key=key, reason=first["msg"]
            )
        ) from None


def _nearest(values: Mapping[str, Any], places: list[str]) -> str:
    """The known key that is spelled most like the last of `places`, or ""."""
    scratch = values.get("method") == "scratch"
    model: type[BaseModel] = ScratchRecipe if scratch else TuneRecipe
    for place in places[:-1]:
        field = model.model_fields.get(place)
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        model = inner
    near = difflib.get_close_matches(places[-1], list(model.model_fields), n=1, cutoff=0.5)
    return ".".join([*places[:-1], *near]) if near else ""


def parse_changes(changes: Iterable[str]) -> dict[str, Any]:
    """`--set` options, each "key=value" with a TOML value or a bare word, as nested tables."""
    values: dict[str, Any] = {}
    for change in changes:
        key, equals, raw = change.partition("=")
        parts = tuple(part.strip() for part in key.split("."))
        if not equals or not all(parts):
            message = _("--set {change}: write it as key=value, such as optimisation.epochs=2.")
            raise UserError(message.format(change=change))
        values = overlay(values, nested(parts, toml_value(raw.strip())))
    return values


def preset(settings: Settings, name: str) -> dict[str, Any]:
    """The values of `[recipes.NAME]` in the settings; UserError with the nearest name."""
    known = settings.recipes
    if name in known:
        return dict(known[name])
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        message = _("There is no recipe {name}. Did you mean {near}?")
        raise UserError(message.format(name=name, near=near[0]))
    message = _("There is no recipe {name}: give a file, or one of {known}.")
    raise UserError(message.format(name=name, known=", ".join(sorted(known)) or "-"))


def preset_for(settings: Settings, model: str) -> dict[str, Any]:
    """What the settings say about training the model of that name; {} when nothing."""
    return dict(settings.recipes.get(model, {}))


def to_toml(recipe: Recipe) -> str:
    """The complete recipe as TOML that `load_recipe` reads back."""
    import tomli_w

    return tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True))
