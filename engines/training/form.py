"""A recipe as a form: its fields in order, each with its kind, its help and how it is typed."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from engines.layers import nested, overlay
from engines.training.recipe import checked
from engines.training.scratch_recipe import ScratchRecipe
from engines.training.tune_recipe import TuneRecipe
from glossary.errors import UserError
from glossary.i18n import _

Kind = Literal["bool", "choice", "int", "float", "text", "list", "sources"]
# Written in when a run is made, or chosen elsewhere on the screen.
FILLED = frozenset({"data.workspace", "prompt.settings", "prompt.plain"})


@dataclass(frozen=True, slots=True)
class FormField:
    """One value of a recipe. `key` is as in `--set`; `help` is English, a msgid of gettext."""

    key: str
    kind: Kind
    help: str
    default: Any
    choices: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        """The table that it stands in, "" for the top."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The key without its table."""
        return self.key.rpartition(".")[2]

    def value(self, values: Mapping[str, Any]) -> Any:
        """Its value in a recipe's `values`, the default when they do not say it."""
        found: Any = values
        for part in self.key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return self.default
            found = found[part]
        return found

    def changed(self, values: Mapping[str, Any]) -> bool:
        """Whether `values` say something else than the default."""
        return bool(self.value(values) != self.default)

    def shown(self, values: Mapping[str, Any]) -> str:
        """The value as a person reads and types it."""
        return written(self.value(values))

    def parsed(self, typed: str) -> Any:
        """The value that was typed; UserError when it is none of this kind."""
        text = typed.strip()
        try:
            if self.kind == "sources":
                return [_source(part.strip()) for part in text.split(",") if part.strip()]
            if self.kind == "int":
                return int(text.replace(",", ""))
            if self.kind == "float":
                return float(text)
            if self.kind == "list":
                return _list(text, self.default)
        except ValueError:
            message = _("{key}: {value} is no number.")
            raise UserError(message.format(key=self.key, value=text)) from None
        return text


def fields(method: str) -> list[FormField]:
    """The fields of a recipe of that method, in the order of the recipe."""
    model: type[BaseModel] = ScratchRecipe if method == "scratch" else TuneRecipe
    return list(_fields(model, "", None))


def with_value(values: dict[str, Any], field: FormField, value: Any) -> dict[str, Any]:
    """`values` with one more; UserError that names the key where the recipe refuses it."""
    changed = overlay(values, nested(tuple(field.key.split(".")), value))
    checked(changed, _("The recipe"))
    return changed


def without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """`values` without what they say of `key`."""
    head, _dot, rest = key.partition(".")
    if not rest:
        return {name: value for name, value in values.items() if name != head}
    inner = values.get(head)
    if not isinstance(inner, Mapping):
        return dict(values)
    return {**values, head: without(inner, rest)}


def written(value: Any) -> str:
    """A value as it is shown in the form."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return (
            _sources(value) if value and isinstance(value[0], dict) else ", ".join(map(str, value))
        )
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _sources(value: list[dict[str, Any]]) -> str:
    names = [str(one.get("file") or one.get("split") or "?") for one in value]
    return ", ".join(name.rpartition("/")[2] for name in names)


def _source(name: str) -> dict[str, Any]:
    """A file when it looks like one, else a split."""
    return {"file": name} if "/" in name or "." in name else {"split": name}


def _list(text: str, default: Any) -> Any:
    if text.startswith("["):
        return json.loads(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == ["all-linear"]:
        return "all-linear"
    return [int(part) for part in parts] if default == [] else parts


def _fields(model: type[BaseModel], prefix: str, defaults: Any) -> Iterator[FormField]:
    # A table's own fields before the tables in it, as TOML wants them.
    for name, info in sorted(model.model_fields.items(), key=lambda item: _is_table(item[1])):
        key = f"{prefix}{name}"
        if key in FILLED:
            continue
        kind: Any = info.annotation
        default = _default(info, defaults, name)
        if _is_table(info):
            yield from _fields(kind, f"{key}.", default)
        elif (one := _field(key, kind, info.description or "", default)) is not None:
            yield one


def _is_table(info: Any) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)


def _default(info: Any, defaults: Any, name: str) -> Any:
    if isinstance(defaults, BaseModel):
        return getattr(defaults, name)
    found = None if info.is_required() else info.get_default(call_default_factory=True)
    return "" if found is None and info.annotation is str else found


def _field(key: str, kind: Any, help_: str, default: Any) -> FormField | None:
    help_ = " ".join(help_.split())
    if get_origin(kind) is Literal:
        return FormField(key, "choice", help_, default, tuple(map(str, get_args(kind))))
    if kind is bool:
        return FormField(key, "bool", help_, default)
    if kind is int:
        return FormField(key, "int", help_, default)
    if kind is float:
        return FormField(key, "float", help_, default)
    if kind is str:
        return FormField(key, "text", help_, default)
    inner = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if any(get_origin(one) is list for one in inner) and key != "data.sources":
        return FormField(key, "list", help_, default)
    if key == "data.sources":
        plain = [s.model_dump() if isinstance(s, BaseModel) else s for s in default or []]
        return FormField(key, "sources", help_, plain)
    return None


def descriptions() -> list[str]:
    """Every help of every form, for the catalogues of translations."""
    every = [*fields("lora"), *fields("scratch")]
    return list(dict.fromkeys(one.help for one in every if one.help))
