"""`kwtui play SCRIPT`: keys from a file on the real screen, and checks of what it shows."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import typer

from glossary.i18n import _, ngettext_
from kwtui import context, launch


def command(
    script: Path = typer.Argument(metavar="SCRIPT", help=_("A file of steps, one a line.")),
    keep: bool = typer.Option(
        False, "--keep", help=_("Begin where the screen stood, and keep where it ends.")
    ),
) -> None:
    """Play a script on the workspace: key, type, paste, wait, expect, screenshot, size.

    Needs no terminal. Exit code 1 names the first line that failed and prints the screen.
    """
    from kwtui.app import Workbench
    from kwtui.choices import read_choices
    from kwtui.play import play, read_script
    from kwtui.screen_state import ScreenState, state_file

    steps = read_script(script)
    space = context.need_workspace()
    state = ScreenState(state_file(space.root) if keep else None)
    app = Workbench(space, read_choices(space.root), state)
    asyncio.run(play(app, steps, script.resolve().parent))
    code = launch.outcome(app.failure, app.wrong, app.return_code)
    done = ngettext_("{count} step played.", "{count} steps played.", len(steps))
    print(done.format(count=len(steps)), file=sys.stderr)
    raise typer.Exit(code)
