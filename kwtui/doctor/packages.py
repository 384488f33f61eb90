"""Python and the packages: what is installed against what kwtui was tested with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from engines.workspace import assets
from glossary.i18n import _
from kwtui.doctor import Finding

OLDEST = (3, 11)
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)""")
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
SHOWN = 6


def examine() -> Iterator[Finding]:
    """The interpreter, then the packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info[:2] >= OLDEST
    cure = "" if fits else _("Install kwtui with Python {v}.").format(v=".".join(map(str, OLDEST)))
    yield Finding("python", "python", "ok" if fits else "error", version, cure)
    pins = constraints()
    installed = _installed()
    missing = [name for name in _required() if name not in installed]
    if missing:
        cure = _("Install kwtui again, with its dependencies: pip install kwtui.")
        yield Finding("python", "packages", "error", _list(_("missing"), missing), cure)
    wrong = [
        f"{name} {installed[name]} ({pin})"
        for name, pin in pins.items()
        if name in installed and not _same(installed[name], pin)
    ]
    if wrong:
        found = _list(_("other versions than tested (in brackets)"), wrong)
        cure = _("If something fails, install those: pip install -c {path} kwtui.")
        cure = cure.format(path=_constraints_file())
        yield Finding("python", "constraints", "warning", found, cure)
    elif not missing:
        count = sum(name in installed for name in pins)
        found = _("{count} packages as tested").format(count=count)
        yield Finding("python", "packages", "ok", found)
    yield from _extras(installed)


def _extras(installed: Mapping[str, str]) -> Iterator[Finding]:
    """What not everyone needs, as far as it is not installed."""
    uses = {
        "llamacpp": _("exports are not proven here, and q4_k_m wants llama-quantize"),
        "serve": _("`kwtui serve` cannot be started"),
    }
    for extra, lost in uses.items():
        missing = [name for name in _required(extra) if name not in installed]
        if missing:
            cure = _("If you want that: pip install 'kwtui[{extra}]'.").format(extra=extra)
            yield Finding("python", f"extra {extra}", "note", lost, cure)


def constraints() -> dict[str, str]:
    """The versions that kwtui was tested with, by normalised name."""
    try:
        lines = _constraints_file().read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.strip().split("==") for line in lines if "==" in line)
    return {normal(name): version for name, version in pairs}


def _constraints_file() -> Path:
    """In the assets of an installed kwtui, in the root of a checkout."""
    path = assets() / "constraints.txt"
    return path if path.is_file() else assets().parent / "constraints.txt"


def normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(normal(name), distribution.version)
    return found


def _required(extra: str = "") -> list[str]:
    """What kwtui always needs, or what an extra adds, by normalised name."""
    try:
        wanted = metadata.requires("kwtui") or []
    except metadata.PackageNotFoundError:
        return []
    pairs = [entry.partition(";")[::2] for entry in wanted]
    extras = [extra] if extra else []
    chosen = [name for name, marker in pairs if _EXTRA.findall(marker) == extras]
    return [normal(match[0]) for entry in chosen if (match := _NAME.match(entry))]


def _same(installed: str, pin: str) -> bool:
    """Whether a version is the pinned one; 2.13.0+cu128 is a build of 2.13.0."""
    return installed == pin or installed.partition("+")[0] == pin


def _list(words: str, names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN]) + (f", … ({len(names)})" if len(names) > SHOWN else "")
    return f"{words}: {shown}"
