"""GPUs of the queue: each to one run, never taken from anybody."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engines import hardware
from engines.children import python_environment
from engines.hardware import GIB, Gpu, GpuProcess
from engines.training import gpu_locks, hosts_on_gpu, supervisor
from engines.training.detached import Terms, environment
from engines.training.neighbours import memory_words
from engines.training.preflight_file import write_foretold
from engines.training.queue import Conditions, Queue
from engines.training.supervisor import Supervisor
from tests.training.queues import gpu, waiting

pytestmark = pytest.mark.usefixtures("own_locks")


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
