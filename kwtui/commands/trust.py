"""`kwtui trust DIR`: confirm what a workspace that someone handed over may start or call."""

import sys
from pathlib import Path

import typer

from engines import trust
from engines.layers import read_layer
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable


def command(
    folder: Path = typer.Argument(metavar="DIR", help=_("The workspace.")),
    yes: bool = typer.Option(False, "--yes", help=_("Confirm without asking, for scripts.")),
) -> None:
    """Show the settings that need trust, ask, and remember the answer outside the workspace."""
    space = Workspace.open(folder)
    values = read_layer(space.config).values
    entries = trust.describe(values)
    if not entries:
        _say(_("{path} names no server, command or program folder.").format(path=space.root))
        return
    for entry in entries:
        sys.stdout.write(printable(entry) + "\n")
    if trust.is_trusted(space.root, values):
        _say(_("Confirmed earlier; nothing changed."))
        return
    if not yes and not _confirmed():
        raise UserError(_("Not confirmed; these settings stay ignored."))
    trust.confirm(space.root, values)
    _say(_("Confirmed for {path} until one of them changes.").format(path=space.root))


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise UserError(_("Nobody is there to confirm; use --yes in a script."))
    sys.stderr.write(_("May this workspace use them? [y/N] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes", "예", "ㅇ"}


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
