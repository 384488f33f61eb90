"""An adapter merged into its full-precision base: a whole model that any program can load.

Merging is done in float32 and rounded once, when it is written. What was written is loaded again
and compared with the adapter over its base, so that a lost or untied matrix is seen here.
"""

from __future__ import annotations

import logging as quiet
import shutil
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.export.cards import CARD, ORIGIN, Made, card, gather, origin_json
from engines.export.staging import refuse_taken, staged
from engines.models.loading import base_of, load_tokenizer
from engines.models.registry import check_folder, is_adapter, read_json
from glossary.errors import FailedError, UserError
from glossary.i18n import _

Progress = Callable[[str, int, int], None]

DTYPES = ("auto", "float32", "bfloat16", "float16")
# Logits in float32 may differ by the order of sums; relative to the largest of them.
_NEAR = 1e-3
_SAMPLES = (
    "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다.",
    "아세트아미노펜 500mg을 하루 3회 복용한다.",
    "The gel contains ibuprofen (5 %), for adults only.",
    '["진통","해열"]',
)
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
_COPIED = ("tokenizer.model", "chat_template.jinja")


@dataclass(frozen=True, slots=True)
class Merged:
    """A whole model; `size` in bytes, `distance` the largest difference of a logit.

    `stop` are the tokens that end an answer. `adapter` is False when the model was whole already.
    """

    path: Path
    base: str
    adapter: bool
    dtype: str
    parameters: int
    size: int
    distance: float
    stop: tuple[str, ...]


def merge(
    source: Path,
    target: Path,
    *,
    folders: Iterable[Path | str] = (),
    dtype: str = "auto",
    workspace: Path | None = None,
    replace: bool = False,
    on_progress: Progress | None = None,
) -> Merged:
    """Write the model or adapter in `source` as the whole model `target`.

    `dtype` auto: that of the base's weights. UserError for what cannot be merged (nothing is
    written), FailedError when the result is not what the adapter over its base is.
    """
    _refuse_unknown(dtype)
    refuse_taken(target, replace=replace)
    source = source.absolute()
    check_folder(source)
    adapter = is_adapter(source)
    base = base_of(source, folders) if adapter else source
    weights = check_folder(base)
    _refuse_quantised(base)
    kind = (weights.dtype or "float32") if dtype == "auto" else dtype
    say = on_progress or (lambda _stage, _done, _total: None)
    say("load", 0, 3)
    tokenizer_folder = _with_tokenizer(source, base)
    tokenizer = load_tokenizer(tokenizer_folder)
    model, before = _merged(base, source if adapter else None, tokenizer)
    say("merge", 1, 3)
    title = _title(source, base, kind)
    made = gather(source, target.name, title, base=base, workspace=workspace)
    with staged(target, folder=True, replace=replace) as fresh:
        stop = _settle(model, tokenizer)
        _save(model, tokenizer, fresh, kind, tokenizer_folder)
        say("check", 2, 3)
        del model
        distance = _compare(fresh, tokenizer, before, kind)
        result = _result(fresh, target, base, adapter, kind, distance, stop)
        _write_card(fresh, made, result)
    say("check", 3, 3)
    return result


def _refuse_unknown(dtype: str) -> None:
    if dtype not in DTYPES:
        message = _("Unknown dtype {dtype}; use auto, {known}.")
        raise UserError(message.format(dtype=dtype, known=", ".join(DTYPES[1:])))


def _with_tokenizer(source: Path, base: Path) -> Path:
    """The adapter's own tokenizer, where it has one."""
    own = any((source / name).is_file() for name in _TOKENIZER_FILES)
    return source if own else base


def _title(source: Path, base: Path, kind: str) -> str:
    what = "A whole model"
    if base != source:
        what = f"The adapter {source.name}, merged into {base.name} in float32"
    return f"{what}, written as {kind}."


def _refuse_quantised(base: Path) -> None:
    if read_json(base, "config.json").get("quantization_config"):
        message = _(
            "{path} holds quantised weights; an adapter is merged into the full-precision model "
            "that they were made from. Put that model into a models folder."
        )
        raise UserError(message.format(path=base))


