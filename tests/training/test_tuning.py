"""A model taught: by every method to its end, resumed bit by bit, usable at once."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from engines.events import read_events
from engines.settings import load
from engines.training.checkpoints import last_checkpoint, step_of
from engines.training.folder import RunFolder
from engines.training.recipe import checked, to_toml
from engines.training.start import complete, prepare
from engines.training.worker import work
from tests.training.conftest import run_and_kill

SMALL = {
    "seed": 3,
    "lora": {"r": 4, "targets": "all-linear", "dropout": 0.1},
    "optimisation": {"steps": 8, "batch_size": 4, "accumulation": 2, "threads": 1},
    "evaluation": {"steps": 4, "texts": 4},
    "saving": {"steps": 3, "log_steps": 1, "tensorboard": False},
}


def recipe_for(model: Path, data: Path, **changes: Any) -> Any:
    values = {"model": str(model), "data": {"sources": [{"file": str(data)}]}, **SMALL}
    for name, change in changes.items():
        merged = {**values.get(name, {}), **change} if isinstance(change, dict) else change
        values[name] = merged
    return complete(checked(values, "test"), load(None), None, Path.cwd())


def run(recipe: Any, out: Path, **options: Any) -> dict[str, Any]:
    return work(prepare(recipe, out, None), **options)


def weights(out: Path) -> str:
    path = next((out / "model").glob("*model.safetensors"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def events(out: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(out / "events.jsonl") if event["kind"] == kind]


@pytest.fixture(scope="session")
def whole_run(tiny_folder: Path, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lora") / "run"
    end = run(recipe_for(tiny_folder / "tiny", records), out)
    assert end["state"] == "finished", end
    return out


def test_lora_learns_and_its_adapter_answers_at_once(whole_run: Path, tiny_folder: Path) -> None:
    from engines.extraction.extractor import Extractor
    from engines.models.loading import load as load_model
    from engines.settings import StrategySettings

    losses = [event["loss"] for event in events(whole_run, "step")]
    assert losses[-1] < losses[0]
    assert {event["step"] for event in events(whole_run, "evaluation")} == {0, 4, 8}
    loaded = load_model(whole_run / "model", folders=[tiny_folder])
    extractor = Extractor("prompt", StrategySettings(), loaded=loaded)
    assert next(extractor.extract(["두통이 있을 때"])).valid
    card = (whole_run / "model" / "CARD.md").read_text()
    assert "lora of tiny" in card and "keyword F1" in card
    state = RunFolder(whole_run).read()
    assert state["best_step"] in (4, 8) and len(state["data_digest"]) == 64


def test_after_sigkill_a_resumed_lora_has_the_weights_of_an_uninterrupted_one(
    whole_run: Path, tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = recipe_for(tiny_folder / "tiny", records)
    run_and_kill(prepare(recipe, out, None), 5)
    reached = last_checkpoint(out / "checkpoints")
    assert reached is not None and step_of(reached) == 4
    assert run(recipe, out)["state"] == "finished"
    assert weights(out) == weights(whole_run)


def test_a_stop_file_saves_at_the_end_of_an_accumulated_step(
    whole_run: Path, tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = recipe_for(tiny_folder / "tiny", records)

    def stop_at_five(step: int, _steps: int) -> None:
        if step == 5:
            (out / "stop").touch()

    end = run(recipe, out, on_step=stop_at_five)
    saved = last_checkpoint(out / "checkpoints")
    assert end["state"] == "stopped" and end["step"] == 5
    assert saved is not None and step_of(saved) == 5
    assert run(recipe, out)["state"] == "finished"
    assert weights(out) == weights(whole_run)


def test_evaluation_changes_nothing(
    whole_run: Path, tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    often = recipe_for(tiny_folder / "tiny", records, evaluation={"steps": 2, "texts": 2})
    assert run(often, out)["state"] == "finished"
    last = [folder / "checkpoints" / "checkpoint-8" for folder in (out, whole_run)]
    ours, theirs = (path / "adapter_model.safetensors" for path in last)
    assert ours.read_bytes() == theirs.read_bytes()


def test_an_evaluation_leaves_four_bit_weights_and_their_gradient_alone(
    tiny_folder: Path, records: Path
) -> None:
    import torch

    from engines.training.base_model import load_base, tokenizer_for_training
    from engines.training.judge import preserved

    recipe = recipe_for(tiny_folder / "tiny", records, method="qlora")
    path = tiny_folder / "tiny"
    model = load_base(recipe, path, tokenizer_for_training(path))
    layer = model.model.layers[0].self_attn.q_proj
    x = torch.randn(2, 32, requires_grad=True)
    before = layer(x).detach()
    with preserved(model), torch.no_grad():
        model.eval()
        model(input_ids=torch.tensor([[2, 5, 6]]))
    model.train()
    after = layer(x)
    after.sum().backward()
    assert torch.equal(before, after) and x.grad is not None and x.grad.abs().sum() > 0


@pytest.mark.parametrize("method", ["qlora", "full"])
def test_the_other_methods_run_to_the_end(
    method: str, tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    from engines.models.loading import load as load_model

    recipe = recipe_for(
        tiny_folder / "tiny",
        records,
        method=method,
        optimisation={"steps": 4, "learning_rate": 1e-3},
        evaluation={"steps": 0, "per_epoch": 0},
    )
    end = run(recipe, tmp_path / "run")
    assert end["state"] == "finished", end
    losses = [event["loss"] for event in events(tmp_path / "run", "step")]
    assert losses[-1] < losses[0]
    start = events(tmp_path / "run", "start")[0]
    assert (start["trained"] == start["parameters"]) == (method == "full")
    assert load_model(Path(end["output"]), folders=[tiny_folder]).model is not None


def test_out_of_memory_halves_the_batch_and_keeps_the_steps(
    tiny_folder: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from engines.training.sft import AnswerTrainer

    plain = AnswerTrainer.compute_loss

    def small_memory(self: Any, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:
        if inputs["input_ids"].shape[0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return plain(self, model, inputs, *rest, **more)

    monkeypatch.setattr(AnswerTrainer, "compute_loss", small_memory)
    recipe = recipe_for(tiny_folder / "tiny", records, optimisation={"steps": 2})
    assert run(recipe, tmp_path / "run")["state"] == "finished"
    told = events(tmp_path / "run", "out_of_memory")
    assert told and told[0]["batch"] == 4 and told[0]["next_batch"] == 2
    assert events(tmp_path / "run", "step")[-1]["step"] == 2
    cannot = recipe_for(
        tiny_folder / "tiny", records, optimisation={"steps": 2, "halve_on_oom": False}
    )
    end = run(cannot, tmp_path / "other")
    assert end["state"] == "failed" and "Out of memory with a batch of 4" in end["reason"]


def test_a_loss_that_is_not_finite_ends_the_run_and_shows_the_batch(
    tiny_folder: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engines.training.sft import AnswerTrainer

    plain = AnswerTrainer.compute_loss

    def overflowing(self: Any, *rest: Any, **more: Any) -> Any:
        loss = plain(self, *rest, **more)
        return loss * float("inf") if self.state.global_step >= 3 else loss

    monkeypatch.setattr(AnswerTrainer, "compute_loss", overflowing)
    recipe = recipe_for(
        tiny_folder / "tiny",
        records,
        method="full",
        evaluation={"steps": 0, "per_epoch": 0},
    )
    end = run(recipe, tmp_path / "run")
    good = last_checkpoint(tmp_path / "run" / "checkpoints")
    assert good is not None and step_of(good) == 3
    assert end["state"] == "failed" and "not finite" in end["reason"]
    batch = json.loads(next((tmp_path / "run" / "not_finite").iterdir()).read_text())
    assert batch[0]["text_id"] and batch[0]["content"]


def test_a_full_disk_is_a_sentence_and_the_run_goes_on_later(
    tiny_folder: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from engines.training import sft

    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "checkpoint")

    recipe = recipe_for(tiny_folder / "tiny", records)
    with monkeypatch.context() as patch:
        patch.setattr(sft, "name_whole", full)
        end = run(recipe, tmp_path / "run")
    assert end["state"] == "failed" and "No space left" in end["reason"]
    assert last_checkpoint(tmp_path / "run" / "checkpoints") is None
    assert run(recipe, tmp_path / "run")["state"] == "finished"


def test_a_recipe_comes_back_from_its_toml(tiny_folder: Path, records: Path) -> None:
    import tomllib

    recipe = recipe_for(tiny_folder / "tiny", records)
    assert checked(tomllib.loads(to_toml(recipe)), "toml") == recipe
    assert recipe.prompt.settings and "키워드" in recipe.prompt.settings.template_text
