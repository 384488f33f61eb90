"""A ladder started from the screen: a process session of its own, which outlives the app."""

from __future__ import annotations

import subprocess
from pathlib import Path

from engines.children import python_command, python_environment
from engines.workspace import Workspace
from glossary.i18n import _

LOG = "ladder.log"


def start(space: Workspace, split: str) -> str:
    """Start `kwtui ladder` on a split; the sentence for the status line.

    What was measured before is not measured again, and a ladder that is at work already refuses
    the second one, which its log then says.
    """
    folder = space.reports / "ladder"
    folder.mkdir(parents=True, exist_ok=True)
    command = python_command("kwtui", "-w", str(space.root), "ladder", "--split", split)
    with (folder / LOG).open("ab") as log:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path("/"),
            env=python_environment(),
            start_new_session=True,
        )
    said = _("The ladder runs on {split}; the table follows when it is done. Its log is {path}.")
    return said.format(split=split, path=(folder / LOG).relative_to(space.root))
