"""`kwtui models`: what lies in the model folders, and what of it must not be loaded."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.commands.demo import table

if TYPE_CHECKING:
    from engines.models.registry import ModelInfo

_UNITS = (("G", 1e9), ("M", 1e6), ("k", 1e3))


def command(
    name: str = typer.Argument("", metavar="[NAME]", help=_("Only this model: name or folder.")),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object on stdout.")),
) -> None:
    """List the local models with size, type and template; loads none of them."""
    from engines.models.registry import describe, find_models, resolve

    found = context.workspace()
    folders = context.settings().model_folders(found.root if found else None)
    infos = [describe(resolve(name, folders))] if name else find_models(folders)
    if as_json:
        document = {"folders": [str(f) for f in folders], "models": [_plain(i) for i in infos]}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    else:
        _print(infos)
    if name and infos[0].refusal:
        raise UserError(infos[0].refusal)
    if not infos:
        places = ", ".join(str(folder) for folder in folders)
        print(printable(_("No models in {folders}.").format(folders=places)), file=sys.stderr)


def _print(infos: list[ModelInfo]) -> None:
    usable = [info for info in infos if not info.refusal]
    head = [_("name"), _("kind"), _("parameters"), _("size"), _("type"), _("template"), _("folder")]
    rows = [_row(info) for info in usable]
    lines = table([head, *rows]) if rows else []
    lines += [f"{info.name}: {info.refusal}" for info in infos if info.refusal]
    for line in lines:
        sys.stdout.write(printable(line).rstrip() + "\n")


def _row(info: ModelInfo) -> list[str]:
    kind = info.architecture or info.kind
    size = f"{short(info.size)}B"
    template = info.template or _("that of {base}").format(base=info.base)
    return [info.name, kind, short(info.parameters), size, info.dtype, template, str(info.path)]


def short(count: float) -> str:
    """`count` with three digits and a unit: 4.27M."""
    for unit, size in _UNITS:
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(int(count))


def _plain(info: ModelInfo) -> dict[str, object]:
    return {**asdict(info), "path": str(info.path)}