def _merged(base: Path, adapter: Path | None, tokenizer: Any) -> tuple[Any, list[Any]]:
    """The whole model in float32, and the logits of the samples before merging."""
    import torch

    from engines.models.loading import load

    # It says at import which of its kernels for 4 bits it lacks; nothing here has 4 bits.
    quiet.getLogger("bitsandbytes").setLevel(quiet.ERROR)
    warnings.simplefilter("ignore", FutureWarning)
    try:
        model = load(base, device="cpu", dtype="float32").model
        if adapter is None:
            return model, _logits(model, tokenizer)
        from peft import PeftModel

        if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
            model.resize_token_embeddings(len(tokenizer))
        wrapped = PeftModel.from_pretrained(model, str(adapter), is_trainable=False).eval()
        before = _logits(wrapped, tokenizer)
        return wrapped.merge_and_unload(), before
    except (MemoryError, torch.OutOfMemoryError) as error:
        message = _("{path} does not fit into memory in float32.")
        raise FailedError(message.format(path=base)) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        message = _("The adapter {path} does not fit its base model: {error}")
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(message.format(path=adapter or base, error=lines[0])) from error


def _logits(model: Any, tokenizer: Any) -> list[Any]:
    import torch

    with torch.inference_mode():
        return [
            model(torch.tensor([tokenizer(text)["input_ids"] or [0]])).logits[0].clone()
            for text in _SAMPLES
        ]


def _settle(model: Any, tokenizer: Any) -> tuple[str, ...]:
    """Give the model the special tokens of its tokenizer and the ends of an answer."""
    from transformers import GenerationConfig

    from engines.models.chat import render, stop_ids

    rendered = render(tokenizer, [{"role": "user", "content": "가"}])
    ends = stop_ids(tokenizer, rendered)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends or tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )
    text = model.config.get_text_config()
    text.vocab_size = model.get_input_embeddings().weight.shape[0]
    model.config.use_cache = True
    model.config.eos_token_id = ends or tokenizer.eos_token_id
    model.config.bos_token_id = tokenizer.bos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    return rendered.stop


def _save(model: Any, tokenizer: Any, fresh: Path, kind: str, tokenizer_folder: Path) -> None:
    import torch

    model.to(getattr(torch, kind)).save_pretrained(str(fresh), max_shard_size="5GB")
    tokenizer.save_pretrained(str(fresh))
    for name in _COPIED:
        if (tokenizer_folder / name).is_file() and not (fresh / name).is_file():
            shutil.copy2(tokenizer_folder / name, fresh / name)


def _compare(fresh: Path, tokenizer: Any, before: list[Any], kind: str) -> float:
    """The largest difference of a logit; FailedError when it is more than rounding."""
    from engines.models.loading import load

    after = _logits(load(fresh, device="cpu", dtype="float32").model, tokenizer)
    distance, largest = 0.0, 1e-6
    for one, other in zip(before, after, strict=True):
        width = min(one.shape[-1], other.shape[-1])
        distance = max(distance, float((one[..., :width] - other[..., :width]).abs().max()))
        largest = max(largest, float(one.abs().max()))
    if kind == "float32" and distance > _NEAR * largest:
        message = _(
            "The merged model differs from the adapter over its base: a logit by {distance}. "
            "Nothing was written."
        )
        raise FailedError(message.format(distance=f"{distance:.4g}"))
    return distance


def _result(
    fresh: Path,
    target: Path,
    base: Path,
    adapter: bool,
    kind: str,
    distance: float,
    stop: tuple[str, ...],
) -> Merged:
    weights = check_folder(fresh)
    return Merged(
        target, base.name, adapter, kind, weights.parameters, weights.size, distance, stop
    )


def _write_card(fresh: Path, made: Made, result: Merged) -> None:
    facts = {
        "parameters": f"{result.parameters:,}",
        "weights": f"{result.dtype}, {result.size / 1e6:,.1f} MB, safetensors",
        "an answer ends at": ", ".join(f"`{token}`" for token in result.stop),
        "largest difference of a logit": f"{result.distance:.3g}",
    }
    (fresh / CARD).write_text(card(made, facts), encoding="utf-8")
    more = {"merged": result.adapter, "dtype": result.dtype}
    (fresh / ORIGIN).write_text(origin_json(made, **more), encoding="utf-8")
