"""A merged model is the adapter over its base, whole, and says what it is."""

import json
import shutil
from pathlib import Path

import pytest

from engines.export.merge import merge
from engines.models.loading import load
from engines.workspace import assets
from glossary.errors import UserError
from tests.tiny import edit_json

TEXT = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."


def test_a_merged_adapter_answers_as_it_did(adapter: Path, tmp_path: Path) -> None:
    import torch

    made = merge(adapter, tmp_path / "whole", folders=[assets()])
    assert made.adapter and made.base == "kw-mini" and made.dtype == "float32"
    whole = load(made.path, device="cpu", dtype="float32")
    before = load(adapter, device="cpu", dtype="float32", folders=[assets()])
    ids = torch.tensor([before.tokenizer(TEXT)["input_ids"]])
    with torch.inference_mode():
        torch.testing.assert_close(
            whole.model(ids).logits, before.model(ids).logits, atol=1e-3, rtol=1e-4
        )
    tied = whole.model.get_output_embeddings().weight
    assert tied is whole.model.get_input_embeddings().weight
    assert whole.tokenizer(TEXT)["input_ids"] == before.tokenizer(TEXT)["input_ids"]


def test_it_comes_with_all_that_a_program_needs(adapter: Path, tmp_path: Path) -> None:
    made = merge(adapter, tmp_path / "whole", folders=[assets()])
    names = {path.name for path in made.path.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "tokenizer.model", "CARD.md"} <= names
    assert "adapter_config.json" not in names
    generation = json.loads((made.path / "generation_config.json").read_text())
    # The end of a turn first: what ends an answer.
    assert generation["eos_token_id"] == [5, 1]
    assert (made.path / "chat_template.jinja").read_text().count("<start_of_turn>") == 2
    card = (made.path / "CARD.md").read_text(encoding="utf-8")
    assert "cc-by-sa-4.0" in card and "kw-mini" in card and "transformers" in card


def test_the_card_tells_of_the_run_and_of_the_ladder(adapter: Path, tmp_path: Path) -> None:
    space = tmp_path / "space"
    source = space / "models" / "lora"
    shutil.copytree(adapter, source)
    told = {"run": "r-1", "method": "lora", "base": "kw-mini", "examples": 2000, "dev_f1": 0.9311}
    (source / "kwtui.json").write_text(json.dumps(told))
    (space / "runs" / "r-1").mkdir(parents=True)
    (space / "runs" / "r-1" / "recipe.toml").write_text('method = "lora"\n')
    (space / "reports" / "ladder").mkdir(parents=True)
    row = {"strategy": "lora", "model": "lora", "split": "test", "texts": 500}
    row |= {"scores": {"f1": 0.9}, "f1_low": 0.88, "f1_high": 0.92}
    (space / "reports" / "ladder" / "test.json").write_text(json.dumps({"rows": [row]}))
    made = merge(source, space / "models" / "whole", folders=[assets()], workspace=space)
    card = (made.path / "CARD.md").read_text(encoding="utf-8")
    for part in ("0.9311", "2000", 'method = "lora"', "lora: F1 0.900 (0.880 to 0.920)"):
        assert part in card
    assert json.loads((made.path / "kwtui.json").read_text())["run"] == "r-1"


def test_half_precision_is_rounded_once(adapter: Path, tmp_path: Path) -> None:
    import torch
    from safetensors import safe_open

    made = merge(adapter, tmp_path / "half", folders=[assets()], dtype="bfloat16")
    with safe_open(str(made.path / "model.safetensors"), framework="pt") as weights:
        name = "model.layers.0.mlp.up_proj.weight"
        found = weights.get_tensor(name)
    before = load(adapter, device="cpu", dtype="float32", folders=[assets()])
    exact = before.model.get_parameter(name).detach().to(torch.bfloat16)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, exact)


def test_a_quantised_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    base = tmp_path / "models" / "kw-mini"
    shutil.copytree(assets() / "kw-mini", base, ignore=shutil.ignore_patterns("data"))
    edit_json(base / "config.json", quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(UserError, match="full-precision model"):
        merge(adapter, tmp_path / "out", folders=[base.parent])
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_replaced_unasked(adapter: Path, tmp_path: Path) -> None:
    target = tmp_path / "whole"
    target.mkdir()
    (target / "mine").write_text("keep")
    with pytest.raises(UserError, match="--force"):
        merge(adapter, target, folders=[assets()])
    assert (target / "mine").read_text() == "keep"
    merge(adapter, target, folders=[assets()], replace=True)
    assert not (target / "mine").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


@pytest.mark.parametrize("tied", [True, False])
def test_trained_embeddings_are_merged_and_run(tied: bool, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from engines.export.gguf import check, export_gguf
    from engines.export.llamacpp import LlamaCpp

    torch.manual_seed(1)
    model = load(assets() / "kw-mini", device="cpu", dtype="float32").model
    config = LoraConfig(
        r=4,
        target_modules="all-linear",
        modules_to_save=["embed_tokens"],
        ensure_weight_tying=tied,
        task_type="CAUSAL_LM",
    )
    wrapped = get_peft_model(model, config)
    for name, weight in wrapped.named_parameters():
        if "modules_to_save" in name:
            weight.data += 0.05 * torch.randn_like(weight)
    source = tmp_path / "moved"
    wrapped.save_pretrained(str(source))
    edit_json(source / "adapter_config.json", base_model_name_or_path="kw-mini")
    made = merge(source, tmp_path / "whole", folders=[assets()])
    assert check(made.path).shape.tied is tied
    export_gguf(made.path, tmp_path / "whole.gguf", "f32")
    whole = load(made.path, device="cpu", dtype="float32")
    ids = whole.tokenizer(TEXT)["input_ids"]
    with torch.inference_mode():
        expected = int(whole.model(torch.tensor([ids])).logits[0, -1].argmax())
    with LlamaCpp(tmp_path / "whole.gguf", context=256, threads=1) as llama:
        assert llama.complete(ids, 1)[1] == [expected]
