"""A run as a process session of its own, that no terminal and no parent can end."""

from __future__ import annotations

import subprocess
from pathlib import Path

from engines.children import python_command, python_environment
from engines.training.folder import RunFolder


def start(folder: RunFolder) -> int:
    """Start the run of `folder`; its pid. What it prints goes to its log, never to a pipe."""
    with folder.log.open("ab") as log:
        process = subprocess.Popen(
            python_command("engines.training.worker", str(folder.path)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path("/"),
            env=python_environment(),
            start_new_session=True,
        )
    return process.pid
