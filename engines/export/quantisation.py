"""How many bits each tensor gets, and llama.cpp's own functions that pack them.

The mixture of q4_k_m is that of `llama_tensor_get_type` in llama.cpp's `src/llama-quant.cpp`; the
numbers come out of ggml itself, which is inside the wheel of xllamacpp.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    import numpy as np

GGUFType = Literal["f32", "f16", "bf16", "q8_0", "q4_k_m"]
TYPES: tuple[GGUFType, ...] = get_args(GGUFType)
# `llama_ftype` of the whole file.
FILE_TYPES = {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q4_k_m": 15}
# Where a row does not divide into blocks, llama.cpp takes the next type that fits.
_FALLBACK = {"Q4_K": "Q5_0", "Q6_K": "Q8_0", "Q8_0": "F16", "Q5_0": "F16"}


def check_type(kind: str) -> GGUFType:
    """`kind` as one of `TYPES`; UserError otherwise, or when what it needs is missing."""
    if kind not in TYPES:
        message = _("Unknown type {kind}; there are {known}.")
        raise UserError(message.format(kind=kind, known=", ".join(TYPES)))
    if kind == "q4_k_m" and _library() is None:
        message = _(
            "q4_k_m needs llama.cpp's quantiser: install the extra with `pip install "
            "'kwtui[llamacpp]'`, or name a folder of llama.cpp in [export] llama_cpp."
        )
        raise UserError(message)
    return kind


def can_pack() -> bool:
    """Whether llama.cpp's own functions are here (the extra)."""
    return _library() is not None


def tensor_types(
    names: Sequence[tuple[str, tuple[int, ...]]], kind: GGUFType, *, tied: bool
) -> dict[str, str]:
    """The GGML type of each tensor (name in GGUF, shape) in a file of the type `kind`."""
    values = [name for name, _shape in names if name.endswith("attn_v.weight")]
    downs = [name for name, _shape in names if name.endswith("ffn_down.weight")]
    types = {}
    for name, shape in names:
        wanted = _wanted(name, kind, tied, values, downs) if _is_matrix(name, shape) else "F32"
        types[name] = _fitting(wanted, shape[-1])
    return types


def _is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and name.endswith("weight") and not name.endswith("_norm.weight")


def _wanted(name: str, kind: GGUFType, tied: bool, values: list[str], downs: list[str]) -> str:
    if kind != "q4_k_m":
        return kind.upper()
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        return "Q6_K"
    for group in (values, downs):
        if name in group and _more_bits(group.index(name), len(group)):
            return "Q6_K"
    return "Q4_K"


def _more_bits(layer: int, layers: int) -> bool:
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def _fitting(kind: str, columns: int) -> str:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    while columns % GGML_QUANT_SIZES[GGMLQuantizationType[kind]][0]:
        # The output matrix falls back to Q8_0 in llama.cpp, as Q6_K does.
        kind = _FALLBACK[kind]
    return kind


def pack(data: np.ndarray[Any, Any], kind: str) -> np.ndarray[Any, Any]:
    """float32 `data` (rows, columns) as the bytes of the GGML type `kind`."""
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    if kind in ("Q4_K", "Q5_0", "Q6_K"):
        return _ggml(data, GGMLQuantizationType[kind])
    packed: np.ndarray[Any, Any] = quantize(data, GGMLQuantizationType[kind])
    return packed


def packed_size(shape: tuple[int, ...], kind: str) -> tuple[tuple[int, ...], int]:
    """(shape in bytes, bytes) of a tensor of `shape` packed as `kind`; f32 and f16 keep theirs."""
    import math

    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    block, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    return (*shape[:-1], shape[-1] // block * size), math.prod(shape) // block * size


def _ggml(data: np.ndarray[Any, Any], kind: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    quantise = _library()
    assert quantise is not None
    rows, columns = data.shape
    data = np.ascontiguousarray(data, dtype=np.float32)
    out = np.empty(packed_size(data.shape, kind.name)[0], dtype=np.uint8)
    written = quantise(int(kind), data.ctypes.data, out.ctypes.data, 0, rows, columns, None)
    if written != out.nbytes:
        raise RuntimeError(f"ggml_quantize_chunk wrote {written} of {out.nbytes} bytes")
    return out


@cache
def _library() -> Callable[..., int] | None:
    """`ggml_quantize_chunk` of the llama.cpp inside xllamacpp; None where there is none.

    Declared in ggml.h: (type, float source, target, first, rows, columns, importances) -> bytes.
    """
    try:
        from xllamacpp import xllamacpp

        function = ctypes.CDLL(str(xllamacpp.__file__)).ggml_quantize_chunk
    except (ImportError, OSError, AttributeError):
        return None
    big, pointer = ctypes.c_int64, ctypes.c_void_p
    function.argtypes = [ctypes.c_int, pointer, pointer, big, big, big, pointer]
    function.restype = ctypes.c_size_t
    quantise: Callable[..., int] = function
    return quantise
