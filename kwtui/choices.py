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

_WITHOUT_LINES = frozenset({"ansi", "cons25", "vt52", "vt100", "vt102", "vt220", "vt320"})
THEMES = ("dark", "light", "contrast")


@dataclass(frozen=True, slots=True)
class ScreenChoices:
    """The tables `screen` and `keys` of config.toml."""

    theme: str = "dark"
    borders: str = "line"
    """What the terminal can show: "line" or "ascii"."""
    colors: str = "auto"
    """"16" where the terminal has no more, else "auto"."""
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
        borders=_borders(screen.get("borders"), environ),
        colors=_colors(screen.get("colors"), environ),
        animation=screen.get("animation") is True,
        keys=keys if isinstance(keys, dict) else {},
    )


def _borders(chosen: object, environ: Mapping[str, str]) -> str:
    wish = _one_of(chosen, ("auto", "line", "ascii"))
    if wish == "auto":
        return "line" if draws_lines(environ) else "ascii"
    return wish


def _colors(chosen: object, environ: Mapping[str, str]) -> str:
    wish = _one_of(str(chosen), ("auto", "16"))
    return "16" if wish == "auto" and sixteen_colours(environ) else wish


def draws_lines(environ: Mapping[str, str]) -> bool:
    """Whether TERM and the locale can show box drawing: a terminal of UTF-8, as far as they say."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "UTF-8"
    utf8 = "utf8" in locale.casefold().replace("-", "")
    return utf8 and environ.get("TERM", "") not in _WITHOUT_LINES


def sixteen_colours(environ: Mapping[str, str]) -> bool:
    """Whether TERM names a terminal of sixteen colours, by the rule that Rich sends colours by."""
    kind = environ.get("TERM", "")
    if environ.get("COLORTERM", "").casefold() in ("truecolor", "24bit") or kind in ("", "dumb"):
        return False
    return kind.rpartition("-")[2] not in ("256color", "kitty")


def _one_of(value: object, allowed: tuple[str, ...]) -> str:
    return str(value) if value in allowed else allowed[0]
