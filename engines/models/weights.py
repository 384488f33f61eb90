"""What safetensors files hold, read from their headers: no tensor is loaded.

Format: https://github.com/huggingface/safetensors#format (8 bytes of length, a JSON header, data).
"""

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glossary.errors import UserError
from glossary.i18n import _

_INDEX = "model.safetensors.index.json"
_LARGEST_HEADER = 100_000_000
# NF4 with double quantisation: bytes a weight (Dettmers et al. 2023, arXiv:2305.14314, section 3).
_NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")


@dataclass(slots=True)
class Weights:
    """Bytes and parameters of a model's weights; `embeddings` is the vocabulary they cover.

    `unpacked` counts the parameters that stay in 16 bits when a model is loaded in four.
    """

    size: int = 0
    parameters: int = 0
    embeddings: int = 0
    unpacked: int = 0
    dtypes: Counter[str] = field(default_factory=Counter)

    @property
    def dtype(self) -> str:
        """The commonest type, such as "bfloat16"."""
        names = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
        common = self.dtypes.most_common(1)
        return names.get(common[0][0], common[0][0].lower()) if common else ""

    @property
    def four_bit_size(self) -> int:
        """Bytes of the weights when the linear layers are loaded in four bits."""
        return round((self.parameters - self.unpacked) * _NF4) + 2 * self.unpacked


def read_weights(folder: Path) -> Weights:
    """The weights in `folder`, all zero where there are none.

    UserError when a shard named in the index is missing, or a file is cut off or no safetensors.
    """
    _refuse_missing_shards(folder)
    weights = Weights()
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in _header(path).items():
            if name == "__metadata__":
                continue
            count = math.prod(tensor["shape"])
            weights.parameters += count
            weights.dtypes[tensor["dtype"]] += count
            if name.endswith((*_EMBEDDINGS, "lm_head.weight")) or len(tensor["shape"]) < 2:
                weights.unpacked += count
            if name.endswith(_EMBEDDINGS) and len(tensor["shape"]) == 2:
                weights.embeddings = int(tensor["shape"][0])
        weights.size += path.stat().st_size
    return weights


def _refuse_missing_shards(folder: Path) -> None:
    index = folder / _INDEX
    if not index.is_file():
        return
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError):
        message = _("{path} is broken; copy the model again.")
        raise UserError(message.format(path=index)) from None
    missing = sorted(shard for shard in shards if not (folder / str(shard)).is_file())
    if missing:
        message = _(
            "{path} is incomplete: {file} is missing ({count} of {total} shards); copy it as well."
        )
        raise UserError(
            message.format(path=folder, file=missing[0], count=len(missing), total=len(shards))
        )


def _header(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if start == b"version ":
                message = _("{path} is a Git LFS pointer, not the file itself; run `git lfs pull`.")
                raise UserError(message.format(path=path))
            if size < 8 or length > min(size - 8, _LARGEST_HEADER):
                raise UserError(_cut_off(path))
            header = json.loads(file.read(length))
        ends = [t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"]
    except OSError as error:
        message = _("Cannot read {path}: {error}.")
        raise UserError(message.format(path=path, error=error.strerror or error)) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(_cut_off(path)) from None
    if size < 8 + length + max(ends, default=0):
        raise UserError(_cut_off(path))
    return dict(header)


def _cut_off(path: Path) -> str:
    return _("{path} is cut off or no safetensors file; copy it again.").format(path=path)
