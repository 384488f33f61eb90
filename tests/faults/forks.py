"""Starts a run again and again and kills it: `-m tests.faults.forks RECIPE OUT SEED KILLS`.

Each start is a fork of a process that has imported everything, so that a kill costs a fraction of
a second. One line of JSON a start on stdout: how it ended, and what was true after it.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
import transformers

import engines.training.callbacks
import engines.training.trainer
from engines.training.checkpoints import PARTIAL, last_checkpoint, step_of
from engines.training.folder import RunFolder
from engines.training.runs import look
from engines.training.worker import work
from tests.training.scratch import prepared

WARM = (torch, transformers, engines.training.callbacks, engines.training.trainer)


def start(folder: RunFolder) -> int:
    """A fork that works in the folder, in a session of its own like a detached run."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        code = 1
        try:
            work(folder)
            code = 0
        finally:
            os._exit(code)
    return pid


def after(folder: RunFolder) -> dict[str, Any]:
    """What the folder says once the process is gone."""
    last = last_checkpoint(folder.checkpoints)
    left = folder.checkpoints / PARTIAL
    return {
        "state": look(folder).state,
        "checkpoint": step_of(last) if last else 0,
        "half": left.is_dir() and any(left.iterdir()),
    }


def _wait(folder: RunFolder, rng: random.Random) -> None:
    """Until the moment of the kill: at the start, or around a checkpoint one to three further."""
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0.0, 0.3))
        return
    goal = _newest(folder) + rng.randint(1, 3) * 3
    deadline = time.monotonic() + 60
    while _newest(folder) < goal and time.monotonic() < deadline:
        if look(folder).state == "finished":
            return
        time.sleep(0.003)
    time.sleep(rng.uniform(0.0, 0.08))


def _newest(folder: RunFolder) -> int:
    """The step of the newest checkpoint, begun or whole."""
    places = (folder.checkpoints, folder.checkpoints / PARTIAL)
    steps = [step_of(p) for place in places if place.is_dir() for p in place.iterdir()]
    return max(steps, default=0)


def main(recipe: str, out: str, seed: str, kills: str) -> None:
    """Run it once as a whole beside; then kill it at random moments, and let it end."""
    torch.set_num_threads(1)
    rng = random.Random(int(seed))
    os.waitpid(start(prepared(Path(recipe), Path(f"{out}-whole"))), 0)
    folder = prepared(Path(recipe), Path(out))
    for _ in range(int(kills)):
        pid = start(folder)
        _wait(folder, rng)
        killed = os.waitpid(pid, os.WNOHANG) == (0, 0)
        if killed:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        print(json.dumps({"killed": killed, **after(folder)}), flush=True)
        if look(folder).state == "finished":
            return
    os.waitpid(start(folder), 0)
    print(json.dumps({"killed": False, **after(folder)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
