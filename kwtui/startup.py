"""What every start of kwtui does before it knows its command: streams, language, workspace."""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engines.layers import read_layer, toml_value
from engines.workspace import CONFIG, Workspace, default_config, user_folder
from glossary import i18n
from glossary.errors import UserError

CATALOGUES = Path(__file__).resolve().parent / "locale"


def enter(space: Workspace) -> None:
    """Begin to work in a workspace: files for its group, and the queue of runs awake."""
    if space.shared:
        os.umask(0o007)
    if (space.runs / ".queue").is_dir():
        from engines.training.queue import wake

        wake(space.runs)


def prepare_streams() -> None:
    """Data is UTF-8 with plain newlines wherever it goes; a terminal never fails on a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="backslashreplace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def configured_language(arguments: Sequence[str]) -> str:
    """`language` of the settings, read before pydantic is; faults in them are told later."""
    files = [user_folder() / CONFIG, default_config()]
    folder = _named_folder(arguments) or os.environ.get("KWTUI_WORKSPACE")
    found = Path(folder) if folder else getattr(Workspace.find(Path.cwd()), "root", None)
    if found:
        files.insert(0, found / CONFIG)
    values = [os.environ.get("KWTUI_LANGUAGE", "")]
    for file in files:
        try:
            values.append(read_layer(file).values.get("language", ""))
        except UserError:
            continue
    return next((str(toml_value(str(v))) for v in values if v in i18n.LANGUAGES), "")


def _named_folder(arguments: Sequence[str]) -> str | None:
    for at, argument in enumerate(arguments):
        if argument in {"-w", "--workspace"}:
            return next(iter(arguments[at + 1 :]), None)
        if argument.startswith("--workspace="):
            return argument.partition("=")[2]
        if not argument.startswith("-"):
            return None
    return None
