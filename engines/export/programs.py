"""Programs outside Python: found where the settings say, run without a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from engines.children import python_environment
from engines.settings import Settings
from glossary.errors import FailedError, UserError
from glossary.i18n import _

_HOUR = 3600
CONVERTER = "convert_hf_to_gguf.py"


def find_program(name: str, settings: Settings) -> list[str] | None:
    """The command for `name`: of [commands], in the folders of [programs], or on PATH; or None."""
    named = settings.commands.get(name)
    if named:
        return list(named)
    folders = [str(Path(folder).expanduser()) for folder in settings.programs.folders]
    places = [*folders, *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    # An empty or relative entry of PATH would mean the working directory.
    path = os.pathsep.join(place for place in places if Path(place).is_absolute())
    found = shutil.which(name, path=path)
    return [found] if found else None


def run(command: list[str], *, cwd: Path | None = None, modules: Path | None = None) -> str:
    """Run a program to its end and return its output; FailedError with its last line.

    `modules`: the folder that a script of Python imports its own modules from.
    """
    env = python_environment()
    if modules is not None:
        paths = [str(modules), *filter(None, [env.get("PYTHONPATH")])]
        env["PYTHONPATH"] = os.pathsep.join(paths)
    program = command[0] if modules is None else command[1]
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_HOUR,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = _("{program} cannot be run: {error}")
        raise FailedError(message.format(program=program, error=error)) from error
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        lines = output.strip().splitlines() or [str(done.returncode)]
        message = _("{program} failed: {error}")
        raise FailedError(message.format(program=program, error=lines[-1][:300]))
    return output


def llama_cpp_folder(settings: Settings) -> Path:
    """The folder of llama.cpp in [export] llama_cpp; UserError when it is none."""
    named = settings.export.llama_cpp
    if not named:
        message = _("No folder of llama.cpp is named: set [export] llama_cpp in config.toml.")
        raise UserError(message)
    folder = Path(named).expanduser()
    if not folder.is_absolute() or not (folder / CONVERTER).is_file():
        message = _("[export] llama_cpp = {path}: there is no {file}; give an absolute path.")
        raise UserError(message.format(path=named, file=CONVERTER))
    return folder


def quantiser(settings: Settings) -> list[str] | None:
    """llama.cpp's own llama-quantize: in its folder, or as any other program; or None."""
    if settings.export.llama_cpp:
        folder = llama_cpp_folder(settings)
        places = [folder / part / "llama-quantize" for part in ("build/bin", "bin", ".")]
        found = next((place for place in places if os.access(place, os.X_OK)), None)
        if found:
            return [str(found)]
    return find_program("llama-quantize", settings)
