"""Saved checkpoints judged by a process of their own: the verdicts of judging in place."""

from pathlib import Path
from typing import Any

import pytest

from engines.training.scoring import SCORES, best_step
from tests.training.test_tuning import events, recipe_for, run


def judged(out: Path) -> dict[int, tuple[float, Any]]:
    return {e["step"]: (e["f1"], e["samples"]) for e in events(out, "evaluation")}


@pytest.mark.parametrize("method", ["full", pytest.param("lora", marks=pytest.mark.long)])
def test_a_process_of_its_own_judges_as_in_place_and_names_the_best(
    method: str, tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    ends = {}
    for separate in (False, True):
        out = tmp_path / f"separate-{separate}"
        recipe = recipe_for(
            tiny_folder / "tiny",
            records,
            method=method,
            optimisation={"learning_rate": 1e-3},
            evaluation={"separate": separate},
            saving={"keep": 4},
        )
        ends[separate] = run(recipe, out)
        assert ends[separate]["state"] == "finished", ends[separate]
    apart, inside = judged(tmp_path / "separate-True"), judged(tmp_path / "separate-False")
    # What only saving.steps saved is judged too.
    assert inside.keys() == {0, 4, 8} and apart.keys() == {0, 3, 4, 6, 8}
    assert {step: apart[step] for step in inside} == inside
    best = best_step(tmp_path / "separate-True")
    scores = {step: f1 for step, (f1, _samples) in apart.items() if step}
    assert best == ends[True]["best_step"] == min(scores, key=lambda s: (-scores[s], s))
    assert best_step(tmp_path / "separate-False") is None
    assert (tmp_path / "separate-True" / SCORES).exists()
