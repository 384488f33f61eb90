"""New rows learn first, then the rest; what comes out is saved, merged and read back alike."""

from pathlib import Path
from typing import Any

import pytest

from engines.settings import load
from engines.tokenizer.build import Material, Wish, extend
from engines.training.new_rows import new_ids
from engines.training.recipe import checked
from engines.training.start import complete, prepare
from engines.training.worker import work
from glossary.errors import UserError
from tests.tiny import TEXTS, write_model
from tests.training.conftest import labeled, run_and_kill

TERMS = ["아세트아미노펜", "이부프로펜", "생리통", "현탁액", "소화불량"]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    base = write_model(folder / "tiny")
    material = Material(TERMS, lambda: TEXTS, ["가나다라 마바사", "이것은 글이다."])
    return extend(base, folder / "tiny-terms", material, Wish(growth=1.0)).path


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labeled(tmp_path_factory.mktemp("data") / "texts.jsonl")


def recipe(model: Path, data: Path, **changes: Any) -> Any:
    values = {
        "model": str(model),
        "data": {"sources": [{"file": str(data)}], "dev": {"split": "", "file": ""}},
        "optimisation": {"steps": 6, "batch_size": 4, "threads": 1, "learning_rate": 0.01},
        "saving": {"steps": 2, "log_steps": 1, "tensorboard": False},
        **changes,
    }
    values["data"]["dev_share"] = 0.0
    return complete(checked(values, "test"), load(None), None, Path.cwd())


def run(wanted: Any, out: Path) -> Path:
    end = work(prepare(wanted, out, None))
    assert end["state"] == "finished", end
    return out / "model"


def weights(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for file in sorted(path.glob("*.safetensors")):
        found |= load_file(file)
    return found


def test_in_the_first_stage_nothing_but_the_new_rows_moves(
    extended: Path, records: Path, tmp_path: Path
) -> None:
    wanted = recipe(extended, records, method="full", new_rows={"first": 1.0})
    before, after = weights(extended), weights(run(wanted, tmp_path / "run"))
    ids = new_ids(extended)
    assert len(ids) == len(TERMS)
    for name, tensor in before.items():
        if "embed_tokens" not in name:
            assert (after[name] == tensor).all(), name
            continue
        moved = (after[name] != tensor).any(dim=1).nonzero().flatten().tolist()
        assert set(moved) <= set(ids) and moved


def test_then_everything_learns_and_old_rows_stay_if_asked(
    extended: Path, records: Path, tmp_path: Path
) -> None:
    wanted = recipe(extended, records, method="full", new_rows={"first": 0.5, "only": True})
    before, after = weights(extended), weights(run(wanted, tmp_path / "run"))
    name = next(name for name in before if "embed_tokens" in name)
    moved = (after[name] != before[name]).any(dim=1).nonzero().flatten().tolist()
    assert set(moved) <= set(new_ids(extended)) and moved
    assert any((after[n] != before[n]).any() for n in before if "proj" in n)


def test_a_staged_run_that_was_killed_goes_on_bit_by_bit(
    extended: Path, records: Path, tmp_path: Path
) -> None:
    wanted = recipe(extended, records, method="full", new_rows={"first": 0.5})
    whole = weights(run(wanted, tmp_path / "whole"))
    run_and_kill(prepare(wanted, tmp_path / "cut", None), 3)
    resumed = weights(run(wanted, tmp_path / "cut"))
    assert all((resumed[name] == whole[name]).all() for name in whole)


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_adapters_with_new_rows_merge_save_and_load_alike(
    method: str, extended: Path, records: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from engines.models.loading import load as load_model

    lora = {"r": 4, "targets": "all-linear", "dropout": 0.0, "train_embeddings": True}
    wanted = recipe(extended, records, method=method, lora=lora, new_rows={"first": 0.5})
    adapter = run(wanted, tmp_path / "run")
    loaded = load_model(adapter, folders=[extended.parent])
    ids = torch.tensor([loaded.tokenizer("파스와 현탁액, 소화불량").input_ids])
    before = weights(extended)
    matrix = loaded.model.get_input_embeddings().weight
    assert matrix.data_ptr() == loaded.model.get_output_embeddings().weight.data_ptr()
    old = next(before[name] for name in before if "embed_tokens" in name)
    assert (matrix[new_ids(extended)] != old[new_ids(extended)]).any()
    with torch.no_grad():
        first = loaded.model(ids).logits
        loaded.model.save_pretrained(tmp_path / "merged")
        again = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
        assert torch.equal(again(ids).logits, first)
        assert torch.equal(load_model(adapter, folders=[extended.parent]).model(ids).logits, first)


def test_matrices_that_are_not_tied_are_both_taught(
    bpe: Path, records: Path, tmp_path: Path
) -> None:
    import torch

    from engines.models.loading import load as load_model

    material = Material(TERMS, lambda: TEXTS, ["가나다라 마바사", "이것은 글이다."])
    new = extend(bpe, tmp_path / "bpe-terms", material, Wish(growth=1.0)).path
    lora = {"r": 4, "targets": "all-linear", "dropout": 0.0, "train_embeddings": True}
    wanted = recipe(new, records, lora=lora, new_rows={"first": 0.5, "only": True})
    adapter = run(wanted, tmp_path / "run")
    loaded = load_model(adapter, folders=[tmp_path])
    ids, before = new_ids(new), load_model(new)
    for now, was in (
        (loaded.model.get_input_embeddings(), before.model.get_input_embeddings()),
        (loaded.model.get_output_embeddings(), before.model.get_output_embeddings()),
    ):
        moved = (now.weight != was.weight).any(dim=1).nonzero().flatten().tolist()
        assert moved and set(moved) <= set(ids)
    with torch.no_grad():
        tokens = torch.tensor([loaded.tokenizer("파스와 현탁액").input_ids])
        again = load_model(adapter, folders=[tmp_path]).model(tokens).logits
        assert torch.equal(loaded.model(tokens).logits, again)


def test_what_a_stage_cannot_do_is_a_sentence(
    extended: Path, records: Path, tmp_path: Path
) -> None:
    for number, (wanted, said) in enumerate(
        (
            (recipe(extended.parent / "tiny", records, method="full", new_rows={"first": 0.5}),
             "has no new tokens"),
            (recipe(extended, records, new_rows={"first": 0.5}), "train_embeddings = true"),
            (recipe(extended, records, method="full", new_rows={"only": True},
                    optimisation={"steps": 2, "weight_decay": 0.1}), "weight_decay = 0"),
        )
    ):  # fmt: skip
        end = work(prepare(wanted, tmp_path / f"run-{number}", None))
        assert end["state"] == "failed" and said in end["reason"], end
    with pytest.raises(UserError, match=r"new_rows\.first"):
        recipe(extended, records, new_rows={"first": 2})
