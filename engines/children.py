"""Child processes: started so that nothing in the working directory is ever imported."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import engines
from glossary import i18n


def python_command(module: str, *args: str) -> list[str]:
    """The command that runs `module` with this interpreter: `/abs/python -P -m module ...`."""
    return [str(Path(sys.executable).absolute()), "-P", "-m", module, *args]


def python_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of such a child: offline, in this language, without relative import paths.

    An empty or relative entry of PYTHONPATH means the working directory, whatever -P says.
    """
    child = {**environ, **{n: environ.get(n, v) for n, v in engines.OFFLINE.items()}}
    entries = [e for e in environ.get("PYTHONPATH", "").split(os.pathsep) if Path(e).is_absolute()]
    child.pop("PYTHONPATH", None)
    if entries:
        child["PYTHONPATH"] = os.pathsep.join(entries)
    return child | i18n.handed_on() | {"PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
