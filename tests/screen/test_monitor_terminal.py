"""On a real terminal: a run of kw-mini is launched by keys, outlives the app, and is seen again."""

import signal
import time
from pathlib import Path

import psutil

from engines.training import runs
from engines.training.folder import RunFolder
from engines.training.runs import look
from engines.workspace import Workspace
from tests.screen.test_terminal import Terminal
from tests.screen.training import fill, only_run, write_run
from tests.training.scratch import wait_until

SECONDS = 6.0
RECIPE = """
[recipes.kw-mini]
model = "kw-mini"
lora = {r = 4, targets = "all-linear", dropout = 0.0}
optimisation = {steps = 4000, batch_size = 2, threads = 1, warmup = 0.01}
evaluation = {texts = 2, per_epoch = 0.05}
saving = {steps = 5, log_steps = 1}
"""


def until(terminal: Terminal, met: object, seconds: float = 150) -> None:
    """Read what the app writes until a condition holds."""
    end = time.monotonic() + seconds
    while not met():  # type: ignore[operator]
        assert time.monotonic() < end, terminal.text[-3000:]
        terminal._read(0.1)


def test_a_run_started_by_keys_outlives_a_killed_app_and_a_new_one_shows_it(
    space: Workspace, tmp_path: Path
) -> None:
    fill(space)
    with space.config.open("a", encoding="utf-8") as config:
        config.write(RECIPE)
    alone = {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    first = Terminal("-w", space.root, **alone)
    folder = None
    try:
        first.wait("Nothing extracted yet.")
        first.send("\x1b[15~")  # F5
        first.wait("examples, ", 120)
        first.send("\x12")  # Ctrl+R
        first.wait("Start now")
        first.send("\r")
        first.wait("has started", 120)
        folder = RunFolder(only_run(space))
        until(first, lambda: look(folder).step >= 3)
        first.wait("tok/s")
        app = first.process
        app.kill()
        assert app.wait(10) == -signal.SIGKILL
        step = look(folder).step
        wait_until(lambda: look(folder).step > step + 3, what="the run ended with the app")
        run = look(folder)
        assert run.state == "running" and run.alive

        second = Terminal("-w", space.root, **alone)
        try:
            second.wait("F6")
            second.send("\x1b[17~")  # F6
            second.wait(run.id)
            second.wait("running")
            second.wait("1 at work")
            second.send("s")
            second.wait("Save a checkpoint and end")
            second.send("\r")
            until(second, lambda: look(folder).state == "stopped")
            assert look(folder).checkpoint == look(folder).step
        finally:
            second.close()
    finally:
        first.close()
        if folder is not None and (found := look(folder)).alive:
            runs.stop_now(found)


def test_watching_costs_few_bytes(space: Workspace) -> None:
    """Under 4 kB/s at 80x24 while a run tells of a step every half second."""
    from engines.events import EventLog

    folder = write_run(space, "busy", state="running", steps=4000, done=1000)
    made = Terminal("-w", space.root)
    try:
        made.wait("Nothing extracted yet.")
        made.send("\x1b[17~")
        made.wait("busy")
        until(made, lambda: "tok/s" in made.text)
        process = psutil.Process(made.process.pid)
        before, used = len(made.raw), sum(process.cpu_times()[:2])
        start, step = time.monotonic(), 1000
        with EventLog(folder.events) as log:
            while (now := time.monotonic()) - start < SECONDS:
                step += 5
                loss = 0.1 + 0.02 * (step % 7) / (1 + (step % 3))
                log.write(
                    "step",
                    step=step,
                    steps=4000,
                    loss=loss,
                    learning_rate=1e-4 * step,
                    grad_norm=0.3 + step % 5 / 10,
                    tokens=step * 900,
                    tokens_per_second=2900.0 + step % 11,
                )
                log.write("resources", step=step, rss=2**30 + step * 4096, rss_peak=2**31, cpu=98.0)
                while time.monotonic() < now + 0.5:
                    made._read(0.05)
        took = time.monotonic() - start
        rate = (len(made.raw) - before) / took
        load = (sum(process.cpu_times()[:2]) - used) / took
        print(f"{rate:.0f} bytes/s, {load:.1%} of a core")
        assert rate < 4000, f"{rate:.0f} bytes a second"
    finally:
        made.close()
