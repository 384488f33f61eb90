"""SIGKILL at random moments: a run goes on from its last whole checkpoint, to the same weights."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engines.children import python_environment
from engines.training.folder import RunFolder
from engines.training.series import Series
from tests.training.scratch import write_recipe

ROOT = Path(__file__).resolve().parents[2]


def driven(recipe: Path, out: Path, seed: int, kills: int) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.forks", str(recipe), str(out), str(seed), str(kills)],
        env=python_environment() | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=out.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("seed", "kills"),
    [(1, 10), *(pytest.param(seed, 25, marks=pytest.mark.long) for seed in range(2, 6))],
)
def test_a_run_killed_again_and_again_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path, seed: int, kills: int
) -> None:
    recipe = write_recipe(tmp_path, tokens=25_000, save=3)
    starts = driven(recipe, tmp_path / "killed", seed, kills)
    deaths = [start for start in starts if start["killed"]]
    assert deaths and any(start["checkpoint"] for start in deaths), starts
    for start in deaths:
        assert start["state"] in ("interrupted", "waiting", "finished"), start
    assert not any(start["state"] == "running" for start in starts)
    steps = [start["checkpoint"] for start in starts]
    assert steps == sorted(steps), "no whole checkpoint is lost"
    assert starts[-1]["state"] == "finished"
    assert weights(tmp_path / "killed") == weights(tmp_path / "killed-whole")
    print(
        f"{len(deaths)} kills, checkpoints {steps}, half-written {sum(s['half'] for s in starts)}"
    )

    folder = RunFolder(tmp_path / "killed")
    series = Series(folder.path)
    series.catch_up()
    buckets = list(series.curves["loss"])
    firsts = [bucket.first for bucket in buckets]
    assert firsts == sorted(set(firsts)), "steps that came twice stand once"
