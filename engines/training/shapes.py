"""The shape of a model as numbers, from its config and the headers of its files: nothing loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engines.models.weights import read_weights
from glossary.errors import UserError
from glossary.i18n import _

# Families whose config leaves out that the output matrix is the embedding matrix.
_TIED = ("gemma", "gemma2", "gemma3", "gemma3_text")
_FOUR_NORMS = ("gemma2", "gemma3", "gemma3_text")
_HEAD_NORMS = ("gemma3", "gemma3_text", "qwen3")
_BIASES = ("qwen2",)
_HEAD_DIM_256 = ("gemma", "gemma2", "gemma3", "gemma3_text")


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder with gated feed-forward layers, as all current families are.

    `parameters` is what the files hold where there are files, else what the shape says. `norms`:
    RMS norms over the width in a layer; `head_norms`: over each head of queries and keys.
    """

    family: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    norms: int = 2
    head_norms: bool = False
    biases: bool = False
    softcap: bool = False
    parameters: int = 0

    @property
    def query(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """Width of all keys (and of all values) of a token."""
        return self.kv_heads * self.head_dim

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """The linear layers of one decoder layer: name to (inputs, outputs)."""
        return {
            "q_proj": (self.hidden, self.query),
            "k_proj": (self.hidden, self.keys),
            "v_proj": (self.hidden, self.keys),
            "o_proj": (self.query, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def layer_linear(self) -> int:
        """Weights in the linear layers of one decoder layer."""
        return sum(a * b for a, b in self.linears.values())

    @property
    def linear(self) -> int:
        """Weights in the linear layers of all decoder layers: what 4-bit loading packs."""
        return self.layers * self.layer_linear

    @property
    def embedding(self) -> int:
        """Weights of the embedding matrix."""
        return self.vocabulary * self.hidden

    @property
    def outside(self) -> int:
        """Weights that 4-bit loading leaves as they are: embeddings, output, norms, biases."""
        return self.total - self.linear

    @property
    def total(self) -> int:
        """All weights; tied matrices count once."""
        return self.parameters or self.counted

    @property
    def counted(self) -> int:
        """All weights by the shape alone."""
        matrices = self.embedding * (1 if self.tied else 2)
        norms = self.norms * self.hidden + (2 * self.head_dim if self.head_norms else 0)
        biases = self.query + 2 * self.keys if self.biases else 0
        return matrices + self.linear + self.layers * (norms + biases) + self.hidden

    def adapters(self, rank: int, targets: list[str] | str) -> int:
        """Weights of LoRA matrices of this rank on these linear layers (names or "all-linear")."""
        return self.layers * sum(
            rank * (a + b)
            for name, (a, b) in self.linears.items()
            if targets == "all-linear" or name in targets
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


def shape_of(folder: Path) -> Shape:
    """The shape of the model in `folder`; UserError when its config does not say it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = _("{path} cannot be read: {error}.")
        raise UserError(message.format(path=folder / "config.json", error=error)) from None
    if not isinstance(config, dict):
        raise UserError(_("{path} holds no JSON object.").format(path=folder / "config.json"))
    weights = read_weights(folder)
    vision = "vision_config" in config
    return shape_from(config, 0 if vision else weights.parameters, str(folder))


def shape_from(config: Mapping[str, Any], parameters: int = 0, origin: str = "config") -> Shape:
    """The shape that a transformers config describes; UserError where it names none."""
    text: Mapping[str, Any] = config.get("text_config") or config
    family = str(text.get("model_type") or config.get("model_type") or "")
    try:
        hidden, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
        shape = Shape(
            family=family,
            layers=int(text["num_hidden_layers"]),
            hidden=hidden,
            intermediate=int(text["intermediate_size"]),
            heads=heads,
            kv_heads=int(text.get("num_key_value_heads") or heads),
            head_dim=int(text.get("head_dim") or _head_dim(family, hidden, heads)),
            vocabulary=int(text["vocab_size"]),
            tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", False))),
            norms=4 if family in _FOUR_NORMS else 2,
            head_norms=family in _HEAD_NORMS,
            biases=family in _BIASES or bool(text.get("attention_bias")),
            softcap=bool(text.get("final_logit_softcapping")) or family == "gemma2",
            parameters=parameters,
        )
    except (KeyError, TypeError, ValueError) as error:
        message = _("{path}: the config does not say {key}; its memory cannot be foretold.")
        raise UserError(message.format(path=origin, key=error)) from None
    tied = text.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    if tied is None:
        from dataclasses import replace

        tied = family in _TIED
        if parameters:
            untied = replace(shape, tied=False, parameters=0).counted
            tied = parameters < untied - shape.embedding // 2
        return replace(shape, tied=bool(tied))
    return shape


def _head_dim(family: str, hidden: int, heads: int) -> int:
    return 256 if family in _HEAD_DIM_256 else hidden // heads


# Shapes of released models, by the configs that they were released with.
GEMMA_2B = Shape("gemma", 18, 2048, 16384, 8, 1, 256, 256_000, True)
GEMMA_2_2B = Shape("gemma2", 26, 2304, 9216, 8, 4, 256, 256_000, True, 4, softcap=True)
GEMMA_3_1B = Shape("gemma3_text", 26, 1152, 6912, 4, 1, 256, 262_144, True, 4, True)
MISTRAL_7B = Shape("mistral", 32, 4096, 14336, 32, 8, 128, 32_768, False)


def config_values(shape: Shape, layers: int | None = None) -> dict[str, Any]:
    """What a transformers config of this shape says; `layers`: other than the shape's own."""
    values = {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers if layers is None else layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "tie_word_embeddings": shape.tied,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    if shape.family == "qwen2":
        values.pop("head_dim")
    return values
