"""How many saved checkpoints may wait for the process that judges them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from engines.training.checkpoints import step_of, whole_checkpoints
from engines.training.scoring import POLL, Scorer
from engines.training.stopping import agreed
from glossary.errors import FailedError
from glossary.i18n import _


class Backlog:
    """Lets a run save no faster than its checkpoints are judged, so that none is dropped unjudged.

    At most `limit` lie there without a verdict, and one more when the run is asked to end: a stop
    waits for nobody. There in every process of the run, `scorer` in the first alone. `tell` takes
    the name of an event and its values, `note` what belongs into run.json.
    """

    def __init__(
        self,
        checkpoints: Path,
        limit: int,
        scorer: Scorer | None,
        stop: Callable[[], bool] | None,
        tell: Callable[..., None],
        note: Callable[..., None],
    ) -> None:
        self._checkpoints = checkpoints
        self._limit = limit
        self._scorer = scorer
        self._stop = stop
        self._tell = tell
        self._note = note

    def waiting(self) -> set[int]:
        """The steps of the checkpoints that have no verdict; asked in the first process."""
        judged = self._scorer.scores.keys() if self._scorer is not None else set()
        return {step_of(path) for path in whole_checkpoints(self._checkpoints)} - judged

    def make_room(self, step: int) -> None:
        """Wait until one more checkpoint may be written; all processes call it at the same step."""
        if not agreed(self._full()):
            return
        started = time.monotonic()
        self._begin(step)
        while agreed(self._full()):
            time.sleep(POLL)
        self._end(step, time.monotonic() - started)

    def check(self) -> None:
        """FailedError where nobody is left who judges, and no more checkpoints may wait."""
        if self._scorer is None or not self._scorer.gave_up:
            return
        if (count := len(self.waiting())) >= self._limit:
            message = _(
                "The process that judges the checkpoints ended {starts} times, and {count} of them "
                "wait for it: look at {path}, then resume the run."
            )
            path = self._scorer.log
            raise FailedError(message.format(starts=self._scorer.starts, count=count, path=path))

    def _full(self) -> bool:
        if self._scorer is None or (self._stop is not None and self._stop()):
            return False
        return self._scorer.poll() and len(self.waiting()) >= self._limit

    def _begin(self, step: int) -> None:
        if self._scorer is None:
            return
        waiting = sorted(self.waiting())
        message = _(
            "The training waits: {count} checkpoints are to be judged first (saving.waiting)."
        )
        said = message.format(count=len(waiting))
        logging.getLogger(__name__).info("step %d: %s", step, said)
        self._note(reason=said)
        self._tell("waiting", step=step, checkpoints=waiting)

    def _end(self, step: int, seconds: float) -> None:
        if self._scorer is None:
            return
        logging.getLogger(__name__).info("step %d: waited %.1f s for the judge", step, seconds)
        self._note(reason="")
        self._tell("waited", step=step, seconds=round(seconds, 1))
