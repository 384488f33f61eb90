"""Every architecture gives the same greedy tokens in llama.cpp as in transformers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.export.gguf import export_gguf
from engines.export.llamacpp import LlamaCpp
from tests.export.shapes import SHAPES, write_shape
from tests.tiny import TEXTS

PROMPTS = 50
NEW = 12


# A step whose two best tokens lie closer is a toss of a coin: llama.cpp computes Gemma's GELU with
# a table of half-precision numbers, and sums of float32 depend on their order everywhere.
CLEAR = {"gemma": 0.02, "other": 1e-4}


def prompts() -> Iterator[str]:
    """Texts of different lengths, with digits, line ends and both scripts."""
    for number in range(4 * PROMPTS):
        one, other = TEXTS[number % len(TEXTS)], TEXTS[(3 * number + 1) % len(TEXTS)]
        yield f"{one[number % 7 :].lstrip()} {number}.{number * 37}\n{other[: 5 + number % 40]}"


def steps(model: Any, ids: list[int], new: list[int]) -> tuple[list[int], float]:
    """What transformers would write at each step of an answer, and the closest call among them."""
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([ids + new])).logits[0, len(ids) - 1 : -1]
    best = logits.topk(2).values
    return logits.argmax(-1).tolist(), float((best[:, 0] - best[:, 1]).min())


@pytest.mark.parametrize("name", SHAPES)
def test_greedy_tokens_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    from engines.models.loading import load

    folder = write_shape(name, tmp_path / name)
    path = tmp_path / "model.gguf"
    export_gguf(folder, path, "f32")
    loaded = load(folder, device="cpu", dtype="float32")
    clear = CLEAR["gemma" if name.startswith("gemma") else "other"]
    compared = 0
    with LlamaCpp(path, context=512, threads=1) as llama:
        for text in prompts():
            ids = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
            assert llama.tokens(text) == ids
            around = loaded.tokenizer(text, add_special_tokens=True)["input_ids"]
            assert llama.around(text) == around
            new = llama.complete(around, NEW)[1]
            expected, closest = steps(loaded.model, around, new)
            if closest >= clear:
                assert new == expected
                compared += 1
            if compared == PROMPTS:
                break
    assert compared == PROMPTS
