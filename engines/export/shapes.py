"""What llama.cpp wants to know of a model, by architecture: its numbers and its tensors' names.

After llama.cpp's own converter (`conversion/*.py`) and the loader that reads the result
(`src/llama-model.cpp`). What a loader takes for granted is checked here, so that no file is
written that would run wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.export.rope import Rope, read_rope
from glossary.errors import UserError
from glossary.i18n import _

# Layers whose attention has another scale in llama.cpp: the 27B models of Gemma 2 and 3.
_LARGEST = {"gemma2": 46, "gemma3": 62}
_LOCAL = "sliding_attention"


@dataclass(frozen=True, slots=True)
class Shape:
    """A model in GGUF's words.

    `norm_shift` is added to the weights of norms (Gemma stores them less one); `permuted`: rows of
    q and k are in the order of rotary halves and must be interleaved; `tied`: the output matrix is
    the embedding. Integers unless said otherwise.
    """

    arch: str
    layers: int
    width: int
    heads: int
    key_heads: int
    head: int
    feed_forward: int
    context: int
    epsilon: float
    rope: Rope
    tied: bool
    norm_shift: float = 0.0
    permuted: bool = False
    window: int = 0
    pattern: int = 0
    soft_caps: tuple[float, float] | None = None
    notes: tuple[str, ...] = field(default=())


def read_shape(config: Any, path: Path) -> Shape:
    """The shape of a transformers `config`; UserError for what llama.cpp would run otherwise."""
    text = config.get_text_config()
    family = str(text.model_type)
    if family not in _FAMILIES:
        message = _(
            "{path}: a model of the type {family} cannot be exported; these can: {known}. A folder "
            "of llama.cpp named in [export] llama_cpp brings its own converter."
        )
        known = ", ".join(sorted({name.removesuffix("_text") for name in _FAMILIES}))
        raise UserError(message.format(path=path, family=family, known=known))
    if getattr(config, "quantization_config", None):
        message = _("{path} holds quantised weights; export the full-precision model instead.")
        raise UserError(message.format(path=path))
    return _FAMILIES[family](text, path)


def _common(text: Any, arch: str, path: Path, **more: Any) -> Shape:
    heads = int(text.num_attention_heads)
    head = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    values: dict[str, Any] = {
        "arch": arch,
        "layers": int(text.num_hidden_layers),
        "width": int(text.hidden_size),
        "heads": heads,
        "key_heads": int(getattr(text, "num_key_value_heads", None) or heads),
        "head": head,
        "feed_forward": int(text.intermediate_size),
        "context": int(text.max_position_embeddings),
        "epsilon": float(text.rms_norm_eps),
        "rope": read_rope(text, head, path),
        "tied": bool(text.tie_word_embeddings),
    }
    return Shape(**(values | more))


def _llama(text: Any, path: Path) -> Shape:
    _expect(text, path, hidden_act="silu")
    window = int(getattr(text, "sliding_window", None) or 0)
    context = int(text.max_position_embeddings)
    notes: tuple[str, ...] = ()
    if 0 < window < context:
        # llama.cpp attends to everything in this architecture: the same up to the window.
        message = _("The context is {window} tokens, the model's attention window.")
        notes, context = (message.format(window=window),), window
    return _common(text, "llama", path, context=context, permuted=True, notes=notes)


def _qwen(arch: str) -> Callable[[Any, Path], Shape]:
    def read(text: Any, path: Path) -> Shape:
        _expect(text, path, hidden_act="silu", use_sliding_window=False)
        if arch == "qwen3":
            _expect(text, path, attention_bias=False)
        return _common(text, arch, path)

    return read


def _gemma(text: Any, path: Path) -> Shape:
    _expect_gelu(text, path)
    _expect(text, path, attention_bias=False, tie_word_embeddings=True)
    return _common(text, "gemma", path, norm_shift=1.0)


def _gemma2(text: Any, path: Path) -> Shape:
    _expect_gelu(text, path)
    _expect(text, path, attention_bias=False, tie_word_embeddings=True)
    if not (text.attn_logit_softcapping and text.final_logit_softcapping):
        raise _differs(path, "attn_logit_softcapping", None)
    caps = (float(text.attn_logit_softcapping), float(text.final_logit_softcapping))
    shape = _common(
        text, "gemma2", path, norm_shift=1.0, soft_caps=caps, window=int(text.sliding_window)
    )
    _check_scale(text, shape, path)
    if _period(text) != 2:
        raise _differs(path, "layer_types", list(text.layer_types))
    return shape


def _gemma3(text: Any, path: Path) -> Shape:
    _expect_gelu(text, path)
    _expect(
        text,
        path,
        attention_bias=False,
        attn_logit_softcapping=None,
        final_logit_softcapping=None,
        use_bidirectional_attention=False,
    )
    period = _period(text)
    if period is None:
        raise _differs(path, "layer_types", list(text.layer_types))
    window = int(text.sliding_window) if period != 1 else 0
    shape = _common(text, "gemma3", path, norm_shift=1.0, window=window, pattern=period)
    _check_scale(text, shape, path)
    return shape


_FAMILIES: Mapping[str, Callable[[Any, Path], Shape]] = {
    "llama": _llama,
    "mistral": _llama,
    "qwen2": _qwen("qwen2"),
    "qwen3": _qwen("qwen3"),
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
}


def _period(text: Any) -> int | None:
    """Every how many layers one attends to everything; 1: all do; None: no such order."""
    types = list(text.layer_types)
    full = [number for number, kind in enumerate(types) if kind != _LOCAL]
    if len(full) == len(types):
        return 1
    if not full:
        return len(types) + 1
    period = full[0] + 1
    wanted = [n for n in range(len(types)) if (n + 1) % period == 0]
    return period if full == wanted else None


def _check_scale(text: Any, shape: Shape, path: Path) -> None:
    """llama.cpp scales attention by the head, in the largest models by width over heads."""
    largest = _LARGEST[shape.arch] == shape.layers
    expected = shape.width / shape.heads if largest else shape.head
    given = float(text.query_pre_attn_scalar)
    if not math.isclose(given, expected):
        raise _differs(path, "query_pre_attn_scalar", text.query_pre_attn_scalar)


def _expect_gelu(text: Any, path: Path) -> None:
    name = getattr(text, "hidden_activation", None) or getattr(text, "hidden_act", None)
    if name not in ("gelu_pytorch_tanh", "gelu_new", "gelu_fast", None):
        raise _differs(path, "hidden_activation", name)


def _expect(text: Any, path: Path, **values: Any) -> None:
    for key, value in values.items():
        given = getattr(text, key, value)
        if given != value and (given or value):
            raise _differs(path, key, given)


def _differs(path: Path, key: str, given: Any) -> UserError:
    message = _("{path}/config.json: llama.cpp cannot run this model with {key} = {given}.")
    return UserError(message.format(path=path, key=key, given=given))
