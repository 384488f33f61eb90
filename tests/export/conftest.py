"""kw-mini, adapters of it, and a model with a longer vocabulary, made once."""

from pathlib import Path
from typing import Any

import pytest

from engines.workspace import assets


@pytest.fixture(scope="session")
def base() -> Path:
    """The folder of the embedded model."""
    return assets() / "kw-mini"


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """A LoRA adapter of kw-mini that moves every linear layer, in a folder that names its base."""
    import json

    import torch
    from peft import LoraConfig, get_peft_model

    from engines.models.loading import load

    torch.manual_seed(5)
    model = load(base, device="cpu", dtype="float32").model
    config = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules="all-linear",
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    wrapped: Any = get_peft_model(model, config)
    for name, weight in wrapped.named_parameters():
        if "lora_" in name:
            weight.data *= 0.35
    folder = tmp_path_factory.mktemp("adapters") / "moved"
    wrapped.save_pretrained(str(folder))
    path = folder / "adapter_config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "base_model_name_or_path": "kw-mini"}), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def extended(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """kw-mini with a hundred terms of the demo as tokens of their own."""
    from engines.corpus.formats import examples_of, open_records
    from engines.tokenizer.build import Material, Wish, extend
    from glossary.exchange import read_terms

    demo = assets() / "demo"
    terms = [term.canonical for term in read_terms(demo / "glossary.jsonl").terms]
    records = examples_of(open_records(demo / "train.jsonl"), lambda _bad: None)
    texts = [example.text for example in records]
    folder = tmp_path_factory.mktemp("models") / "extended"
    material = Material(terms, lambda: iter(texts), texts[:200])
    extend(base, folder, material, Wish(budget=100))
    return folder
