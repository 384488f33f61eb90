"""The GPU benchmark of the preflight, tried in miniature where there is no GPU."""

import json
from pathlib import Path

import pytest

from engines.training.memory import Job, estimate
from tests.benchmarks.gpu import preflight_grid as grid


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_there_are_twenty_cells_that_an_h200_holds() -> None:
    assert len({cell.name for cell in grid.CELLS}) == 20
    assert {cell.model for cell in grid.CELLS} == set(grid.SHAPES)
    for cell in grid.CELLS:
        job = Job(
            cell.method,  # type: ignore[arg-type]
            cell.rows,
            cell.length,
            64,
            rank=16,
            dropout=0.05,
            checkpointing=cell.checkpointing,
            attention="eager" if cell.model == "gemma-2-2b" else "sdpa",
        )
        assert estimate(grid.SHAPES[cell.model], job).total < 79 * 2**30, cell.name


@pytest.mark.long
@pytest.mark.parametrize(
    "cell",
    [
        "gemma-3-1b-lora-4x1024",
        "gemma-2-2b-full-1x1024",
        "mistral-7b-qlora-4x1024-again",
        "gemma-2b-qlora-16x256",
    ],
)
def test_a_cell_runs_in_miniature_and_is_not_measured_twice(
    cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grid.jsonl"
    command = ["--dry-run", "--out", str(out), "--work", str(tmp_path / "work"), "--cell", cell]
    assert grid.main(command) == 0
    row = json.loads(out.read_text())
    assert row["cell"] == cell and "failed" not in row, row
    assert row["measured"] > 2**28 and row["foretold"] > 2**28
    before = out.read_text()
    assert grid.main(command) == 0 and out.read_text() == before
    assert "of 1" in capsys.readouterr().out and cell in out.with_suffix(".md").read_text()


def test_without_a_gpu_nothing_is_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if grid.hardware.gpus():
        pytest.skip("there is a GPU")
    assert grid.main(["--out", str(tmp_path / "grid.jsonl")]) == 0
    assert "no GPU" in capsys.readouterr().out and not (tmp_path / "grid.jsonl").exists()
