"""Formulas of memory against real models: weights, adapters, what autograd keeps."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.hardware import GIB
from engines.training.memory import Job, estimate, logit_bytes, saved_by_layer, weight_bytes
from engines.training.shapes import (
    GEMMA_2_2B,
    GEMMA_2B,
    GEMMA_3_1B,
    MISTRAL_7B,
    Shape,
    shape_from,
    shape_of,
)
from glossary.errors import UserError
from tests import tiny

FAMILIES = ("gemma", "gemma2", "gemma3_text", "mistral", "qwen2", "llama")


def gib(size: float) -> float:
    return round(size / GIB, 2)


# ---- weights


@pytest.mark.parametrize(
    ("shape", "bf16", "nf4", "full"),
    [
        (GEMMA_2B, 4.67, 1.93, 37.3),
        (GEMMA_2_2B, 4.87, 2.07, 39.0),
        (GEMMA_3_1B, 1.86, 0.90, 14.9),
    ],
)
def test_weights_are_those_that_were_measured(
    shape: Shape, bf16: float, nf4: float, full: float
) -> None:
    """Figures of released models: bfloat16, NF4 with double quantisation, 16 bytes a weight."""
    assert gib(weight_bytes(shape, Job("lora", 4, 1024, 64))) == bf16
    assert gib(weight_bytes(shape, Job("qlora", 4, 1024, 64))) == nf4
    trained = estimate(shape, Job("full", 1, 8, 1, accumulation=2))
    states = trained.weights + trained.gradients + trained.optimizer
    assert round(states / GIB, 1) == full
    assert gib(weight_bytes(MISTRAL_7B, Job("lora", 1, 1, 1))) == 13.5


def test_logits_of_a_large_vocabulary_never_stand_as_a_whole() -> None:
    """Batch 4 x 1024 over 256,000 words: 3.9 GiB a copy in float32; here a piece at a time."""
    whole = 4 * 1024 * GEMMA_2B.vocabulary * 4
    assert round(whole / GIB, 1) == 3.9
    assert logit_bytes(GEMMA_2B, Job("lora", 4, 1024, 1024)) < 0.4 * whole
    short = logit_bytes(GEMMA_2B, Job("lora", 4, 1024, 8))
    assert short < 0.2 * logit_bytes(GEMMA_2B, Job("lora", 4, 1024, 1024))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shape_counts_every_weight_of_a_real_model(family: str, tmp_path: Path) -> None:
    model = tiny.random_model(family, 77)
    model.save_pretrained(tmp_path)
    shape = shape_of(tmp_path)
    real = sum(p.numel() for p in model.parameters())
    assert shape.counted == shape.parameters == real
    # Without files the config alone says the same.
    config = json.loads((tmp_path / "config.json").read_text())
    assert shape_from(config).total == real
    linears = [m for n, m in model.named_modules() if n.endswith("_proj")]
    assert shape.linear == sum(m.weight.numel() for m in linears)


def test_adapters_are_counted_as_peft_makes_them() -> None:
    from peft import LoraConfig, get_peft_model

    for targets in (["q_proj", "v_proj"], "all-linear"):
        model = tiny.random_model("gemma", 77)
        shape = shape_from(model.config.to_dict())
        made = get_peft_model(model, LoraConfig(r=5, target_modules=targets, task_type="CAUSAL_LM"))
        assert shape.adapters(5, targets) == made.get_nb_trainable_parameters()[0]


def test_a_config_that_says_no_shape_is_refused_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="hidden_size"):
        shape_from({"model_type": "x"}, origin="config.json")
    with pytest.raises(UserError, match="cannot be read"):
        shape_of(tmp_path)


# ---- activations


def kept_by_autograd(model: Any, rows: int, length: int, *, bf16: bool) -> int:
    """Bytes of all that autograd keeps of a forward pass, parameters aside."""
    import torch

    own = {p.untyped_storage().data_ptr() for p in [*model.parameters(), *model.buffers()]}
    held: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        pointer = tensor.untyped_storage().data_ptr()
        if pointer not in own:
            held[pointer] = tensor
        return tensor

    ids = torch.randint(3, 70, (rows, length))
    mask = torch.ones_like(ids)
    mask[0, -3:] = 0
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        hidden = base.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False)
    assert hidden is not None
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


@pytest.mark.parametrize(
    ("family", "method", "bf16", "dropout", "targets"),
    [
        ("gemma", "lora", True, 0.1, ["q_proj", "k_proj", "v_proj"]),
        ("gemma", "full", True, 0.0, "all-linear"),
        ("gemma2", "lora", True, 0.0, ["q_proj", "k_proj", "v_proj"]),
        ("gemma3_text", "lora", False, 0.1, "all-linear"),
        ("gemma3_text", "lora", False, 0.0, "all-linear"),
        ("gemma3_text", "lora", False, 0.0, ["k_proj", "v_proj", "up_proj"]),
        ("gemma3_text", "full", False, 0.0, "all-linear"),
        ("mistral", "lora", True, 0.1, "all-linear"),
        ("mistral", "full", True, 0.0, "all-linear"),
    ],
)
def test_activations_are_what_autograd_keeps(
    family: str, method: Any, bf16: bool, dropout: float, targets: Any
) -> None:
    """Two layers more keep twice what the formula says of one, within two percent."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    rows, length = 3, 96
    size = {"hidden_size": 128, "intermediate_size": 352, "head_dim": 32, "vocab_size": 80}
    found = []
    dtype = torch.bfloat16 if bf16 and method == "lora" else torch.float32
    kind = "eager" if family == "gemma2" else "sdpa"
    shape = None
    for layers in (1, 3):
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": layers}
        config = AutoConfig.for_model(family, **size, **heads)
        shape = shape_from(config.to_dict())
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=kind)
        if method == "lora":
            lora = LoraConfig(
                r=8, lora_dropout=dropout, target_modules=targets, task_type="CAUSAL_LM"
            )
            model = get_peft_model(model, lora)
        found.append(kept_by_autograd(model.train(), rows, length, bf16=bf16))
    assert shape is not None
    # The first layer's norm has nothing to keep where embeddings are frozen: the third has.
    measured = (found[1] - found[0]) / 2
    cast = shape.layer_linear * 2 if method == "full" and bf16 else 0
    attention: Any = kind
    job = Job(
        method,
        rows,
        length,
        8,
        bf16=bf16,
        rank=8,
        targets=targets,
        dropout=dropout,
        attention=attention,
        gpu=False,
    )
    foretold = sum(saved_by_layer(shape, job).values()) + cast
    assert foretold == pytest.approx(measured, rel=0.02)


