"""Rotary positions: base, scaling and factors, as config.json and as GGUF say them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glossary.errors import UserError
from glossary.i18n import _


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary positions; `local_base` is that of layers with a window.

    `scaling` is "", "linear" or "yarn" with `factor` over `original` tokens; `factors` divide the
    frequencies one by one (Llama 3).
    """

    base: float
    local_base: float = 0.0
    scaling: str = ""
    factor: float = 1.0
    original: int = 0
    factors: tuple[float, ...] = ()


def read_rope(text: Any, head: int, path: Path) -> Rope:
    """The positions of a text config whose heads are `head` wide; UserError for unknown ones."""
    values = dict(text.rope_parameters or {})
    local = values.get("sliding_attention") or {}
    full = values.get("full_attention") or values
    if local.get("rope_type", "default") != "default":
        raise _unknown(path, local["rope_type"])
    base = float(full.get("rope_theta") or 10_000.0)
    local_base = float(local.get("rope_theta") or 0.0)
    kind = str(full.get("rope_type") or "default")
    if full.get("partial_rotary_factor", 1.0) != 1.0:
        raise _unknown(path, f"partial_rotary_factor {full['partial_rotary_factor']}")
    if kind == "default":
        return Rope(base, local_base)
    if kind == "linear":
        return Rope(base, local_base, "linear", float(full["factor"]))
    if kind == "llama3":
        return Rope(base, local_base, factors=llama3_factors(full, head))
    if kind == "yarn" and not any(full.get(k) for k in ("mscale", "mscale_all_dim")):
        original = int(full.get("original_max_position_embeddings") or 0)
        return Rope(base, local_base, "yarn", float(full["factor"]), original)
    raise _unknown(path, kind)


def llama3_factors(values: dict[str, Any], head: int) -> tuple[float, ...]:
    """What each frequency is divided by (transformers' `_compute_llama3_parameters`)."""
    base, factor = float(values["rope_theta"]), float(values["factor"])
    low, high = float(values["low_freq_factor"]), float(values["high_freq_factor"])
    original = float(values["original_max_position_embeddings"])
    factors = []
    for pair in range(0, head, 2):
        length = 2 * math.pi * base ** (pair / head)
        if length < original / high:
            factors.append(1.0)
        elif length > original / low:
            factors.append(factor)
        else:
            smooth = (original / length - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return tuple(factors)


def _unknown(path: Path, kind: Any) -> UserError:
    message = _("{path}/config.json: llama.cpp cannot run this model with {key} = {given}.")
    return UserError(message.format(path=path, key="rope_parameters.rope_type", given=kind))
