"""Processes of services start, end, die and come back as a person would want them to."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engines.children import python_environment
from engines.workspace import Workspace, state_folder
from glossary.errors import FailedError
from kwtui.hosts import HostDied, Hosts, RequestCancelled, State
from kwtui.services import IDLE_SECONDS
from tests import tiny

PARENT = """
import sys
from pathlib import Path
from engines.settings import load
from engines.workspace import Workspace
from kwtui.hosts import Hosts

space = Workspace(Path(sys.argv[1]))
hosts = Hosts(load(space.root), space)
hosts["glossary"].submit("count").result()

def busy(_prediction):
    print(hosts["glossary"].pid, hosts["extractor"].pid, flush=True)

params = {"texts": sys.argv[2:] * 1000, "strategy": "tiny"}
hosts["extractor"].submit("extract", params, background=True, on_partial=busy).result()
"""
GREEDY = """
import sys
from kwtui.services.loop import hold_life
hold_life(int(sys.argv[1]))
print("ready", flush=True)
sum(range(10**12))
"""


def gone(pid: int, seconds: float) -> bool:
    """Whether the process ends within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not psutil.pid_exists(pid):
            return True
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def wait_for(host, state: State, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while host.state is not state and time.monotonic() < until:
        time.sleep(0.01)
    assert host.state is state


def test_a_killed_parent_leaves_no_child_and_nothing_of_its_folder_is_imported(
    space: Workspace, planted: Path
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, str(space.root), *tiny.TEXTS],
        cwd=planted,
        env=python_environment({**os.environ, "PYTHONPATH": ".:"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(map(psutil.pid_exists, pids))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert all(gone(pid, 5.0) for pid in pids)
    assert not (planted / "imported").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="F_SETSIG is Linux's")
def test_a_process_whose_parent_is_gone_ends_even_while_no_thread_of_it_runs() -> None:
    life, ours = os.pipe()
    command = [sys.executable, "-P", "-c", GREEDY, str(life)]
    with subprocess.Popen(command, pass_fds=[life], stdout=subprocess.PIPE) as child:
        os.close(life)
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        os.close(ours)
        assert child.wait(5.0) == -signal.SIGKILL


def test_a_process_that_dies_is_said_and_the_next_request_works(start) -> None:
    states: list[State] = []
    errors: list[str] = []
    host = start("glossary", workspace=None, states=states, errors=errors)
    assert host.submit("count").result(20) == 0
    assert host.pid is not None
    os.kill(host.pid, signal.SIGKILL)
    wait_for(host, State.DEAD)
    assert "glossary process has ended (killed" in host.error
    assert "the next request starts it again" in host.error
    assert host.submit("count").result(20) == 0
    assert host.error == "" and host.state is State.READY
    assert len(errors) == 1
    assert states == [
        State.STARTING,
        State.BUSY,
        State.READY,
        State.DEAD,
        State.STARTING,
        State.BUSY,
        State.READY,
    ]


def test_a_process_that_cannot_start_is_said_with_its_last_words(start, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    host = start("glossary", workspace=None)
    with pytest.raises(HostDied, match=r"has ended \(exit code 1\).*glossary\.log") as told:
        host.submit("count").result(20)
    assert "encodings" in told.value.sentence
    assert "encodings" in (state_folder() / "glossary.log").read_text(encoding="utf-8")
    monkeypatch.delenv("PYTHONHOME")
    assert host.submit("count").result(20) == 0


def test_an_idle_process_ends_and_comes_back_when_asked(start) -> None:
    host = start("glossary", workspace=None, idle=0.3)
    assert host.submit("count").result(20) == 0
    pid = host.pid
    assert pid is not None
    wait_for(host, State.UNLOADED, 5.0)
    assert gone(pid, 1.0) and host.error == ""
    assert host.submit("count").result(20) == 0


def test_the_learner_ends_sooner_than_the_others(start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(IDLE_SECONDS, "learner", 0.1)
    host = start("learner", workspace=None)
    assert host.submit("learn").result(20) == (0, 0)
    wait_for(host, State.UNLOADED, 20.0)
    assert host.error == ""


def test_requests_that_meet_an_ending_process_go_to_the_next_one(start) -> None:
    host = start("glossary", workspace=None)
    assert host.submit("count").result(20) == 0
    pids = set()
    for _round in range(5):
        leaving = host._leave(cancel=False)
        answers = [host.submit("count") for _n in range(20)]
        assert [answer.result(20) for answer in answers] == [0] * 20
        pids.add(host.pid)
        leaving.result(10)
    assert len(pids) > 2


def test_the_event_loop_runs_on_while_a_process_starts_and_takes_a_large_request(
    space: Workspace, settings
) -> None:
    async def ask() -> tuple[float, object]:
        hosts, slowest = Hosts(settings, space), 0.0
        request = hosts["glossary"].submit("get", {"term_id": "가" * 5_000_000})
        before = time.perf_counter()
        while not request.done():
            await asyncio.sleep(0.002)
            slowest, before = max(slowest, time.perf_counter() - before), time.perf_counter()
        assert await request is None
        started = time.perf_counter()
        await hosts.close()
        assert time.perf_counter() - started < 3.0
        return slowest, hosts["glossary"].pid

    slowest, pid = asyncio.run(ask())
    assert slowest < 0.3 and pid is None


def test_an_abandoned_await_cancels_its_request(start) -> None:
    async def abandon() -> None:
        host = start("glossary")
        await host.request("count")
        task = asyncio.create_task(host.request("warm"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await host.request("count") == 5
        assert host.state is State.READY

    asyncio.run(abandon())


def test_a_closed_host_ends_what_it_was_doing(start) -> None:
    host = start("glossary")
    host.submit("count").result(20)
    waiting = [host.submit("warm") for _n in range(3)]
    pid = host.pid
    host.close()
    assert gone(pid, 1.0) and host.state is State.UNLOADED
    for request in waiting:
        with pytest.raises(RequestCancelled):
            request.result(1)
    with pytest.raises(RequestCancelled):
        host.submit("count").result(1)


def test_a_programming_error_is_a_sentence_here_and_a_traceback_in_the_log(start) -> None:
    host = start("glossary")
    with pytest.raises(FailedError, match="Unexpected error in the glossary process: ValueError"):
        host.submit("rows", {"offset": 0, "limit": 5, "sort": "colour"}).result(20)
    with pytest.raises(FailedError, match="has no request '_opened'"):
        host.submit("_opened").result(20)
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        host.submit("get", {"term_id": lambda: ""}).result(20)
    assert host.submit("count").result(20) == 5
    assert "Traceback" in (state_folder() / "glossary.log").read_text(encoding="utf-8")
