"""Two processes over gloo compute what one process with twice the accumulation computes."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from engines.children import python_command, python_environment
from engines.training.folder import RunFolder
from engines.training.start import prepare
from tests.training.test_tuning import events, recipe_for, run


def run_as_two(recipe: Any, out: Path, port: int) -> dict[str, Any]:
    """Two processes of the run, started as a launcher starts them; what run.json says then."""
    folder = prepare(recipe, out, None)
    launcher = python_command(
        "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}", "-m"
    )
    done = subprocess.run(
        [*launcher, "engines.training.worker", str(folder.path)],
        env=python_environment() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    state = RunFolder(folder.path).read()
    assert done.returncode == 0 and state["state"] == "finished", done.stderr[-2000:]
    return state


@pytest.mark.long
def test_two_processes_have_the_losses_of_accumulation_two(
    tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    quiet = {"steps": 2, "texts": 4}
    no_dropout = {"r": 4, "targets": "all-linear", "dropout": 0.0}
    one = recipe_for(
        tiny_folder / "tiny",
        records,
        lora=no_dropout,
        optimisation={"steps": 4, "accumulation": 2},
        evaluation=quiet,
    )
    two = recipe_for(
        tiny_folder / "tiny",
        records,
        lora=no_dropout,
        optimisation={"steps": 4, "accumulation": 1},
        evaluation=quiet,
        launch={"processes": 2, "backend": "gloo"},
    )
    run_as_two(two, tmp_path / "two", 29671)
    assert run(one, tmp_path / "one")["state"] == "finished"
    assert [event["processes"] for event in events(tmp_path / "two", "processes")] == [2]
    ours, theirs = (
        [event["loss"] for event in events(tmp_path / name, "step")] for name in ("two", "one")
    )
    assert ours == pytest.approx(theirs, rel=1e-5)
    judged = [
        [(event["step"], event["f1"]) for event in events(tmp_path / name, "evaluation")]
        for name in ("two", "one")
    ]
    assert judged[0] == judged[1]


@pytest.mark.long
def test_two_processes_agree_to_end_by_the_verdicts_that_one_of_them_hears(
    tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    recipe = recipe_for(
        tiny_folder / "tiny",
        records,
        optimisation={"steps": 20_000, "accumulation": 1, "learning_rate": 1e-12},
        evaluation={"separate": True, "steps": 50, "patience": 1, "texts": 2},
        saving={"steps": 20_000, "keep": 400},
        launch={"processes": 2, "backend": "gloo"},
    )
    state = run_as_two(recipe, tmp_path / "run", 29673)
    assert 100 < state["step"] < 20_000 and state["best_step"] == 50
    assert events(tmp_path / "run", "evaluation")[-1]["step"] == state["step"]
