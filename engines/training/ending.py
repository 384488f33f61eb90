"""A command of the user's at the end of a run: a message, a bell, the next job.

    [commands]
    run-ended = ["notify-send", "kwtui"]

It gets TRAINING_RUN (the folder), TRAINING_STATE and TRAINING_REASON in its environment, and the
state and the run's name as its last two arguments. A workspace's own counts only after `kwtui
trust`.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.training.folder import RunFolder
from glossary.errors import UserError

NAME = "run-ended"
SECONDS = 60.0


def tell_end(folder: RunFolder, values: Mapping[str, Any]) -> None:
    """Run the command of the settings for a run that has ended; never raises.

    What goes wrong with it stands in the run's log.
    """
    try:
        command = _command(folder)
        if not command:
            return
        state = str(values.get("state", ""))
        environ = {
            **os.environ,
            "TRAINING_RUN": str(folder.path),
            "TRAINING_STATE": state,
            "TRAINING_REASON": str(values.get("reason", "")),
        }
        with folder.log.open("ab") as log:
            subprocess.run(
                [*command, state, folder.path.name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                timeout=SECONDS,
                check=False,
            )
    except (OSError, UserError, subprocess.SubprocessError) as error:
        logging.getLogger(__name__).warning("%s: %s", NAME, error)


def _command(folder: RunFolder) -> list[str]:
    import tomllib

    from engines.settings import load

    try:
        recipe = tomllib.loads(folder.recipe.read_text(encoding="utf-8"))
    except ValueError:
        return []
    data = recipe.get("data")
    named = data.get("workspace") if isinstance(data, dict) else ""
    settings = load(Path(named) if named else None)
    return list(settings.commands.get(NAME, []))
