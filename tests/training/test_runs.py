"""Runs outlive what started them, say the truth about themselves, and do as they are told."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.children import python_environment
from engines.training import detached, runs
from engines.training.checkpoints import last_checkpoint
from engines.training.folder import RunFolder, boot_id, process_start
from engines.training.liveness import is_process, whoami
from engines.training.runs import look
from engines.workspace import Workspace
from glossary.errors import UserError
from tests.conftest import Run
from tests.training.scratch import prepared, wait_until, write_recipe


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of this test only, and one thread a process."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def started() -> Iterator[list[RunFolder]]:
    """Folders whose runs are ended after the test, whatever became of it."""
    folders: list[RunFolder] = []
    yield folders
    for folder in folders:
        if folder.path.exists() and (run := look(folder)).alive:
            runs.stop_now(run)


def written(folder: RunFolder, **values: Any) -> RunFolder:
    """A run folder whose run.json a process of this very moment wrote."""
    folder.path.mkdir(parents=True)
    folder.recipe.write_text('method = "lora"\n')
    folder.write({**whoami(os.getpid()), "id": folder.path.name, "created": 1.0, **values})
    return folder


def test_a_run_outlives_its_terminal_and_its_parent_and_stops_and_resumes(
    workspace: Workspace, kwtui: Run, started: list[RunFolder], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, tokens=100_000, save=1)
    folder = RunFolder(workspace.runs / "long")
    started.append(folder)
    command = ["train", str(recipe), "-o", str(folder.path)]
    # A login on a terminal of its own: the terminal closes, and its session gets SIGHUP.
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(workspace.root)
        os.execve(
            sys.executable, [sys.executable, "-P", "-m", "kwtui", *command], python_environment()
        )
    wait_until(lambda: (folder.path / detached.LAUNCH).exists(), what="was not started")
    os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    os.waitpid(pid, 0)
    wait_until(lambda: last_checkpoint(folder.checkpoints), what="no checkpoint")

    run = look(folder)
    assert run.state == "running" and run.alive
    process = run.values["pid"]
    assert os.getsid(process) == process, "it is a session of its own"
    inputs = {str(Path(f"/proc/{process}/fd/{n}").readlink()) for n in range(3)}
    assert inputs == {"/dev/null", str(folder.log)}, "nothing is a terminal or a pipe"
    assert os.getpgid(process) == process != os.getpgid(0), "no signal to ours reaches it"

    shown = kwtui("runs", "list", "--json", cwd=workspace.root)
    row = json.loads(shown.stdout)["runs"][0]
    assert row["id"] == "long" and row["state"] == "running" and row["steps"] > 100

    stopped = kwtui("runs", "stop", "long", "--wait", "30", "--json", cwd=workspace.root)
    assert json.loads(stopped.stdout)["state"] == "stopped", stopped.stderr
    step = look(folder).step
    assert look(folder).checkpoint == step > 0, "it saved the step it ended with"

    assert kwtui("runs", "resume", "last", cwd=workspace.root).returncode == 0
    wait_until(lambda: look(folder).step > step, what="did not go on")
    ended = kwtui("runs", "stop", "long", "--now", "--json", cwd=workspace.root)
    assert json.loads(ended.stdout)["state"] == "stopped"
    values = look(folder).values
    assert not is_process(values["pid"], values["process_start"]), "no process is left"
    assert kwtui("runs", "rm", "long", cwd=workspace.root).returncode == 0
    assert not folder.path.exists()


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = whoami(child.pid)
    folder = written(RunFolder(tmp_path / "run"), **me, state="running", step=3)
    assert look(folder).state == "running"
    child.kill()
    wait_until(lambda: look(folder).state == "interrupted", 5, "a zombie passes for alive")
    child.communicate()
    assert look(folder).state == "interrupted" and not look(folder).alive


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_clock_that_is_set_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linux = pytest.importorskip("psutil._pslinux")
    folder = written(RunFolder(tmp_path / "run"), **whoami(os.getpid()), state="running")
    boot = linux.boot_time()
    monkeypatch.setattr(linux, "boot_time", lambda: boot + 3600)
    assert look(folder).state == "running"


def test_after_a_power_cut_nothing_runs(tmp_path: Path) -> None:
    folder = written(RunFolder(tmp_path / "run"), state="running", boot_id="another boot")
    assert look(folder).state == "interrupted"


def test_a_pid_that_was_given_to_another_process_is_not_the_run(tmp_path: Path) -> None:
    start = process_start(os.getpid()) - 100
    folder = written(RunFolder(tmp_path / "run"), state="running", process_start=start)
    assert look(folder).state == "interrupted"


def test_the_run_of_another_machine_is_never_called_interrupted(tmp_path: Path) -> None:
    folder = written(
        RunFolder(tmp_path / "run"),
        state="running",
        host="node7",
        boot_id="b",
        pid=2**22 + 1,
        heartbeat=time.time() - 900,
    )
    run = look(folder)
    assert run.state == "running" and run.elsewhere and not run.alive
    assert 890 < (run.silent_seconds or 0) < 1000
    with pytest.raises(UserError, match="node7"):
        runs.stop_now(run)
    assert runs.stop(run).state == "stopping", "it is asked through its folder"


def test_a_run_that_died_before_its_first_word_is_interrupted(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    written(folder, state="waiting")
    assert look(folder).state == "waiting"
    launch = {**whoami(os.getpid()), "pid": 2**22 + 1}
    (folder.path / detached.LAUNCH).write_text(json.dumps(launch))
    assert look(folder).state == "interrupted"
    (folder.path / detached.LAUNCH).write_text(json.dumps(whoami(os.getpid())))
    assert look(folder).state == "starting"


def test_runs_are_found_by_the_beginning_of_their_name(workspace: Workspace) -> None:
    for name in ("20261101-a", "20261102-b"):
        written(RunFolder(workspace.runs / name), state="finished", created=float(name[-3] == "2"))
    assert runs.find(workspace.runs, "20261101").id == "20261101-a"
    assert runs.find(workspace.runs, "last").id in ("20261101-a", "20261102-b")
    assert runs.find(None, str(workspace.runs / "20261102-b")).id == "20261102-b"
    with pytest.raises(UserError, match="may be each of"):
        runs.find(workspace.runs, "2026")
    with pytest.raises(UserError, match="20261102-b"):
        runs.find(workspace.runs, "x")


def test_a_broken_run_json_does_not_hide_the_others(workspace: Workspace, kwtui: Run) -> None:
    written(RunFolder(workspace.runs / "good"), state="finished")
    bad = RunFolder(workspace.runs / "bad")
    bad.path.mkdir()
    bad.state_file.write_text("{")
    (workspace.runs / ".queue").mkdir()
    states = {run.id: run.state for run in runs.list_runs(workspace.runs)}
    assert states == {"good": "finished", "bad": "broken"}
    listed = kwtui("runs", "list", cwd=workspace.root)
    assert listed.returncode == 0 and "bad" in listed.stdout and "good" in listed.stdout


def test_what_is_not_running_is_not_stopped_and_what_is_finished_not_resumed(
    tmp_path: Path,
) -> None:
    run = look(written(RunFolder(tmp_path / "run"), state="finished"))
    with pytest.raises(UserError, match="does not run"):
        runs.stop(run)
    with pytest.raises(UserError, match="finished"):
        runs.resume(run)
    alive = look(written(RunFolder(tmp_path / "alive"), state="running"))
    with pytest.raises(UserError, match="at work"):
        runs.remove(alive)
    with pytest.raises(UserError, match="at work"):
        runs.resume(alive)


def test_a_removal_that_was_cut_off_is_not_listed_and_swept(workspace: Workspace) -> None:
    left = workspace.runs / f"{runs.TRASH}-old-1"
    written(RunFolder(left), state="stopped")
    assert runs.list_runs(workspace.runs) == []
    runs.sweep(workspace.runs)
    assert not left.exists()


def test_a_run_is_told_from_what_its_worker_prints(tmp_path: Path) -> None:
    """A worker that cannot even start leaves its last words in the log, and no living run."""
    folder = prepared(write_recipe(tmp_path), tmp_path / "run")
    folder.recipe.write_text("method = 3\n")
    with pytest.raises(UserError):
        detached.start(folder)
    assert look(folder).state == "waiting" and boot_id() is not None
