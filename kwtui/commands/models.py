"""`kwtui models`: what lies in the model folders, what must not be loaded, and bringing one in."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import typer.core

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.columns import table
from kwtui.progress import Progress

if TYPE_CHECKING:
    from engines.hardware import Gpu
    from engines.models.registry import ModelInfo

_UNITS = (("G", 1e9), ("M", 1e6), ("k", 1e3))
# What comes to the weights when a model extracts: the CUDA context, and keys and values.
CONTEXT_BYTES, SLACK = 0.6 * 2**30, 1.15


class Names(typer.core.TyperGroup):
    """`kwtui models NAME` is `kwtui models show NAME`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names, or `show` for any other word."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Names, add_completion=False, no_args_is_help=False)

_JSON = typer.Option(False, "--json", help=_("One JSON object on stdout."))


@app.callback(invoke_without_command=True)
def every(ctx: typer.Context, as_json: bool = _JSON) -> None:
    """List the local models with size, type and template; loads none of them."""
    if ctx.invoked_subcommand is None:
        _list("", as_json)


@app.command("list", help=_("List the local models; the same as no command."))
def list_(as_json: bool = _JSON) -> None:
    """List the local models."""
    _list("", as_json)


@app.command(help=_("Only this model, and why it cannot be loaded."))
def show(
    name: str = typer.Argument(metavar="NAME", help=_("Name or folder.")), as_json: bool = _JSON
) -> None:
    """List one model."""
    _list(name, as_json)


@app.command(help=_("Check a model and bring it into a model folder."))
def add(
    source: Path = typer.Argument(
        metavar="FOLDER|ARCHIVE", help=_("A model folder, or a tar or zip archive of one.")
    ),
    name: str = typer.Option("", "--name", help=_("Its name here; else that of its folder.")),
    to: Path | None = typer.Option(
        None, "--to", metavar="DIR", help=_("The model folder; else the first of the settings.")
    ),
    link: bool = typer.Option(False, "--link", help=_("Leave the folder where it is.")),
    chat_template: Path | None = typer.Option(
        None, "--chat-template", metavar="FILE", help=_("A Jinja template for one without.")
    ),
    as_json: bool = _JSON,
) -> None:
    """Check, copy, check again, and only then let it appear."""
    from engines.models import adding

    folders = _folders()
    home = to or folders[0]
    with Progress() as progress:
        added = adding.add(
            source,
            home.absolute(),
            name=name,
            link=link,
            chat_template=chat_template,
            folders=folders,
            on_progress=lambda done, _total: progress.update(done),
        )
    notes = list(added.notes)
    if home.resolve() not in [folder.resolve() for folder in folders]:
        message = _("{folder} is no model folder of the settings; add it to [models] folders.")
        notes.append(message.format(folder=home))
    for note in notes:
        print(printable(note), file=sys.stderr)
    if as_json:
        document = {"model": _plain(added.info), "notes": notes}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    else:
        _print([added.info], [])


def _folders() -> list[Path]:
    found = context.workspace()
    return context.settings().model_folders(found.root if found else None)


def _list(name: str, as_json: bool) -> None:
    from engines.hardware import gpus, visible
    from engines.models.registry import describe, find_models, resolve

    folders = _folders()
    infos = [describe(resolve(name, folders))] if name else find_models(folders)
    cards = visible(gpus())
    if as_json:
        document = {
            "folders": [str(folder) for folder in folders],
            "models": [{**_plain(i), "four_bit_fits": fitting(i, cards)} for i in infos],
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    else:
        _print(infos, cards)
    if name and infos[0].refusal:
        raise UserError(infos[0].refusal)
    if not infos:
        places = ", ".join(str(folder) for folder in folders)
        print(printable(_("No models in {folders}.").format(folders=places)), file=sys.stderr)


def fitting(info: ModelInfo, cards: Sequence[Gpu]) -> list[int]:
    """The GPUs whose free memory holds `info` in four bits while it extracts."""
    need = info.four_bit * SLACK + CONTEXT_BYTES
    return [card.index for card in cards if info.four_bit and card.free >= need]


def _print(infos: list[ModelInfo], cards: Sequence[Gpu]) -> None:
    usable = [info for info in infos if not info.refusal]
    head = [_("name"), _("kind"), _("parameters"), _("size"), _("type"), _("context")]
    head += [_("template"), _("4-bit"), _("folder")]
    rows = [_row(info, cards) for info in usable]
    lines = table([head, *rows]) if rows else []
    lines += [f"{info.name}: {info.refusal}" for info in infos if info.refusal]
    for line in lines:
        sys.stdout.write(printable(line).rstrip() + "\n")


def _row(info: ModelInfo, cards: Sequence[Gpu]) -> list[str]:
    kind = info.architecture or info.kind
    size = f"{short(info.size)}B"
    template = info.template or _("that of {base}").format(base=info.base)
    length = str(info.context) if info.context else "-"
    row = [info.name, kind, short(info.parameters), size, info.dtype, length]
    return [*row, template, _four_bit(info, cards), str(info.path)]


def _four_bit(info: ModelInfo, cards: Sequence[Gpu]) -> str:
    """The size in four bits, and where it fits."""
    if not info.four_bit:
        return "-"
    size = f"{short(info.four_bit)}B"
    if not cards:
        return size
    places = fitting(info, cards)
    if not places:
        return _("{size}, fits no GPU").format(size=size)
    return _("{size}, fits GPU {names}").format(size=size, names=", ".join(map(str, places)))


def short(count: float) -> str:
    """`count` with three digits and a unit: 4.27M."""
    for unit, size in _UNITS:
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(int(count))


def _plain(info: ModelInfo) -> dict[str, object]:
    return {**asdict(info), "path": str(info.path)}
