"""The queue: one supervisor without the app, in the order and at the hours that a person set."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from datetime import time as clock
from pathlib import Path

import psutil
import pytest

from engines.children import python_environment
from engines.hardware import Gpu
from engines.training import detached, supervisor
from engines.training.detached import Terms
from engines.training.folder import RunFolder
from engines.training.liveness import is_locked, whoami
from engines.training.queue import ATTEMPTS, Conditions, Queue, within
from engines.training.runs import look
from engines.training.supervisor import Supervisor
from engines.workspace import Workspace
from glossary.errors import UserError
from tests.conftest import Run
from tests.training.queues import finish, states, waiting
from tests.training.scratch import prepared, wait_until, write_recipe

pytestmark = pytest.mark.usefixtures("own_locks")


# ---- order, pause, cancel


def test_runs_start_in_order_and_one_after_the_other(
    queue: Queue, starts: list[tuple[str, Terms]], machine: list[Gpu]
) -> None:
    waiting(queue, "a", "b", "c", "d")
    for name in "abcd":
        queue.add(name, Conditions())
    queue.move("c", 1)
    queue.pause("a")
    queue.cancel("d")
    work = Supervisor(queue)
    assert work.look()
    assert [name for name, _ in starts] == ["c"]
    assert states(queue) == [("c", "started"), ("a", "paused"), ("b", "waiting")]
    work.look()
    assert len(starts) == 1, "one run on the CPU at a time"
    for lock in starts[0][1].locks:
        os.close(lock)
    finish(queue, "c")
    work.look()
    assert [name for name, _ in starts] == ["c", "b"]
    queue.pause("a", on=False)
    for lock in starts[1][1].locks:
        os.close(lock)
    finish(queue, "b", "failed")
    work.look()
    assert [name for name, _ in starts] == ["c", "b", "a"]
    finish(queue, "a", "stopped")
    assert not work.look() and queue.read() == []


def test_a_paused_queue_starts_nothing(
    queue: Queue, starts: list[tuple[str, Terms]], machine: list[Gpu]
) -> None:
    waiting(queue, "a")
    queue.add("a", Conditions())
    queue.pause(None)
    work = Supervisor(queue)
    assert not work.look() and starts == [] and Queue(queue.runs).paused
    assert not queue.wake(), "no process waits for what is held back"
    queue.pause(None, on=False)
    queue.pause("a")
    assert not work.look() and not queue.has_work
    queue.pause("a", on=False)
    assert queue.has_work and work.look() and [name for name, _ in starts] == ["a"]


def test_what_is_in_the_queue_twice_or_not_at_all_is_told(queue: Queue) -> None:
    waiting(queue, "a")
    queue.add("a", Conditions())
    with pytest.raises(UserError, match="already"):
        queue.add("a", Conditions())
    with pytest.raises(UserError, match="not in the queue"):
        queue.cancel("b")
    with pytest.raises(UserError, match=r"22:00-08:00"):
        queue.add("b", Conditions(hours="at night"))


def test_machines_that_share_a_workspace_keep_their_own_queue(queue: Queue) -> None:
    waiting(queue, "a")
    Queue(queue.runs, "node7").add("a", Conditions())
    assert queue.read() == [] and len(Queue(queue.runs, "node7").read()) == 1
    assert not queue.wake()


def test_a_run_that_vanishes_goes_on_but_not_for_ever(
    queue: Queue, starts: list[tuple[str, Terms]], machine: list[Gpu]
) -> None:
    waiting(queue, "a")
    queue.add("a", Conditions())
    work = Supervisor(queue)
    for _ in range(3 * ATTEMPTS + 6):
        work.look()
        if queue.read()[0].state == "started":
            for lock in starts[-1][1].locks:
                os.close(lock) if starts[-1][1].locks else None
            gone = {**whoami(os.getpid()), "pid": 2**22 + 1}
            RunFolder(queue.runs / "a").write({**gone, "state": "running"})
    assert len(starts) == ATTEMPTS + 1
    assert queue.read()[0].state == "paused" and "vanished" in queue.read()[0].note


# ---- hours


@pytest.mark.parametrize(
    ("hours", "now", "inside"),
    [
        ("22:00-08:00", clock(23, 5), True),
        ("22:00-08:00", clock(7, 59), True),
        ("22:00-08:00", clock(8, 0), False),
        ("22:00-08:00", clock(12, 0), False),
        ("09:30-17:00", clock(9, 30), True),
        ("09:30-17:00", clock(17, 0), False),
        ("00:00-24:00", clock(23, 59), True),
    ],
)
def test_hours_may_go_over_midnight(hours: str, now: clock, inside: bool) -> None:
    assert within(hours, now) is inside


def test_out_of_its_hours_a_run_is_stopped_goes_on_later_and_others_pass(
    queue: Queue,
    starts: list[tuple[str, Terms]],
    machine: list[Gpu],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    night = [False]
    monkeypatch.setattr(supervisor, "within", lambda _hours, _now: night[0])
    waiting(queue, "night", "day")
    queue.add("night", Conditions(hours="22:00-08:00"))
    queue.add("day", Conditions())
    work = Supervisor(queue)
    work.look()
    assert [name for name, _ in starts] == ["day"]
    for lock in starts[0][1].locks:
        os.close(lock)
    finish(queue, "day")
    night[0] = True
    work.look()
    assert [name for name, _ in starts] == ["day", "night"]
    night[0] = False
    work.look()
    folder = RunFolder(queue.runs / "night")
    assert folder.stop_file.exists(), "it is asked to save and end"
    for lock in starts[1][1].locks:
        os.close(lock)
    folder.stop_file.unlink()
    finish(queue, "night", "stopped")
    work.look()
    assert states(queue) == [("night", "waiting")]
    night[0] = True
    work.look()
    assert [name for name, _ in starts][2:] == ["night"]


# ---- the real supervisor


def test_one_supervisor_without_the_app_runs_what_waits(
    workspace: Workspace, queue: Queue, kwtui: Run, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, tokens=5000)
    folder = prepared(recipe, queue.runs / "one")
    shown = kwtui("runs", "queue", "add", "one", "--nice", "3", "--json", cwd=workspace.root)
    assert json.loads(shown.stdout) == {"run": "one", "place": 1}, shown.stderr
    wait_until(lambda: is_locked(queue.lock_file), what="no supervisor")
    first = _supervisors(queue)
    assert not queue.wake(), "there is one"
    # A second one finds the lock taken and leaves.
    command = [sys.executable, "-P", "-m", "engines.training.supervisor", str(queue.runs)]
    second = subprocess.run(command, env=python_environment(), timeout=60, check=False)
    assert second.returncode == 0 and _supervisors(queue) == first
    assert os.getsid(first[0]) == first[0], "it is a session of its own"
    wait_until(lambda: look(folder).alive, what="it starts nothing")
    assert psutil.Process(detached.launched(folder)["pid"]).nice() == os.nice(0) + 3
    # Killed, it is revived by any command; the run goes on meanwhile and is found again.
    os.kill(first[0], signal.SIGKILL)
    kwtui("config", "show", cwd=workspace.root)
    wait_until(lambda: is_locked(queue.lock_file) or not queue.read(), what="not revived")
    wait_until(lambda: look(folder).state == "finished", what="the run did not end")
    wait_until(lambda: queue.read() == [], what="it stays in the queue")
    wait_until(lambda: not is_locked(queue.lock_file), what="an idle supervisor stays")


def _supervisors(queue: Queue) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line: list[str] = process.info["cmdline"] or []
        if "engines.training.supervisor" in line and str(queue.runs) in line:
            found.append(process.pid)
    return found


def test_two_changes_at_once_are_both_kept(queue: Queue) -> None:
    """Changes are made under a lock: a second process waits for the first."""
    waiting(queue, "a", "b")
    queue.add("a", Conditions())
    with (queue.folder / "edit.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code = (
            "import sys; from pathlib import Path; from engines.training.queue import *;"
            "Queue(Path(sys.argv[1])).add('b', Conditions())"
        )
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(queue.runs)], env=python_environment()
        )
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(3)
    assert child.wait(30) == 0
    assert [entry.run for entry in queue.read()] == ["a", "b"]
