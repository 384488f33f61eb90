"""The soak itself: its log says what may be, its checks find what is missing, a minute of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.acks import Acks, allowed, counts, findings
from tests.soak.grid import Grid
from tests.soak.memory import growth, leaks, peaks
from tests.soak.soaking import Length, soak
from tests.soak.verdict import compare


@pytest.fixture
def acks(tmp_path: Path) -> Acks:
    return Acks(tmp_path / "acks.jsonl")


def test_the_log_says_which_states_a_thing_may_have(acks: Acks) -> None:
    acks.settle(acks.attempt("term", "a", "one"), "done")
    acks.settle(acks.attempt("term", "a", "two"), "refused")
    acks.settle(acks.attempt("term", "b", "one"), "unknown")
    acks.settle(acks.attempt("term", "c", "one"), "unknown")
    acks.settle(acks.attempt("term", "c", "two"), "done")
    acks.attempt("term", "c", "three")
    found = allowed(acks.path)
    assert found[("term", "a")] == ["one"]
    assert found[("term", "b")] == [None, "one"]
    assert found[("term", "c")] == ["two", "three"]
    assert counts(acks.path)["changes"] == {"done": 2, "refused": 1, "unknown": 2}


def test_what_was_acknowledged_and_is_not_there_is_found(acks: Acks) -> None:
    acks.settle(acks.attempt("term", "a", "one"), "done")
    acks.settle(acks.attempt("term", "b", "one"), "unknown")
    acks.settle(acks.attempt("count", "ann", 3), "done")
    states = allowed(acks.path)
    assert compare(acks, states, "term", {"a": "one"}) == 2
    assert compare(acks, states, "count", {"ann": 3}) == 1
    assert findings(acks.path) == []
    compare(acks, states, "term", {"b": "one"})
    compare(acks, states, "count", {"ann": 2})
    lost, fewer = findings(acks.path)
    assert "term a is None" in lost and "count ann is 2" in fewer


def test_memory_is_compared_between_an_early_and_a_late_window() -> None:
    flat = [(1, 100 << 20)] * 20
    rising = [(1, (100 + n) << 20) for n in range(20)]
    step = [(1, 100 << 20)] * 10 + [(1, 150 << 20)] * 10
    found = growth({"flat": flat, "rising": rising, "step": step, "short": flat[:5]})
    assert set(found) == {"flat", "rising", "step"}
    assert found["flat"]["ratio"] == 1.0
    assert found["rising"]["ratio"] > 1.05 < found["step"]["ratio"]
    assert [name for name, row in found.items() if leaks(row)] == ["rising"]


def test_a_service_that_ends_after_its_work_is_told_by_peaks() -> None:
    sizes = {"learner": [(1, 90 << 20), (1, 200 << 20), (2, 210 << 20), (2, 80 << 20)] * 9}
    assert growth(sizes) == {}
    assert peaks(sizes | {"quick": [(3, 1 << 20)]}) == {"learner": [200, 210]}


def test_the_grid_is_what_stands_on_the_screen() -> None:
    grid = Grid(10, 3)
    written = "\x1b[2;1H\x1b[1m가나 0 done\x1b[0m\x1b[3;1Hlast\x1b[2;6H7".encode()
    for at in range(0, len(written), 3):
        grid.feed(written[at : at + 3])
    assert grid.text.split("\n") == ["", "가나 7 don", "last"]
    grid.feed(b"\x1b[3;3H\x1b[K\x1b]0;title\x07\r\x1b[Cx")
    assert grid.text.split("\n")[2] == "lx"


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_minute_of_storm_loses_nothing(tmp_path: Path) -> None:
    summary = soak(tmp_path / "out", "7", Length(60, pace=3, small=True))
    assert summary.findings == []
    assert summary.happened["kill"] and summary.happened["screen"] and summary.compared["terms"]
