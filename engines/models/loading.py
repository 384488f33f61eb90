"""A model folder as a model in memory: from safetensors only, never with code of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.models.registry import (
    check_folder,
    is_adapter,
    read_json,
    refuse_small_embedding,
    registered,
)
from glossary.errors import FailedError, UserError
from glossary.i18n import _

if TYPE_CHECKING:
    import torch

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclass(slots=True)
class LoadedModel:
    """A causal language model in evaluation mode with its tokenizer."""

    model: Any
    tokenizer: Any
    name: str
    path: Path
    device: torch.device
    dtype: torch.dtype


def load(
    path: Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    adapter: Path | None = None,
    folders: Iterable[Path | str] = (),
) -> LoadedModel:
    """Load the model folder `path`, with the PEFT `adapter` merged in when one is given.

    `path` may be an adapter itself; its base is then looked for in `folders`, and nowhere else.
    `device` auto: the GPU when there is one. `dtype` auto: bfloat16 on a GPU that has it, else
    float32. Raises UserError for everything that must not or cannot be loaded.
    """
    path = path.absolute()
    check_folder(path)
    if is_adapter(path):
        base = base_of(path, folders)
        return load(base, device=device, dtype=dtype, adapter=path)
    if adapter is not None:
        check_folder(adapter)
        if not is_adapter(adapter):
            raise UserError(_("{path} is a model, not an adapter.").format(path=adapter))
    place = _device(device)
    kind = _dtype(dtype, place)
    tokenizer = load_tokenizer(path if adapter is None else _tokenizer_of(adapter, path))
    model = _model(path, kind)
    if adapter is not None:
        model = _adapted(model, adapter, len(tokenizer))
    rows = model.get_input_embeddings().weight.shape[0]
    refuse_small_embedding(path, rows, highest_plain_token(tokenizer))
    model = _to_device(model, place, path).eval()
    return LoadedModel(model, tokenizer, (adapter or path).name, adapter or path, place, kind)


def load_tokenizer(path: Path) -> Any:
    """The tokenizer in a model folder; UserError when it cannot be read."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            str(path), trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # the Rust side raises bare exceptions
        message = _("The tokenizer in {path} cannot be loaded: {error}")
        raise UserError(message.format(path=path, error=_first_line(error))) from error


def highest_plain_token(tokenizer: Any) -> int:
    """The highest token id that ordinary text can give; special tokens do not count."""
    special = set(tokenizer.all_special_ids)
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special.update(number for number, token in added.items() if token.special)
    return max((n for n in tokenizer.get_vocab().values() if n not in special), default=-1)


def _model(path: Path, dtype: torch.dtype) -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    bars: Any = logging
    bars.disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(
            str(path),
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    except torch.OutOfMemoryError as error:
        raise FailedError(_no_memory(path)) from error
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, AttributeError) as error:
        message = _("The model in {path} cannot be loaded: {error}")
        raise UserError(message.format(path=path, error=_first_line(error))) from error


def _adapted(model: Any, adapter: Path, tokens: int) -> Any:
    from peft import PeftModel

    if tokens > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(tokens)
    try:
        wrapped = PeftModel.from_pretrained(model, str(adapter), is_trainable=False)
        return wrapped.merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        message = _("The adapter {path} does not fit its base model: {error}")
        raise UserError(message.format(path=adapter, error=_first_line(error))) from error


def base_of(adapter: Path, folders: Iterable[Path | str]) -> Path:
    """The folder of an adapter's base model: by path, beside the adapter, or by name; UserError."""
    named = str(read_json(adapter, "adapter_config.json").get("base_model_name_or_path") or "")
    if not named:
        message = _("{path}/adapter_config.json names no base model.")
        raise UserError(message.format(path=adapter))
    found = registered(named, folders)
    if found is None:
        message = _(
            "The base model {base} of the adapter {path} is in none of the model folders; put it "
            "there with `kwtui models add FOLDER`."
        )
        raise UserError(message.format(base=named, path=adapter))
    return found


def _tokenizer_of(adapter: Path, base: Path) -> Path:
    own = any((adapter / name).is_file() for name in _TOKENIZER_FILES)
    return adapter if own else base


def _device(device: str) -> torch.device:
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError:
        message = _("Unknown device {device}; use auto, cpu, cuda or cuda:N.")
        raise UserError(message.format(device=device)) from None
    missing = place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count()
    if missing or (place.type == "mps" and not torch.backends.mps.is_available()):
        message = _("There is no device {device} on this machine; use auto or cpu.")
        raise UserError(message.format(device=device))
    return place


def _dtype(dtype: str, device: torch.device) -> torch.dtype:
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype in known:
        return known[dtype]
    if dtype != "auto":
        message = _("Unknown dtype {dtype}; use auto, {known}.")
        raise UserError(message.format(dtype=dtype, known=", ".join(known)))
    # Gemma overflows in float16, so a GPU without bfloat16 computes in float32.
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def _to_device(model: Any, device: torch.device, path: Path) -> Any:
    import torch

    try:
        # A 4-bit model is placed where it was loaded and must not be moved.
        return model if getattr(model, "is_quantized", False) else model.to(device)
    except torch.OutOfMemoryError as error:
        raise FailedError(_no_memory(path)) from error


def _no_memory(path: Path) -> str:
    return _("{path} does not fit into memory; use a smaller model or another device.").format(
        path=path
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
