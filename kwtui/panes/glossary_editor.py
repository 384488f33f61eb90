"""A text handed to the person's own editor ($VISUAL or $EDITOR), and what came back."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from textual.app import App, SuspendNotSupported

from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.text import normalise


def edit_text(app: App[object], text: str) -> str:
    """The text after the editor has closed; the app stands still meanwhile.

    Raises UserError when no editor is named or none can be shown, FailedError when it cannot be
    started or ends with an error, which leaves the text as it was.
    """
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not command:
        raise UserError(_("No editor is named: set EDITOR, for example to vi, and start again."))
    with tempfile.TemporaryDirectory(prefix="kwtui-") as folder:
        file = Path(folder) / "definition.txt"
        file.write_text(text + "\n" if text else "", encoding="utf-8")
        try:
            with app.suspend():
                done = subprocess.run([*command, str(file)], check=False)
        except SuspendNotSupported:
            raise UserError(_("An editor needs a terminal, and this is none.")) from None
        except OSError as error:
            sentence = _("The editor {command} cannot be started: {reason}.")
            raise FailedError(
                sentence.format(command=command[0], reason=error.strerror or error)
            ) from error
        if done.returncode:
            sentence = _("The editor {command} ended with code {code}: nothing was changed.")
            raise FailedError(sentence.format(command=command[0], code=done.returncode))
        try:
            return normalise(file.read_text(encoding="utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            sentence = _("What the editor wrote cannot be read: {reason}.")
            raise FailedError(sentence.format(reason=error)) from error
