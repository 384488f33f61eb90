"""A model from nothing: made by the command, resumed as if nothing had happened."""

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from engines.events import EventLog, read_events
from engines.settings import Settings
from engines.training.checkpoints import is_whole, last_checkpoint, step_of, whole_checkpoints
from engines.training.folder import RunFolder
from engines.training.recipe import load_recipe
from engines.training.start import complete, prepare
from engines.training.worker import work
from glossary.errors import UserError
from tests.tiny import TEXTS
from tests.training.conftest import run_and_kill

RECIPE = """
method = "scratch"
name = "tiny"
model = {hidden_size = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16,
         intermediate_size = 32, context = 512}
data = {sources = [{file = "texts.jsonl"}]}
optimisation = {tokens = 30000, tokens_per_batch = 512, warmup_steps = 2, save_steps = 4,
                precision = "float32", threads = 1}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for text in TEXTS:
            word = text.split()[0][:2]
            row = {"text": text, "keywords": [word], "spans": [[0, 2, "X"]]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    path = folder / "recipe.toml"
    path.write_text(RECIPE.replace("\n         ", " ").replace("\n                ", " "))
    return path


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


def run_here(recipe: Path, out: Path) -> dict[str, Any]:
    """The same in this process: what is imported already need not be imported again."""
    whole = complete(load_recipe(recipe), Settings(), None, recipe.parent)
    return work(prepare(whole, out, None))


@pytest.fixture(scope="module")
def uninterrupted(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    assert run_here(recipe, out)["state"] == "finished"
    return out


def test_a_model_comes_out_that_loads(uninterrupted: Path) -> None:
    from engines.models.loading import load

    loaded = load(uninterrupted / "model")
    assert loaded.model.num_parameters() > 0
    kinds = [event["kind"] for event in read_events(uninterrupted / "events.jsonl")]
    assert kinds[0] == "start" and kinds[-1] == "end" and "checkpoint" in kinds
    assert (uninterrupted / "recipe.toml").is_file() and (uninterrupted / "log.txt").is_file()


def test_after_sigkill_the_weights_are_those_of_an_uninterrupted_run(
    recipe: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    whole = complete(load_recipe(recipe), Settings(), None, recipe.parent)
    run_and_kill(prepare(whole, out, None), 10)
    assert RunFolder(out).read()["state"] == "running"
    end = run_here(recipe, out)
    assert end["state"] == "finished" and weights(out) == weights(uninterrupted)


def test_sigterm_saves_at_the_end_of_a_step_and_the_run_goes_on_from_there(
    recipe: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    whole = complete(load_recipe(recipe), Settings(), None, recipe.parent)

    def at_seven(step: int, _steps: int) -> None:
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    end = work(prepare(whole, out, None), on_step=at_seven)
    saved = last_checkpoint(out / "checkpoints")
    assert end["state"] == "stopped" and end["step"] == 7
    assert saved is not None and step_of(saved) == 7
    assert run_here(recipe, out)["state"] == "finished"
    assert weights(out) == weights(uninterrupted)


def test_a_half_written_checkpoint_is_passed_over(uninterrupted: Path, tmp_path: Path) -> None:
    import shutil

    checkpoints = tmp_path / "checkpoints"
    shutil.copytree(uninterrupted / "checkpoints", checkpoints)
    whole = last_checkpoint(checkpoints)
    assert whole is not None and is_whole(whole)
    for name in ("model.safetensors", "optimizer.pt", "trainer_state.json"):
        torn = checkpoints / "checkpoint-9999"
        shutil.copytree(whole, torn)
        data = (torn / name).read_bytes()
        (torn / name).write_bytes(data[: len(data) // 2])
        assert not is_whole(torn) and last_checkpoint(checkpoints) == whole
        shutil.rmtree(torn)


def test_another_recipe_in_the_same_folder_is_refused(recipe: Path, uninterrupted: Path) -> None:
    changed = recipe.with_name("other.toml")
    changed.write_text(recipe.read_text().replace("30000", "40000"))
    with pytest.raises(UserError, match="another recipe"):
        run_here(changed, uninterrupted)


def test_an_event_cut_off_by_a_kill_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"kind": "step", "step": 1}\n{"kind": "st', encoding="utf-8")
    with EventLog(path) as events:
        events.write("step", step=2)
    assert [event["step"] for event in read_events(path)] == [1, 2]


def test_a_run_goes_on_from_the_weights_of_another(
    recipe: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    start = json.dumps(str(uninterrupted / "model"))
    again = recipe.with_name("again.toml")
    again.write_text(f"start = {start}\n" + recipe.read_text().replace("30000", "15000"))
    end = run_here(again, tmp_path / "run")
    assert end["state"] == "finished"
    for name in ("tokenizer.json", "tokenizer.model", "chat_template.jinja"):
        first = (uninterrupted / "model" / name).read_bytes()
        assert (tmp_path / "run" / "model" / name).read_bytes() == first
    losses = [
        next(e for e in read_events(out / "events.jsonl") if e["kind"] == "step")["loss"]
        for out in (uninterrupted, tmp_path / "run")
    ]
    assert losses[1] < losses[0]


def test_weights_of_another_shape_are_refused(
    recipe: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    start = json.dumps(str(uninterrupted / "model"))
    wider = recipe.with_name("wider.toml")
    wider.write_text(
        f"start = {start}\n" + recipe.read_text().replace("hidden_size = 32", "hidden_size = 64")
    )
    end = run_here(wider, tmp_path / "run")
    assert end["state"] == "failed"
    assert "hidden_size is 32, the recipe's is 64" in end["reason"]


def test_the_model_can_be_the_mean_of_the_last_checkpoints(
    recipe: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    mean = recipe.with_name("mean.toml")
    mean.write_text(recipe.read_text().replace("save_steps", "average_last = 3, save_steps"))
    assert run_here(mean, tmp_path / "run")["state"] == "finished"
    kept = whole_checkpoints(tmp_path / "run" / "checkpoints")
    assert len(kept) == 3
    saved = [load_file(path / "model.safetensors") for path in kept]
    made = load_file(tmp_path / "run" / "model" / "model.safetensors")
    for name, tensor in made.items():
        expected = torch.stack([tensors[name] for tensors in saved]).mean(0)
        assert torch.allclose(tensor, expected, atol=1e-6)
    assert weights(tmp_path / "run") != weights(uninterrupted)


def test_padding_on_the_right_leaves_the_loss_as_it_is(uninterrupted: Path) -> None:
    import numpy as np
    import torch

    from engines.models.loading import load
    from engines.training.callbacks import WeightedTrainer
    from engines.training.examples import Encoded, collate

    model = load(uninterrupted / "model").model

    def row(length: int) -> Encoded:
        ids = np.arange(10, 10 + length, dtype=np.int32)
        return Encoded(ids, np.ones(length, dtype=np.float32))

    class Bare(WeightedTrainer):
        def __init__(self) -> None:
            self.args: Any = type("Args", (), {"bf16": False})

    def loss(*lengths: int) -> float:
        with torch.no_grad():
            rows = collate([[row(length) for length in lengths]], 0)
            return float(Bare().compute_loss(model, rows))

    assert loss(9, 30) == pytest.approx((8 * loss(9) + 29 * loss(30)) / 37, rel=1e-5)
