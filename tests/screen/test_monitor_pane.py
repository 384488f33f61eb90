"""The monitor: runs as they are on disk, curves, values, marks; and what is done to real runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.training import detached, runs
from engines.training.folder import RunFolder
from engines.training.queue import Queue
from engines.training.runs import look
from engines.workspace import Workspace
from tests.screen.conftest import Stage, perform
from tests.screen.training import enqueue, monitor_pane, write_run
from tests.training.scratch import prepared, write_recipe


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_runs_are_listed_with_the_truth_about_them(space: Workspace) -> None:
    write_run(space, "a-finished", created=1.0)
    write_run(space, "b-nan", state="running", done=100, nan_at=100, created=2.0)
    write_run(space, "c-gone", state="running", done=50, created=3.0, pid=2**22 + 1)
    write_run(space, "d-away", state="running", created=4.0, host="node7", pid=2**22 + 1)
    write_run(space, "e-queued", state="waiting", done=0, created=5.0)
    enqueue(space, "e-queued")

    async def story(stage: Stage) -> None:
        pane = await monitor_pane(stage)
        rows = {line.split()[0]: line for line in stage.text.splitlines() if "-" in line[:4]}
        shown = {row.run.id: pane.table.row(n) for n, row in enumerate(pane.found.rows)}
        words = {name: str(getattr(c[2], "plain", c[2])) for name, c in shown.items()}
        assert words == {
            "a-finished": "finished",
            "b-nan": "running",
            "c-gone": "interrupted",
            "d-away": "running",
            "e-queued": "held 1",
        }, rows
        assert str(getattr(shown["b-nan"][4], "plain", "")) == "nan"
        assert "waits for 22:00-08:00" in stage.text
        await stage.press("up", "end")
        await stage.until(lambda: pane.found.chosen.row.run.id == "a-finished")
        await stage.idle()
        assert "best F1 0.8751 at 150" in stage.text
        assert "^best" in stage.text

    perform(story, space)


def test_a_loss_that_is_no_number_is_shown_as_that(space: Workspace) -> None:
    write_run(space, "nan", state="running", done=100, nan_at=100)

    async def story(stage: Stage) -> None:
        await monitor_pane(stage)
        await stage.until(lambda: "loss nan" in stage.text)
        assert "not_finite/" in stage.text
        assert "!" in stage.text

    perform(story, space)


def test_events_that_come_are_seen_also_those_of_a_half_written_line(space: Workspace) -> None:
    folder = write_run(space, "run", state="running", done=100)

    async def story(stage: Stage) -> None:
        pane = await monitor_pane(stage)
        assert "0.5722" in stage.text
        line = json.dumps({"kind": "step", "step": 110, "steps": 200, "loss": 0.4321, "time": 1.0})
        with folder.events.open("a") as file:
            file.write(line[:20])
            file.flush()
            pane.look()
            await stage.idle()
            assert "0.4321" not in stage.text
            file.write(line[20:] + "\n")
        await stage.until(lambda: "0.4321" in stage.text)
        # A resume goes back to the checkpoint.
        back = {"kind": "step", "step": 60, "steps": 200, "loss": 0.9876, "time": 2.0}
        with folder.events.open("a") as file:
            file.write(json.dumps(back) + "\n")
        await stage.until(lambda: "0.9876" in stage.text)
        last = pane.found.chosen.curves["run"]["loss"][-1]
        assert last.last == 60

    perform(story, space)


def test_a_run_that_is_started_elsewhere_appears_and_its_end_rings(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        pane = await monitor_pane(stage)
        assert "No runs yet" in stage.text
        folder = write_run(space, "from-a-command", state="running", done=100)
        await stage.until(lambda: "from-a-command" in stage.text)
        rung: list[int] = []
        stage.app.bell = lambda: rung.append(1)  # type: ignore[method-assign]
        folder.write({**folder.read(), "state": "finished"})
        await stage.until(lambda: "from-a-command: finished" in stage.line)
        assert rung == [1]
        await stage.press("b")
        assert not pane.bell

    perform(story, space)


def test_a_run_outside_the_workspace_is_watched_too(space: Workspace, tmp_path: Path) -> None:
    elsewhere = Workspace.create(tmp_path / "elsewhere")
    folder = write_run(elsewhere, "far", state="stopped", done=50)

    async def story(stage: Stage) -> None:
        await monitor_pane(stage)
        await stage.press("o")
        await stage.type("nowhere")
        await stage.press("enter")
        assert "holds no run" in stage.text
        await stage.press(*["backspace"] * 7)
        await stage.paste(str(folder.path))
        await stage.press("enter")
        await stage.until(lambda: "step 50/200" in stage.text)

    perform(story, space)


def test_views_marks_zoom_and_search(space: Workspace) -> None:
    write_run(space, "one", created=2.0)
    write_run(space, "two", steps=100, created=1.0)

    async def story(stage: Stage) -> None:
        pane = await monitor_pane(stage)
        await stage.press("f")
        assert "precision" in stage.text
        await stage.press("space", "down", "space")
        await stage.until(lambda: "a two, b one" in stage.text)
        await stage.press("plus", "left", "m")
        assert pane.zoom == 2 and pane.shift == 0.5
        assert "smoothed 0.6" in stage.text
        await stage.press("tab")
        await stage.until(lambda: "labels" in stage.text)
        assert "missed: 정제" in stage.text
        await stage.press("tab")
        await stage.until(lambda: "last line" in stage.text)
        await stage.press("slash")
        await stage.type("traceback")
        await stage.press("enter")
        log = stage.app.query_one("#view-log")
        await stage.until(lambda: log.cursor == 1)  # type: ignore[attr-defined]
        await stage.press("tab")
        await stage.until(lambda: "main memory" in stage.text)
        await stage.press("tab")
        await stage.until(lambda: "best at step" in stage.text)

    perform(story, space)


def test_runs_with_long_names_are_compared_by_letters_a_page_at_a_time(space: Workspace) -> None:
    for number in range(3):
        write_run(space, f"20261125-101500-a-model-with-a-long-name-{number}", created=number)

    async def story(stage: Stage) -> None:
        await monitor_pane(stage)
        await stage.press("space", "down", "space", "down", "space", "shift+tab")
        await stage.until(lambda: "a  20261125-101500-a-model-with-a-long-name" in stage.text)
        assert "dev loss" in stage.text and "seconds" not in stage.text
        await stage.press("right")
        await stage.until(lambda: "seconds" in stage.text)
        await stage.press("left")
        await stage.until(lambda: "a  20261125" in stage.text)

    perform(story, space)


def test_the_queue_is_reordered_and_left_by_keys(space: Workspace) -> None:
    for number, name in enumerate(("a", "b")):
        write_run(space, name, state="waiting", done=0, created=float(number))
        enqueue(space, name)
    queue = Queue(space.runs)

    async def story(stage: Stage) -> None:
        pane = await monitor_pane(stage)
        assert pane.found.chosen.row.run.id == "b"
        await stage.press("left_square_bracket")
        await stage.until(lambda: [e.run for e in queue.read()] == ["b", "a"])
        await stage.idle()
        await stage.press("x")
        await stage.until(lambda: [e.run for e in queue.read()] == ["a"])
        await stage.press("H")
        await stage.until(lambda: "the queue is held" in stage.text)

    perform(story, space)


@pytest.fixture
def living(space: Workspace, tmp_path: Path) -> Iterator[RunFolder]:
    """A real run of this workspace that goes on for long."""
    recipe = write_recipe(tmp_path, tokens=100_000, save=1)
    folder = prepared(recipe, space.runs / "living")
    detached.start(folder)
    yield folder
    if folder.path.exists() and (run := look(folder)).alive:
        runs.stop_now(run)


# test_monitor_terminal.py has a real run in the normal tests.
@pytest.mark.long
def test_a_real_run_is_stopped_resumed_and_removed(space: Workspace, living: RunFolder) -> None:
    async def story(stage: Stage) -> None:
        await monitor_pane(stage)
        await stage.until(lambda: look(living).step > 2, 120)
        await stage.press("d")
        assert "stop it first" in stage.line
        await stage.press("s")
        assert "Save a checkpoint and end" in stage.text
        await stage.press("enter")
        await stage.until(lambda: look(living).state == "stopped")
        reached = look(living).checkpoint
        await stage.until(lambda: "stopped" in stage.text)
        await stage.press("r")
        await stage.until(lambda: look(living).step > reached, 120)
        await stage.press("s", "down", "enter")
        await stage.until(lambda: look(living).state == "stopped")
        await stage.idle()
        await stage.until(lambda: "stopped" in stage.text)
        await stage.press("d", "enter")
        assert living.path.exists(), "the first choice keeps it"
        await stage.press("d", "down", "enter")
        await stage.until(lambda: not living.path.exists())
        await stage.until(lambda: "No runs yet" in stage.text)

    perform(story, space)
