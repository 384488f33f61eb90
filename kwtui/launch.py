"""Opening the app: on a workspace, on the demo, or on the question which of both."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path

from engines.workspace import Workspace, is_workspace
from glossary import i18n
from glossary.errors import UserError


def has_terminal() -> bool:
    """Whether a person sits at both ends: keys come from a terminal and the screen goes to one."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def terminal_gone(descriptor: int = 0) -> bool:
    """Whether the other end of a terminal is closed, which only its own session is sent SIGHUP for.

    An app of another session would read the empty terminal without end.
    """
    found = select.poll()
    found.register(descriptor, 0)
    return any(flags & select.POLLHUP for _fd, flags in found.poll(0))


def open_workspace(space: Workspace) -> int:
    """Run the app on a workspace and return the exit code.

    Raises the exception that ended the app, if it was a mistake of ours, and UserError with the
    sentence that the app left with.
    """
    from kwtui.app import Workbench
    from kwtui.choices import read_choices
    from kwtui.screen_state import ScreenState, state_file

    state = ScreenState(state_file(space.root))
    app = Workbench(space, read_choices(space.root), state)
    app.run()
    return outcome(app.failure, app.wrong, app.return_code)


def outcome(failure: Exception | None, sentence: str, code: int | None) -> int:
    """The exit code of an app that has ended; its failure and its last sentence are raised."""
    if failure is not None:
        raise failure
    if sentence:
        error = UserError(sentence)
        error.exit_code = code or 2
        raise error
    return code or 0


def open_without_workspace() -> int:
    """Ask whether to open the demo or to make a workspace, and open what was chosen."""
    from kwtui.welcome import Welcome

    app = Welcome()
    chosen = app.run()
    outcome(app.failure, "", app.return_code)
    if chosen is None:
        return 0
    if chosen == "demo":
        from kwtui.commands.demo import default_root

        return open_workspace(prepared_demo(default_root()))
    return open_workspace(Workspace.create(Path(chosen)))


def prepared_demo(root: Path) -> Workspace:
    """The demo's workspace; a process of its own makes it, for that loads heavy libraries."""
    import subprocess

    from engines.children import python_command, python_environment

    if not is_workspace(root):
        command = python_command("kwtui", "demo", "--prepare", "-w", str(root))
        done = subprocess.run(command, env=python_environment(), check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
    return Workspace.open(root)


def straight(arguments: Sequence[str]) -> int | None:
    """The exit code of an app opened without the command line's machinery, which costs time.

    None when that has to look: for a command, an option, a mistake, or without a terminal.
    """
    named = _only_workspace(arguments)
    if named is None or not has_terminal():
        return None
    from kwtui import context
    from kwtui.startup import CATALOGUES, configured_language, enter, prepare_streams

    os.umask(0o077)
    prepare_streams()
    i18n.use(configured_language(arguments), CATALOGUES)
    try:
        context.name_workspace(Path(named) if named else None)
        found = context.workspace()
        if found is None:
            return open_without_workspace()
        enter(found)
        return open_workspace(found)
    except (Exception, KeyboardInterrupt) as error:
        from kwtui import failures

        return failures.report(error)


def _only_workspace(arguments: Sequence[str]) -> str | None:
    """The folder when a command line says nothing but that ("" for nothing at all), else None."""
    if not arguments:
        return ""
    first, *rest = arguments
    if first in ("-w", "--workspace") and len(rest) == 1 and not rest[0].startswith("-"):
        return rest[0]
    if first.startswith("--workspace=") and not rest:
        return first.partition("=")[2] or None
    return None
