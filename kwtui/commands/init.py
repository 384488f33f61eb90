"""`kwtui init DIR`: make a workspace."""

import shutil
import sys
from pathlib import Path

import typer

from engines.workspace import Workspace
from glossary.i18n import _
from glossary.text import printable


def command(
    folder: Path = typer.Argument(metavar="DIR", help=_("A new or empty folder.")),
    demo: bool = typer.Option(
        False, "--demo", help=_("Fill it with the embedded demo: Korean medicine.")
    ),
) -> None:
    """Make the folders and the config.toml of a workspace; all of it or nothing."""
    existed = folder.exists()
    space = Workspace.create(folder, demo=demo)
    try:
        filled = _fill(space) if demo else ""
    except BaseException:
        _remove(space, existed)
        raise
    sentence = _("Made the workspace {path}.").format(path=space.root)
    print(printable(f"{sentence} {filled}".rstrip()), file=sys.stderr)


def _fill(space: Workspace) -> str:
    from engines.demo import fill

    filled = fill(space)
    return _("It holds {terms} terms and {texts} texts.").format(
        terms=filled.terms, texts=filled.texts
    )


def _remove(space: Workspace, existed: bool) -> None:
    for entry in space.root.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if not existed:
        space.root.rmdir()
