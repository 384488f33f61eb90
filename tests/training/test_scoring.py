"""Saved checkpoints judged by a process of their own: the verdicts of judging in place."""

import json
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from engines.events import read_events
from engines.training.callbacks import stands_still
from engines.training.checkpoints import step_of, whole_checkpoints
from engines.training.folder import RunFolder
from engines.training.scoring import SCORES, STARTS, Scorer, best_step
from tests.training.scratch import wait_until
from tests.training.test_tuning import events, recipe_for, run

# A rate that moves nothing: no judgement is better than the first.
STILL = {"learning_rate": 1e-12, "steps": 40, "accumulation": 1}


def judged(out: Path) -> dict[int, tuple[float, Any]]:
    return {e["step"]: (e["f1"], e["samples"]) for e in events(out, "evaluation")}


def losses(out: Path) -> dict[int, float]:
    return {e["step"]: e["loss"] for e in events(out, "evaluation")}


def scored(out: Path) -> set[int]:
    return {event["step"] for event in read_events(out / SCORES)}


def scorers() -> list[psutil.Process]:
    """The processes that judge for this one."""
    found = psutil.Process().children()
    return [process for process in found if "engines.training.scoring" in process.cmdline()]


def kill_the_judge() -> int:
    """End it and wait until it is dead; its run takes note of that."""
    (judge,) = scorers()
    judge.kill()
    wait_until(lambda: judge.status() == psutil.STATUS_ZOMBIE, what="it lives")
    return judge.pid


