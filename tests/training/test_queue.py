"""The queue: one supervisor without the app, order kept, GPUs never taken from anybody."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import time as clock
from pathlib import Path

import psutil
import pytest

from engines import hardware
from engines.children import python_environment
from engines.hardware import GIB, Gpu, GpuProcess
from engines.training import detached, gpu_locks, hosts_on_gpu, runs, supervisor
from engines.training.detached import Terms, environment
from engines.training.folder import RunFolder
from engines.training.liveness import is_locked, whoami
from engines.training.logout import kills_at_logout, warning
from engines.training.neighbours import memory_words
from engines.training.preflight_file import write_foretold
from engines.training.queue import ATTEMPTS, Conditions, Queue, within
from engines.training.runs import look
from engines.training.supervisor import Supervisor
from engines.workspace import Workspace
from glossary.errors import UserError
from tests.conftest import Run
from tests.training.scratch import prepared, wait_until, write_recipe


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of this test only, and one thread a process."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def queue(workspace: Workspace) -> Queue:
    return Queue(workspace.runs)


def waiting(queue: Queue, *names: str, recipe: str = 'method = "lora"\n') -> None:
    for name in names:
        folder = RunFolder(queue.runs / name)
        folder.path.mkdir(parents=True)
        folder.recipe.write_text(recipe)
        folder.write({"state": "waiting", "id": name})


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Terms]]:
    """What the supervisor starts; the process that would train is this test."""
    found: list[tuple[str, Terms]] = []

    def start(run: runs.Run, terms: Terms) -> int:
        found.append((run.id, terms))
        run.folder.write({**whoami(os.getpid()), "state": "running", "id": run.id})
        return os.getpid()

    monkeypatch.setattr(supervisor, "resume", start)
    return found


def gpu(index: int, free: float = 70, *processes: GpuProcess) -> Gpu:
    total = 80 * GIB
    used = total - round(free * GIB)
    return Gpu(index, f"GPU-{index}-uuid", "H100", total, used, total - used, processes=processes)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Gpu]:
    """The GPUs that NVML reports, to be filled by the test."""
    found: list[Gpu] = []
    monkeypatch.setattr(hardware, "gpus", lambda: list(found))
    return found


def states(queue: Queue) -> list[tuple[str, str]]:
    return [(entry.run, entry.state) for entry in queue.read()]


def finish(queue: Queue, name: str, state: str = "finished") -> None:
    RunFolder(queue.runs / name).write({"state": state, "id": name})


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
    Supervisor(queue).look()
    assert starts == [] and Queue(queue.runs).paused


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


# ---- GPUs


def test_a_run_gets_the_free_gpu_by_its_uuid_and_no_other_run_gets_it(
    queue: Queue, starts: list[tuple[str, Terms]], machine: list[Gpu]
) -> None:
    machine += [gpu(0, 20), gpu(1, 70)]
    waiting(queue, "a", "b", "c")
    for name in "abc":
        queue.add(name, Conditions(nice=5, share=0.5))
    Supervisor(queue).look()
    assert [(n, t.gpus) for n, t in starts] == [("a", ("GPU-1-uuid",)), ("b", ("GPU-0-uuid",))]
    environ = environment(starts[0][1])
    assert environ["CUDA_VISIBLE_DEVICES"] == "GPU-1-uuid"
    assert "per_process_memory_fraction:0.5" in environ["PYTORCH_CUDA_ALLOC_CONF"]
    assert gpu_locks.holder("GPU-1-uuid")["run"].endswith("/a")
    assert queue.read()[2].note.startswith("waits for 1 GPUs")


def test_strangers_on_a_gpu_are_waited_for_by_name(
    queue: Queue, starts: list[tuple[str, Terms]], machine: list[Gpu]
) -> None:
    machine.append(gpu(0, 12, GpuProcess(77, "minji", "python", 60 * GIB)))
    waiting(queue, "a")
    write_foretold(queue.runs / "a", {"total": 30 * GIB})
    queue.add("a", Conditions())
    work = Supervisor(queue)
    work.look()
    assert starts == []
    assert "30.0 GiB" in queue.read()[0].note and "minji" in queue.read()[0].note
    machine[0] = gpu(0, 79)
    work.look()
    assert [name for name, _ in starts] == ["a"]


def test_a_gpu_must_be_free_for_as_long_as_was_asked(
    queue: Queue,
    starts: list[tuple[str, Terms]],
    machine: list[Gpu],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now[0])
    machine.append(gpu(0, 50))
    waiting(queue, "a")
    queue.add("a", Conditions(free_gib=40, free_minutes=10))
    work = Supervisor(queue)

    def after(seconds: float, free: float) -> int:
        now[0] += seconds
        machine[0] = gpu(0, free)
        work.look()
        return len(starts)

    assert after(0, 50) == after(500, 50) == 0
    assert after(60, 10) == after(60, 50) == after(590, 50) == 0, "a break begins it anew"
    assert after(20, 50) == 1


def test_the_first_in_line_keeps_its_gpus_from_those_behind_it(
    queue: Queue, starts: list[tuple[str, Terms]], machine: list[Gpu]
) -> None:
    machine += [gpu(0, 70), gpu(1, 5), gpu(2, 70)]
    two = 'method = "lora"\n[launch]\nprocesses = 2\ngpus = [0, 1]\n'
    waiting(queue, "two", recipe=two)
    waiting(queue, "one", "three")
    queue.add("two", Conditions(free_gib=60))
    queue.add("one", Conditions(free_gib=60))
    queue.add("three", Conditions(free_gib=60))
    Supervisor(queue).look()
    assert [(n, t.gpus) for n, t in starts] == [("one", ("GPU-2-uuid",))]


def test_a_recipe_for_gpus_that_are_not_there_is_held_back_with_a_sentence(
    queue: Queue, starts: list[tuple[str, Terms]], machine: list[Gpu]
) -> None:
    machine.append(gpu(0))
    waiting(queue, "a", recipe='method = "lora"\n[launch]\ngpus = [3]\n')
    waiting(queue, "b", recipe='method = "lora"\n[launch]\nprocesses = 4\n')
    waiting(queue, "c")
    for name in "abc":
        queue.add(name, Conditions())
    Supervisor(queue).look()
    assert [name for name, _ in starts] == ["c"], "what can never start does not block"
    assert [entry.state for entry in queue.read()] == ["paused", "paused", "started"]
    assert "GPU 3" in queue.read()[0].note and "4 processes" in queue.read()[1].note


def test_cuda_visible_devices_is_obeyed() -> None:
    found = [gpu(0), gpu(1), gpu(2)]
    for value, seen in [("1", [1]), ("2,0", [2, 0]), ("GPU-2", [2]), ("0,9,1", [0]), ("", [])]:
        left = hardware.visible(found, {"CUDA_VISIBLE_DEVICES": value})
        assert [g.index for g in left] == seen, value
    assert len(hardware.visible(found, {})) == 3


def test_without_a_driver_there_are_no_gpus_and_no_error() -> None:
    code = "import engines.hardware as h, sys; print(h.gpus()); assert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=python_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_strangers_are_those_that_are_not_ours() -> None:
    card = gpu(0, 10, GpuProcess(1, "root", "x", None), GpuProcess(2, "me", "python", GIB))
    assert [p.pid for p in card.strangers({2})] == [1]
    assert replace(card, processes=()).strangers(()) == ()


def test_a_run_that_fails_because_a_colleague_took_the_memory_says_so(tmp_path: Path) -> None:
    me = GpuProcess(os.getpid(), "me", "python", 20 * GIB)
    other = GpuProcess(77, "minji", "python", 55 * GIB)
    write_foretold(tmp_path, {"total": 30 * GIB})
    said = memory_words(tmp_path, [gpu(0, 5, me, other)])
    assert "30.0 GiB were foretold" in said and "GPU 0: minji 55.0 GiB" in said
    assert "me 20.0" not in said
    assert memory_words(tmp_path / "none", [gpu(0, 5, me)]) == ""


def test_a_lock_ends_with_the_run_that_inherited_it(tmp_path: Path) -> None:
    lock = gpu_locks.try_lock("GPU-x", {"run": "r", "user": "u"})
    assert lock is not None
    assert gpu_locks.try_lock("GPU-x", {}) is None
    child = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    os.close(lock)
    assert gpu_locks.holder("GPU-x")["run"] == "r"
    child.kill()
    child.wait()
    assert gpu_locks.holder("GPU-x") == {}
    assert (tmp_path / "kwtui-gpus").stat().st_mode & 0o1777 == 0o1777


def test_a_service_of_the_screen_is_asked_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = "import signal,sys,time\nif len(sys.argv) > 2: signal.signal(10, lambda *_: exit(7))\n"
    script += "print(flush=True)\ntime.sleep(60)"

    def child(*arguments: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE
        )
        assert process.stdout and process.stdout.readline()
        return process

    service, deaf, other = (
        child("kwtui.services", "x"),
        child("kwtui.services"),
        child("trainer", "x"),
    )
    on = [GpuProcess(p.pid, "me", "python", GIB) for p in (service, deaf, other)]
    assert hosts_on_gpu.ask_to_unload(gpu(0, 1, *on)) == [service.pid]
    assert service.wait(10) == 7
    assert deaf.poll() is None and other.poll() is None
    for process in (deaf, other):
        process.kill()
        process.wait()


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


# ---- logout


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, False),
        ({"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
        (
            {
                "etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n",
                "etc/systemd/logind.conf.d/lab.conf": "[Login]\nKillUserProcesses=no\n",
            },
            False,
        ),
        ({"usr/lib/systemd/logind.conf.d/x.conf": "[Login]\nKillUserProcesses=1\n"}, True),
    ],
)
def test_a_system_that_kills_at_logout_is_warned_of(
    tmp_path: Path, files: dict[str, str], kills: bool
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert kills_at_logout(tmp_path) is kills
    said = warning(root=tmp_path)
    assert ("systemd-run --user" in said) is kills
