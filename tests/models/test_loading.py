"""A folder becomes a model in memory, or a sentence."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.models.loading import load
from glossary.errors import UserError
from tests import tiny


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        result: torch.Tensor = model(input_ids=torch.tensor([[2, 30, 40, 50]])).logits
    return result


def write_adapter(base: Path, folder: Path, named: str) -> Path:
    """A LoRA adapter with weights that change the answers."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = get_peft_model(load(base, device="cpu").model, config)
    model.save_pretrained(folder)
    tiny.edit_json(folder / "adapter_config.json", base_model_name_or_path=named)
    return folder


def test_a_model_loads_with_its_tokenizer(good_model: Path) -> None:
    loaded = load(good_model, device="cpu")
    assert loaded.name == "tiny-gemma" and loaded.path == good_model
    assert loaded.dtype == torch.float32 and loaded.model.dtype == torch.float32
    assert not loaded.model.training
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("진통과 해열")).endswith("진통과 해열")
    assert load(good_model, device="cpu", dtype="bfloat16").model.dtype == torch.bfloat16


def test_what_cannot_be_loaded_is_a_sentence(model: Path) -> None:
    for device, dtype, words in (
        ("toaster", "auto", "Unknown device toaster"),
        ("cuda:7", "auto", "There is no device cuda:7"),
        ("cpu", "int3", "Unknown dtype int3"),
    ):
        with pytest.raises(UserError, match=words):
            load(model, device=device, dtype=dtype)
    (model / "tokenizer.json").write_text('{"added_tokens": [], "model": {}}')
    (model / "tokenizer.model").unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"tokenizer in .* cannot be loaded"):
        load(model, device="cpu")
    tiny.edit_json(model / "config.json", model_type="gemma99")
    shutil.copy(model / "config.json", model / "tokenizer_config.json")
    with pytest.raises(UserError, match="cannot be loaded"):
        load(model, device="cpu")


def test_a_folder_is_checked_before_it_is_loaded(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(UserError, match="only as a pickle"):
        load(model, device="cpu")


def test_an_adapter_is_merged_into_its_base(model: Path, tmp_path: Path) -> None:
    adapter = write_adapter(model, tmp_path / "models" / "lora", "tiny-gemma")
    base = load(model, device="cpu")
    merged = load(model, device="cpu", adapter=adapter)
    assert merged.name == "lora" and merged.path == adapter
    assert not torch.allclose(logits(base.model), logits(merged.model))
    by_name = load(adapter, device="cpu", folders=[model.parent])
    assert torch.equal(logits(by_name.model), logits(merged.model))


def test_an_adapter_without_its_base_or_with_pickles(model: Path, tmp_path: Path) -> None:
    adapter = write_adapter(model, tmp_path / "lora", "google/gemma-absent")
    with pytest.raises(UserError, match="base model google/gemma-absent of the adapter"):
        load(adapter, device="cpu", folders=[model.parent])
    with pytest.raises(UserError, match="is a model, not an adapter"):
        load(model, device="cpu", adapter=model)
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(UserError, match="only as a pickle"):
        load(model, device="cpu", adapter=adapter)
    config = adapter / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": ""}))
    (adapter / "adapter_model.bin").rename(adapter / "adapter_model.safetensors")
    with pytest.raises(UserError, match="names no base model"):
        load(adapter, device="cpu")


def test_an_adapter_of_other_sizes_does_not_fit(model: Path, tmp_path: Path) -> None:
    adapter = write_adapter(model, tmp_path / "lora", "tiny-gemma")
    other = tiny.random_model("gemma3_text", 490, hidden_size=48)
    other.save_pretrained(model)
    with pytest.raises(UserError, match="does not fit its base model"):
        load(model, device="cpu", adapter=adapter)