def test_what_saves_memory_saves_it_and_what_costs_it_costs_it() -> None:
    job = Job("lora", 8, 1024, 64, rank=8, dropout=0.1)
    total = estimate(GEMMA_2B, job).total
    for smaller in (
        replace(job, rows=4),
        replace(job, length=512),
        replace(job, checkpointing=True),
        replace(job, method="qlora"),
        replace(job, dropout=0.0),
        replace(job, attention="flash_attention_2"),
        replace(job, targets=["q_proj"]),
        replace(job, head=256),
    ):
        assert estimate(GEMMA_2B, smaller).total < total, smaller
    full = Job("full", 1, 512, 64)
    eight = replace(full, optimizer="adamw_8bit")
    assert estimate(GEMMA_2B, eight).total < estimate(GEMMA_2B, full).total - 10 * GIB
    # transformers keeps the states of embeddings in float32, whatever the weights are in.
    states = estimate(GEMMA_2B, eight).optimizer
    assert states > 8 * GEMMA_2B.embedding + 2 * (GEMMA_2B.total - GEMMA_2B.embedding)
    assert estimate(GEMMA_2B, replace(eight, pure_bf16=True)).optimizer == states
    shared = estimate(MISTRAL_7B, replace(full, ranks=4, sharded=True)).total
    assert shared < 0.45 * estimate(MISTRAL_7B, full).total


def test_an_evaluation_that_takes_more_than_a_step_is_foretold() -> None:
    small = Job("qlora", 1, 64, 8, checkpointing=True)
    long = replace(small, eval_rows=64, eval_length=4096, eval_new=256)
    found = estimate(MISTRAL_7B, long)
    assert found.moment == "evaluation" and found.evaluation > 4 * GIB
    assert found.total > estimate(MISTRAL_7B, small).total


def test_the_parts_are_the_whole() -> None:
    for method in ("qlora", "lora", "full"):
        found = estimate(GEMMA_2_2B, Job(method, 4, 512, 64))
        parts = found.weights + found.adapters + found.gradients + found.optimizer
        parts += found.activations + found.logits + found.temporary + found.evaluation
        assert parts == found.allocated
        assert found.total == parts + found.context + found.reserve
