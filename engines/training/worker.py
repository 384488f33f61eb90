"""The process of a run: `python -P -m engines.training.worker RUN_FOLDER`.

It works in the run's folder alone. It exits with 0 when the run finished or was stopped, and with
1 when it failed; why stands in run.json, the traceback in log.txt.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.training.ending import tell_end
from engines.training.folder import RunFolder, Status
from engines.training.recipe import load_recipe
from engines.training.scratch_recipe import ScratchRecipe
from engines.training.stopping import StopRequest, is_first
from glossary import i18n
from glossary.errors import FailedError, UserError
from glossary.i18n import _

OnStep = Callable[[int, int], None]


def work(folder: RunFolder, on_step: OnStep | None = None) -> dict[str, Any]:
    """Run what the folder's recipe says, or go on where it was cut off; the end of run.json.

    Never raises for a run that fails: the state is then "failed" and `reason` a sentence. Raises
    UserError when another process works in the folder.
    """
    if not is_first():
        return _work_along(folder)
    with _alone(folder), Status(folder) as status, _logged(folder.log):
        resumed = "started" in folder.read()
        status.update(
            state="starting",
            reason="",
            rank_zero=os.getpid(),
            **({} if resumed else {"started": round(time.time(), 3)}),
        )
        try:
            with StopRequest(folder.stop_file) as stop:
                end = _run(folder, status, stop, on_step)
        except UserError as error:
            end = {"state": "failed", "reason": error.sentence}
        except OSError as error:
            logging.getLogger(__name__).exception("run failed")
            end = {"state": "failed", "reason": _system_sentence(error, folder.path)}
        except BaseException as error:
            logging.getLogger(__name__).exception("run failed")
            end = {"state": "failed", "reason": _unexpected(error, folder.log)}
            if isinstance(error, KeyboardInterrupt):
                end = {"state": "stopped", "reason": _("Interrupted between two checkpoints.")}
        _finish(status, end)
    values = folder.read()
    tell_end(folder, values)
    return values


def _work_along(folder: RunFolder) -> dict[str, Any]:
    """One of the other processes of a run: it computes, and writes nothing but its log."""
    with _logged(folder.log):
        try:
            with StopRequest(folder.stop_file) as stop:
                return _run(folder, None, stop, None)
        except BaseException as error:
            logging.getLogger(__name__).exception("run failed in process %s", os.environ["RANK"])
            return {"state": "failed", "reason": _unexpected(error, folder.log)}


def _run(
    folder: RunFolder, status: Status | None, stop: StopRequest, on_step: OnStep | None
) -> dict[str, Any]:
    from engines.training.trainer import Stopped, train_scratch

    recipe = load_recipe(folder.recipe)
    heard = _Heard(status, on_step)
    try:
        if isinstance(recipe, ScratchRecipe):
            model = train_scratch(recipe, folder.path, folder.path, stop=stop, on_step=heard.step)
            return {"state": "finished", "output": str(model)}
        from engines.training.tuning import train

        return {
            "state": "finished",
            **train(recipe, folder, stop=stop, on_step=heard.step, note=heard.note),
        }
    except Stopped as stopped:
        return {"state": "stopped", "step": stopped.step}


class _Heard:
    """Puts what a run tells on its way into run.json and hands steps on; mute without a status."""

    def __init__(self, status: Status | None, on_step: OnStep | None) -> None:
        self._status = status
        self._on_step = on_step
        self._first = True

    def step(self, step: int, steps: int) -> None:
        if self._status is not None and self._first:
            self._first = False
            self._status.update(state="running", step=step, steps=steps)
        if self._status is not None:
            self._status.note(step=step, steps=steps)
        if self._on_step is not None:
            self._on_step(step, steps)

    def note(self, **values: Any) -> None:
        if self._status is not None:
            self._status.update(**values)


def _finish(status: Status, end: dict[str, Any]) -> None:
    """Write the end; a full disk may need a moment until something is removed."""
    for attempt in range(3):
        try:
            status.update(ended=round(time.time(), 3), **end)
            return
        except OSError:
            time.sleep(attempt)


@contextmanager
def _alone(folder: RunFolder) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when the process dies, however it dies."""
    handle = os.open(folder.path / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = _("Another process works on the run in {path}; stop that one first.")
            raise UserError(message.format(path=folder.path)) from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Send what libraries log and warn to the run's log."""
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            _leave_out_what_nobody_can_use()
            yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()


def _leave_out_what_nobody_can_use() -> None:
    """Advice to install what the machine cannot fetch, and names of options that TRL passes on."""
    warnings.filterwarnings("ignore", message=r".*`gradient_checkpointing` is deprecated")
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def _system_sentence(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = _(
            "No space left for {path}: free some, or lower saving.keep; then resume the run, which "
            "goes on from its last whole checkpoint."
        )
        return message.format(path=path)
    return _("{reason}: {path}.").format(
        reason=error.strerror or str(error), path=error.filename or path
    )


def _unexpected(error: BaseException, log: Path) -> str:
    what = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1][:300]
    return _("{what} The full report is in {path}.").format(what=what, path=log)


def main(arguments: list[str]) -> int:
    """Run the folder named on the command line."""
    if len(arguments) != 1:
        raise UserError(_("Name the folder of the run."))
    end = work(RunFolder(Path(arguments[0]).absolute()))
    if end.get("state") == "failed":
        print(end.get("reason", ""), file=sys.stderr)
        return FailedError.exit_code
    return 0


if __name__ == "__main__":
    i18n.take_over(os.environ)
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(error.sentence, file=sys.stderr)
        sys.exit(error.exit_code)
