"""What the screen needs of config.toml before its first paint, read without pydantic.

The whole of the settings is loaded and checked right after; here a fault means the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.layers import environment_layers, nested, overlay, read_layer, toml_value
from engines.workspace import CONFIG, user_folder
from glossary.errors import UserError

THEMES = ("dark", "light", "contrast")


@dataclass(frozen=True, slots=True)
class ScreenChoices:
    """The tables `screen` and `keys` of config.toml."""

    theme: str = "dark"
    borders: str = "line"
    colors: str = "auto"
    animation: bool = False
    keys: Mapping[str, Any] = field(default_factory=dict)


def read_choices(workspace: Path | None, environ: Mapping[str, str] = os.environ) -> ScreenChoices:
    """The choices of the user, the workspace and the environment, later ones over earlier ones."""
    merged: dict[str, Any] = {}
    for folder in (user_folder(environ), workspace):
        if folder is not None:
            try:
                merged = overlay(merged, read_layer(folder / CONFIG).values)
            except UserError:
                continue
    for _variable, key, raw in environment_layers(environ):
        if key[0] in ("screen", "keys"):
            merged = overlay(merged, nested(key, toml_value(raw)))
    screen, keys = merged.get("screen"), merged.get("keys")
    screen = screen if isinstance(screen, dict) else {}
    return ScreenChoices(
        theme=_one_of(screen.get("theme"), THEMES),
        borders=_one_of(screen.get("borders"), ("line", "ascii")),
        colors=_one_of(str(screen.get("colors", "")), ("auto", "16")),
        animation=screen.get("animation") is True,
        keys=keys if isinstance(keys, dict) else {},
    )


def _one_of(value: object, allowed: tuple[str, ...]) -> str:
    return str(value) if value in allowed else allowed[0]
