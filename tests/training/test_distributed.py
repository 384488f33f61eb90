"""Two processes over gloo compute what one process with twice the accumulation computes."""

import subprocess
from pathlib import Path

import pytest

from engines.children import python_command, python_environment
from engines.training.folder import RunFolder
from engines.training.start import prepare
from tests.training.test_tuning import events, recipe_for, run


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
    folder = prepare(two, tmp_path / "two", None)
    launcher = python_command(
        "torch.distributed.run", "--nproc-per-node=2", "--master-port=29671", "-m"
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
