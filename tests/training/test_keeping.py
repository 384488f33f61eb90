"""Which checkpoints stay, and when a run has stood still long enough."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from engines.training.callbacks import CadenceCallback
from engines.training.checkpoints import (
    PARTIAL,
    last_checkpoint,
    rotate,
    step_of,
    whole_checkpoints,
)


def checkpoint(folder: Path, step: int) -> None:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "trainer_state.json").write_text("{}")


def test_the_best_and_the_last_stay(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20, 100):
        checkpoint(tmp_path, step)
    rotate(tmp_path, keep=2, best=10)
    assert [step_of(path) for path in whole_checkpoints(tmp_path)] == [10, 20, 100]
    rotate(tmp_path, keep=1, best=None)
    assert [step_of(path) for path in whole_checkpoints(tmp_path)] == [100]


def test_what_is_being_written_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path / PARTIAL, 10)
    (tmp_path / "checkpoint-15").mkdir()
    last = last_checkpoint(tmp_path)
    assert last is not None and step_of(last) == 5


@pytest.mark.parametrize(
    ("scores", "patience", "ends"),
    [
        ([0.1, 0.2, 0.3], 2, False),
        ([0.3, 0.2, 0.1], 2, True),
        ([0.3, 0.3, 0.3], 2, True),
        ([0.1, 0.3, 0.2], 2, False),
        ([0.3, 0.2], 2, False),
        ([0.3, 0.1, 0.1, 0.1], 0, False),
    ],
)
def test_a_run_ends_after_so_many_judgements_without_a_better_one(
    scores: list[float], patience: int, ends: bool
) -> None:
    callback = CadenceCallback(10, patience)
    history = [{"eval_f1": score, "step": n} for n, score in enumerate(scores)]
    state = SimpleNamespace(log_history=history, global_step=30, max_steps=90)
    control = SimpleNamespace(should_save=False, should_training_stop=False, should_evaluate=False)
    callback.on_step_end(None, state, control)
    callback.on_evaluate(None, state, control)
    assert control.should_evaluate and control.should_save
    assert control.should_training_stop is ends
