"""Trust: what a workspace that someone handed over may start or call, shown and confirmed once.

Addresses of servers (also those that strategies name), commands and folders of programs count in a
workspace's config.toml only after `kwtui trust`. What was confirmed is kept outside the workspace
as a hash of those values, so that any change to them asks anew.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.layers import leaves
from engines.workspace import user_folder
from glossary.errors import FailedError, UserError
from glossary.i18n import _

SECTIONS = ("servers", "commands", "programs", "export")
# What a strategy's server is called until its workspace is trusted.
WAITING = "(kwtui trust)"


def sensitive(values: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a workspace's settings that needs trust."""
    named = {name: values[name] for name in SECTIONS if name in values}
    if asked := {name: {"server": place} for name, place in _strategy_servers(values)}:
        named["strategies"] = asked
    return named if any(value for _key, value in leaves(named)) else {}


def without(values: dict[str, Any]) -> dict[str, Any]:
    """`values` without what needs trust; strategies that ask a server can't be run then."""
    kept = {name: value for name, value in values.items() if name not in SECTIONS}
    for name, _place in _strategy_servers(values):
        strategy = {**values["strategies"][name], "server": WAITING}
        kept["strategies"] = {**kept["strategies"], name: strategy}
    return kept


def describe(values: Mapping[str, Any]) -> list[str]:
    """One `section.key = value` for each setting that needs trust."""
    found = leaves(sensitive(values))
    return [f"{'.'.join(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in found]


def is_trusted(root: Path, values: Mapping[str, Any], store: Path | None = None) -> bool:
    """Whether exactly these values were confirmed for the workspace in `root`."""
    asked = sensitive(values)
    return not asked or _read(store or _store()).get(str(root.resolve())) == _digest(asked)


def confirm(root: Path, values: Mapping[str, Any], store: Path | None = None) -> None:
    """Remember that a person has seen and confirmed these values; FailedError if unwritable."""
    path = store or _store()
    known = _read(path) | {str(root.resolve()): _digest(sensitive(values))}
    temporary = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise FailedError(
            _("Cannot write {path}: {error}.").format(path=path, error=error.strerror)
        ) from None


def _strategy_servers(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    strategies = values.get("strategies")
    if not isinstance(strategies, dict):
        return []
    return [
        (name, strategy["server"])
        for name, strategy in strategies.items()
        if isinstance(strategy, dict) and strategy.get("server")
    ]


def _store() -> Path:
    return user_folder() / "trust.json"


def _digest(values: Mapping[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _read(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise UserError(
            _("{path} cannot be read; delete it and run kwtui trust again.").format(path=path)
        ) from None
    return known if isinstance(known, dict) else {}
