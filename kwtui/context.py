"""What every command works in: the workspace that was named or found, and its settings."""

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable

if TYPE_CHECKING:
    from engines.settings import Settings

_named: Path | None = None


def name_workspace(folder: Path | None) -> None:
    """Remember the folder that `-w` named and drop what was found for another."""
    global _named
    _named = folder
    workspace.cache_clear()
    settings.cache_clear()


def name_annotator(name: str) -> None:
    """Label under this name, in this process and in its services."""
    import json

    os.environ["KWTUI_CURATION__ANNOTATOR"] = json.dumps(name, ensure_ascii=False)
    settings.cache_clear()


@cache
def workspace() -> Workspace | None:
    """The workspace of `-w` or KWTUI_WORKSPACE, else the one around the working directory."""
    named = _named or os.environ.get("KWTUI_WORKSPACE")
    return Workspace.open(Path(named)) if named else Workspace.find(Path.cwd())


def need_workspace() -> Workspace:
    """The same; UserError when there is none."""
    found = workspace()
    if found is None:
        raise UserError(
            _("There is no workspace here; name one with -w DIR or make one with `kwtui init DIR`.")
        )
    return found


@cache
def settings() -> "Settings":
    """The effective settings; what waits for trust is said once on stderr."""
    from engines.settings import load

    found = workspace()
    loaded = load(found.root if found else None)
    if found and loaded.ignored:
        count = len(loaded.ignored)
        sentence = ngettext_(
            "{count} setting of {path} is ignored until `kwtui trust {path}` confirms it: {names}.",
            "{count} settings of {path} are ignored until `kwtui trust {path}` confirms them: "
            "{names}.",
            count,
        )
        names = ", ".join(entry.split(" = ")[0] for entry in loaded.ignored)
        print(
            printable(sentence.format(count=count, path=found.root, names=names)), file=sys.stderr
        )
    return loaded
