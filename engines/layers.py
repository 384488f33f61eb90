"""Settings as they are written down: the files and the environment, laid over each other.

Nothing here knows which settings exist; `engines.settings` does.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glossary.errors import UserError
from glossary.i18n import _

ENVIRONMENT = "KWTUI_"
# Variables with the prefix that are no settings.
RESERVED = frozenset({"KWTUI_WORKSPACE"})

Key = tuple[str, ...]


@dataclass(slots=True)
class Layer:
    """The settings of one source: `origin` names it for a person, as a path or a variable."""

    origin: str
    values: dict[str, Any] = field(default_factory=dict)


def read_layer(path: Path) -> Layer:
    """The settings written in `path`, none when there is no such file; UserError if unreadable."""
    layer = Layer(str(path))
    try:
        layer.values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except UnicodeDecodeError:
        raise UserError(_("{path} is not UTF-8 text.").format(path=path)) from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            _("{path} is not valid TOML: {error}.").format(path=path, error=error)
        ) from None
    except OSError as error:
        raise UserError(
            _("Cannot read {path}: {error}.").format(path=path, error=error.strerror)
        ) from None
    return layer


def environment_layers(environ: Mapping[str, str] = os.environ) -> Iterator[tuple[str, Key, str]]:
    """(variable, key, raw value) of each `KWTUI_SECTION__KEY`, in the variables' order."""
    for variable in sorted(environ):
        if variable.startswith(ENVIRONMENT) and variable not in RESERVED:
            parts = variable.removeprefix(ENVIRONMENT).lower().split("__")
            yield variable, tuple(parts), environ[variable]


def toml_value(raw: str) -> Any:
    """`raw` read as a TOML value (a number, true, a list ...), or as it stands."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def overlay(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with every value of `above` over it; tables are merged, lists replaced."""
    merged = dict(below)
    for name, value in above.items():
        current = merged.get(name)
        if isinstance(current, dict) and isinstance(value, dict):
            merged[name] = overlay(current, value)
        else:
            merged[name] = value
    return merged


def leaves(values: Mapping[str, Any], prefix: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every value that is not a table, with its key; an empty table counts as a value."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def nested(key: Key, value: Any) -> dict[str, Any]:
    """The tables that hold only `key`."""
    for name in reversed(key):
        value = {name: value}
    return dict(value)
