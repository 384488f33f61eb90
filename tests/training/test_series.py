"""The curves of a run: opened at once however long it is, and right after every accident."""

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.children import python_environment
from engines.events import EventLog, EventTail
from engines.training.series import CAPACITY, Curve, Series


def event(step: int, loss: float, **more: Any) -> str:
    values = {"time": float(step), "kind": "step", "step": step, "steps": 10**6, "loss": loss}
    return json.dumps(values | more) + "\n"


def write(folder: Path, lines: str, mode: str = "a") -> None:
    with (folder / "events.jsonl").open(mode, encoding="utf-8") as file:
        file.write(lines)


@pytest.mark.parametrize(
    "count", [40_000, pytest.param(1_000_000, marks=pytest.mark.long, id="a million")]
)
def test_a_run_of_a_million_events_opens_in_under_a_second(tmp_path: Path, count: int) -> None:
    """The file that is opened is as large for forty thousand events as for a million."""
    with (tmp_path / "events.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(event(step, 2 + math.sin(step)) for step in range(count))
    series = Series(tmp_path)
    series.catch_up()
    series.write()
    write(tmp_path, event(count, 9.5))
    began = time.perf_counter()
    again = Series(tmp_path)
    again.catch_up()
    seconds = time.perf_counter() - began
    curve = again.curves["loss"]
    assert again.events == count + 1 and again.last_step == count
    assert seconds < 1.0, seconds
    assert len(curve.buckets) <= CAPACITY
    assert max(b.high for b in curve) == 9.5 and min(b.low for b in curve) < 1.001
    assert sum(b.count for b in curve) == count + 1
    assert series.path.stat().st_size < 200_000


def test_a_line_still_being_written_waits_for_its_end(tmp_path: Path) -> None:
    series = Series(tmp_path)
    assert series.catch_up() == []
    whole = event(1, 0.5)
    write(tmp_path, whole + whole[:20])
    assert [e["step"] for e in series.catch_up()] == [1]
    write(tmp_path, event(1, 0.5).replace('"step": 1,', '"step": 2,')[20:])
    assert [e["step"] for e in series.catch_up()] == [2]


def test_a_line_cut_off_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, event(1, 0.5) + '{"kind": "step", "st')
    with EventLog(tmp_path / "events.jsonl") as log:
        log.write("step", step=2, loss=0.25)
    series = Series(tmp_path)
    assert [e["step"] for e in series.catch_up()] == [1, 2]


def test_steps_that_go_back_after_a_resume_replace_the_lost_ones(tmp_path: Path) -> None:
    series = Series(tmp_path)
    write(tmp_path, "".join(event(s, 10.0 + s) for s in range(1, 9)))
    write(tmp_path, json.dumps({"kind": "evaluation", "step": 8, "f1": 0.9}) + "\n")
    series.catch_up()
    series.write()
    write(tmp_path, json.dumps({"kind": "start"}) + "\n")
    write(tmp_path, event(5, 1.0, time=1000.0) + event(6, 2.0, time=1002.0))
    series = Series(tmp_path)
    series.catch_up()
    means = {b.first: b.mean for b in series.curves["loss"]}
    assert means == {1: 11.0, 2: 12.0, 3: 13.0, 4: 14.0, 5: 1.0, 6: 2.0}
    assert not series.curves["f1"].buckets, "what was judged after the checkpoint comes again"
    assert series.steps_per_second() == 0.5, "the pace is that since the resume"


def test_a_loss_that_is_no_number_is_counted_and_not_drawn_as_zero(tmp_path: Path) -> None:
    write(tmp_path, event(1, math.nan) + event(2, math.inf) + event(3, 0.5))
    series = Series(tmp_path)
    series.catch_up()
    series.write()
    found = list(Series(tmp_path).curves["loss"])
    assert [(b.first, b.bad, b.count) for b in found] == [(1, 1, 0), (2, 1, 0), (3, 0, 1)]
    assert math.isnan(found[0].low) and math.isnan(found[0].mean) and found[2].mean == 0.5


def test_a_torn_series_file_and_another_event_file_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, "".join(event(s, 1.0) for s in range(100)))
    series = Series(tmp_path)
    series.catch_up()
    series.write()
    write(tmp_path, event(7, 3.0), mode="w")
    again = Series(tmp_path)
    assert [e["step"] for e in again.catch_up()] == [7] and again.events == 1
    series.path.write_text('{"format": 1, "offset": 3')
    again = Series(tmp_path)
    again.catch_up()
    assert again.events == 1
    # A file that is replaced while it is watched is read from its start.
    write(tmp_path, event(8, 3.0) + event(9, 1.0))
    again.catch_up()
    write(tmp_path, event(1, 3.0), mode="w")
    assert [e["step"] for e in again.catch_up()] == [1] and again.events == 1


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400))
def test_no_peak_is_lost_in_buckets(values: list[float]) -> None:
    curve = Curve()
    for step, value in enumerate(values):
        curve.add(step * 17, value)
    assert max(b.high for b in curve) == max(values)
    assert min(b.low for b in curve) == min(values)
    assert sum(b.count for b in curve) == len(values)
    ends = [(b.first, b.last) for b in curve]
    assert ends == sorted(ends) and len(ends) <= CAPACITY


def test_one_poll_reads_a_bounded_piece(tmp_path: Path) -> None:
    write(tmp_path, "".join(event(s, 1.0) for s in range(1000)))
    tail = EventTail(tmp_path / "events.jsonl")
    first = tail.poll(limit=1000)
    assert 0 < len(first) < 20
    assert len(tail.poll()) == 1000 - len(first)
    assert len(EventTail(tmp_path / "events.jsonl").poll(limit=10)) == 1, "a line at least"


def test_the_peak_of_a_run_is_not_that_of_the_program_that_started_it() -> None:
    ballast = bytearray(b"x" * (1536 * 2**20))
    code = "from engines.training.monitoring import peak_rss; print(peak_rss())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=python_environment(),
    )
    assert 50 * 2**20 < int(done.stdout) < len(ballast)