class SlowJudge:
    """Lets the judge of a run stand still until the training waits for it."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._thread = threading.Thread(target=self._wake)
        self.there: list[int] = []
        self.told = ""

    def stand_still(self, step: int, _steps: int) -> None:
        if step == 1:
            (self._judge,) = scorers()
            self._judge.suspend()
            self._thread.start()

    def _wake(self) -> None:
        try:
            wait_until(lambda: events(self._out, "waiting") != [], 200, "it never waits")
            found = whole_checkpoints(self._out / "checkpoints")
            self.there = [step_of(path) for path in found]
            self.told = RunFolder(self._out).read()["reason"]
        finally:
            self._judge.resume()

    def made_the_training_wait(self, end: dict[str, Any]) -> None:
        """With `saving.waiting` = 2 and `keep` = 1: before the third checkpoint, and said so."""
        self._thread.join()
        assert self.there == [3, 4] and "2 checkpoints" in self.told, (self.there, self.told)
        (waiting, *_), (waited, *_) = events(self._out, "waiting"), events(self._out, "waited")
        assert (waiting["step"], waiting["checkpoints"]) == (6, [3, 4]) and waited["step"] == 6
        assert "saving.waiting" in (self._out / "log.txt").read_text() and not end["reason"]
        best = end["best_step"]
        left = [step_of(path) for path in whole_checkpoints(self._out / "checkpoints")]
        assert set(left) >= {best, 8} and len(left) <= 1 + 1 + 2


@pytest.mark.parametrize("method", ["full", pytest.param("lora", marks=pytest.mark.long)])
def test_a_process_of_its_own_judges_as_in_place_and_names_the_best(
    method: str, tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    ends = {}
    for separate in (False, True):
        out = tmp_path / f"separate-{separate}"
        slow = SlowJudge(out)
        recipe = recipe_for(
            tiny_folder / "tiny",
            records,
            method=method,
            optimisation={"learning_rate": 1e-3},
            evaluation={"separate": separate},
            saving={"keep": 1, "waiting": 2},
        )
        ends[separate] = run(recipe, out, on_step=slow.stand_still if separate else None)
        assert ends[separate]["state"] == "finished", ends[separate]
    slow.made_the_training_wait(ends[True])
    apart, inside = judged(tmp_path / "separate-True"), judged(tmp_path / "separate-False")
    # What only saving.steps saved is judged too, and nothing was dropped before.
    assert inside.keys() == {0, 4, 8} and apart.keys() == {0, 3, 4, 6, 8}
    assert {step: apart[step] for step in inside} == inside
    told, own = losses(tmp_path / "separate-True"), losses(tmp_path / "separate-False")
    assert {step: told[step] for step in own} == pytest.approx(own, abs=2e-4)
    best = best_step(tmp_path / "separate-True")
    scores = {step: f1 for step, (f1, _samples) in apart.items() if step}
    assert best == ends[True]["best_step"] == min(scores, key=lambda s: (-scores[s], s))
    assert best_step(tmp_path / "separate-False") is None
    heard_late_after_a_kill(tmp_path / "separate-True")


def heard_late_after_a_kill(out: Path) -> None:
    """A verdict that the run did not live to hear is heard by its next start, and no other."""
    kept = [e for e in read_events(out / "events.jsonl") if e.get("step") != 8]
    (out / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in kept))
    heard: list[dict[str, Any]] = []
    scorer = Scorer(RunFolder(out), heard.append)
    assert scorer.poll() and [event["step"] for event in heard] == [8]
    assert sorted(scorer.scores) == [3, 4, 6, 8]
    scorer.close()
    assert scorers() == []


@pytest.mark.timeout(900)  # the judge is started twice, which takes minutes on a machine in use
def test_patience_hears_late_verdicts_and_a_judge_that_dies_is_started_again(
    tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    killed: list[int] = []

    def wait_for_the_last_verdict(step: int, _steps: int) -> None:
        due = step - 1 - (step - 1) % 2
        try:
            wait_until(lambda: due in scored(out), 400, f"no verdict on {due}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {(out / 'log.txt').read_text()[-2000:]}") from None
        if step == 3:
            killed.append(kill_the_judge())

    recipe = recipe_for(
        tiny_folder / "tiny",
        records,
        optimisation=STILL,
        evaluation={"separate": True, "steps": 2, "patience": 2, "texts": 2},
        saving={"steps": 1000},
    )
    end = run(recipe, out, on_step=wait_for_the_last_verdict)
    assert end["state"] == "finished", end
    # 2 is the best, 4 and 6 are no better; the verdict on 6 was there at step 7.
    assert end["step"] == 7 and end["best_step"] == 2
    assert killed and judged(out).keys() == {0, 2, 4, 6, 7}


def test_patience_in_place_ends_at_the_judgement(
    tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    recipe = recipe_for(
        tiny_folder / "tiny",
        records,
        optimisation=STILL,
        evaluation={"steps": 2, "patience": 2, "texts": 2},
    )
    end = run(recipe, tmp_path / "run")
    assert (end["state"], end["step"], end["best_step"]) == ("finished", 6, 2)


@pytest.mark.long
def test_a_judge_that_always_dies_fails_the_run_which_then_goes_on_to_its_end(
    tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = recipe_for(
        tiny_folder / "tiny", records, evaluation={"separate": True, "texts": 2, "steps": 4}
    )

    def spoil(step: int, _steps: int) -> None:
        if step == 1:
            written = (out / "recipe.toml").read_bytes()
            (out / "kept.toml").write_bytes(written)
            (out / "recipe.toml").write_text("no recipe")
            kill_the_judge()

    end = run(recipe, out, on_step=spoil)
    assert end["state"] == "failed" and f"{STARTS} times" in end["reason"], end
    assert scorers() == []
    (out / "kept.toml").replace(out / "recipe.toml")
    again = run(recipe, out)
    assert again["state"] == "finished" and again["step"] == 8
    # Those that waited were kept for it.
    assert judged(out).keys() == {0, 3, 4, 6, 8}


def test_scores_stand_still_after_as_many_no_better_ones_as_patience_says() -> None:
    assert stands_still([0.5, 0.5, 0.4], 2) and not stands_still([0.5, 0.5], 2)
    assert not stands_still([0.5, 0.4, 0.6], 2) and not stands_still([0.5, 0.4, 0.3], 0)
    assert not stands_still([], 1)
