"""A model folder as one GGUF file for llama.cpp, Ollama and what is built on them.

Weights pass through one tensor at a time, so a model need not fit into memory. Before anything is
written the config, the tokenizer and every matrix are compared.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.export.quantisation import (
    FILE_TYPES,
    GGUFType,
    check_type,
    pack,
    packed_size,
    tensor_types,
)
from engines.export.shapes import Shape, read_shape
from engines.export.staging import refuse_taken, staged
from engines.export.vocabulary import Vocabulary, read_vocabulary
from engines.models.registry import check_folder, is_adapter
from glossary.errors import FailedError, UserError
from glossary.i18n import _

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: `size` in bytes, `tensors` counted, `notes` a person should read."""

    path: Path
    type: GGUFType
    architecture: str
    size: int
    tensors: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor of the model and where it goes."""

    name: str
    target: str
    shape: tuple[int, ...]
    file: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked export: nothing in it can go wrong but the disk."""

    shape: Shape
    vocabulary: Vocabulary
    sources: tuple[Source, ...]


def export_gguf(
    folder: Path,
    target: Path,
    kind: str = "f16",
    *,
    replace: bool = False,
    on_progress: Progress | None = None,
) -> Exported:
    """Write the whole model in `folder` as the file `target` of the type `kind`.

    `on_progress` hears the stage, how many tensors are done, and of how many. Raises UserError
    for a model or type that cannot be exported (nothing is written), FailedError for the disk.
    """
    chosen = check_type(kind)
    refuse_taken(target, replace=replace)
    plan = check(folder)
    with staged(target, folder=False, replace=replace) as fresh:
        _write(plan, fresh, chosen, folder.name, on_progress)
        size = fresh.stat().st_size
    notes = plan.shape.notes
    return Exported(target, chosen, plan.shape.arch, size, len(plan.sources), notes)


def check(folder: Path) -> Plan:
    """Whether llama.cpp can run the model in `folder` as it is: the plan, or a UserError."""
    from transformers import AutoConfig

    from engines.models.loading import load_tokenizer

    folder = folder.absolute()
    weights = check_folder(folder)
    if is_adapter(folder):
        message = _("{path} is an adapter; `kwtui export merge` makes a whole model of it.")
        raise UserError(message.format(path=folder))
    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    shape = read_shape(config, folder)
    sources = tuple(_sources(folder, shape))
    embedding = next((s for s in sources if s.target == "token_embd.weight"), None)
    if embedding is None:
        message = _("{path}: the weights have no embedding matrix.")
        raise UserError(message.format(path=folder))
    rows = embedding.shape[0]
    _check_rows(folder, config.get_text_config().vocab_size, rows, weights.embeddings)
    _check_sizes(folder, shape, sources, rows)
    vocabulary = read_vocabulary(load_tokenizer(folder), rows, folder)
    return Plan(shape, vocabulary, sources)


def _sources(folder: Path, shape: Shape) -> Iterator[Source]:
    """Every tensor that GGUF wants, in the order of the files."""
    from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map
    from safetensors import safe_open

    arch = next(a for a, name in MODEL_ARCH_NAMES.items() if name == shape.arch)
    assert isinstance(arch, MODEL_ARCH)
    names = get_tensor_name_map(arch, shape.layers)
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no dictionary
                plain = name.replace("language_model.", "")
                if _left_out(plain, shape):
                    continue
                target = names.get_name(plain, try_suffixes=(".weight", ".bias"))
                if target is None:
                    message = _("{path}: llama.cpp has no place for the tensor {name}.")
                    raise UserError(message.format(path=file, name=name))
                yield Source(name, target, tuple(tensors.get_slice(name).get_shape()), file)


def _left_out(name: str, shape: Shape) -> bool:
    """Vision parts, rotary buffers, and an output matrix that is the embedding again."""
    vision = ("vision_tower.", "multi_modal_projector.", "vision_model.")
    if any(part in name for part in vision) or name.endswith("rotary_emb.inv_freq"):
        return True
    return shape.tied and name == "lm_head.weight"


def _check_rows(folder: Path, config: int, rows: int, _embeddings: int) -> None:
    if config != rows:
        message = _(
            "{path}: config.json says vocab_size {config}, the embedding has {rows} rows; the "
            "model was not saved after its vocabulary changed."
        )
        raise UserError(message.format(path=folder, config=config, rows=rows))


def _check_sizes(folder: Path, shape: Shape, sources: tuple[Source, ...], rows: int) -> None:
    """Every matrix has the size that the config says, and none is missing."""
    found = {source.target: source.shape for source in sources}
    for target, size in _expected(shape, rows).items():
        if target not in found:
            message = _("{path}: the weights lack {name}.")
            raise UserError(message.format(path=folder, name=target))
        if found[target] != size:
            message = _("{path}: {name} is {given}, and config.json asks for {wanted}.")
            given, wanted = (" x ".join(map(str, s)) for s in (found[target], size))
            raise UserError(message.format(path=folder, name=target, given=given, wanted=wanted))
    layers = {t.split(".")[1] for t in found if t.startswith("blk.")}
    if len(layers) != shape.layers:
        message = _("{path}: config.json counts {wanted} layers, the weights have {given}.")
        raise UserError(message.format(path=folder, wanted=shape.layers, given=len(layers)))


def _expected(shape: Shape, rows: int) -> dict[str, tuple[int, ...]]:
    query, key = shape.heads * shape.head, shape.key_heads * shape.head
    wide, deep = shape.width, shape.feed_forward
    sizes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (rows, wide),
        "output_norm.weight": (wide,),
    }
    if not shape.tied:
        sizes["output.weight"] = (rows, wide)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        sizes |= {
            f"{block}attn_norm.weight": (wide,),
            f"{block}attn_q.weight": (query, wide),
            f"{block}attn_k.weight": (key, wide),
            f"{block}attn_v.weight": (key, wide),
            f"{block}attn_output.weight": (wide, query),
            f"{block}ffn_norm.weight": (wide,),
            f"{block}ffn_gate.weight": (deep, wide),
            f"{block}ffn_up.weight": (deep, wide),
            f"{block}ffn_down.weight": (wide, deep),
        }
    return sizes


def _write(plan: Plan, path: Path, kind: GGUFType, name: str, on_progress: Progress | None) -> None:
    import gguf

    logging.getLogger("gguf").setLevel(logging.ERROR)
    shape = plan.shape
    types = tensor_types([(s.target, s.shape) for s in plan.sources], kind, tied=shape.tied)
    with closing(gguf.GGUFWriter(path, shape.arch)) as writer:
        _metadata(writer, plan, kind, name)
        if shape.rope.factors:
            size = len(shape.rope.factors)
            writer.add_tensor_info("rope_freqs.weight", (size,), _float32(), 4 * size)
        for source in plan.sources:
            _announce(writer, source, types[source.target])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        _write_tensors(writer, plan, types, on_progress)


def _write_tensors(
    writer: Any, plan: Plan, types: dict[str, str], on_progress: Progress | None
) -> None:
    import numpy as np
    from safetensors import safe_open

    if plan.shape.rope.factors:
        writer.write_tensor_data(np.array(plan.shape.rope.factors, dtype=np.float32))
    with ExitStack() as stack:
        files = {
            file: stack.enter_context(safe_open(str(file), framework="pt"))
            for file in {source.file for source in plan.sources}
        }
        for done, source in enumerate(plan.sources, start=1):
            tensor = _turned(files[source.file].get_tensor(source.name), source, plan.shape)
            writer.write_tensor_data(pack(tensor.numpy(), types[source.target]))
            if on_progress is not None:
                on_progress("write", done, len(plan.sources))


def _announce(writer: Any, source: Source, kind: str) -> None:
    import gguf
    import numpy as np

    sized, size = packed_size(source.shape, kind)
    if kind in ("F32", "F16"):
        writer.add_tensor_info(source.target, source.shape, np.dtype(f"float{kind[1:]}"), size)
        return
    number = gguf.GGMLQuantizationType[kind]
    writer.add_tensor_info(source.target, sized, np.dtype(np.uint8), size, number)


def _float32() -> Any:
    import numpy as np

    return np.dtype(np.float32)


def _turned(tensor: torch.Tensor, source: Source, shape: Shape) -> torch.Tensor:
    """A weight as llama.cpp computes with it, in float32."""
    import torch

    if not tensor.is_floating_point():
        message = _("{path} holds quantised weights; export the full-precision model instead.")
        raise UserError(message.format(path=source.file))
    tensor = tensor.to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        message = _("{path}: {name} holds numbers that are not finite; training went wrong.")
        raise FailedError(message.format(path=source.file, name=source.name))
    if source.target.endswith("norm.weight"):
        return tensor + shape.norm_shift
    kind = source.target.split(".")[-2]
    if shape.permuted and kind in ("attn_q", "attn_k"):
        heads = shape.heads if kind == "attn_q" else shape.key_heads
        halves = tensor.reshape(heads, 2, shape.head // 2, *tensor.shape[1:])
        tensor = halves.swapaxes(1, 2).reshape(tensor.shape)
    return tensor.contiguous()


def _metadata(writer: Any, plan: Plan, kind: GGUFType, name: str) -> None:
    shape = plan.shape
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(2)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(len(plan.vocabulary.tokens))
    _positions(writer, shape)
    if shape.soft_caps:
        writer.add_attn_logit_softcapping(shape.soft_caps[0])
        writer.add_final_logit_softcapping(shape.soft_caps[1])
    if shape.window:
        writer.add_sliding_window(shape.window)
        # Six is what llama.cpp takes for granted in Gemma 3.
        if shape.pattern not in (0, 6):
            writer.add_sliding_window_pattern(shape.pattern)
    _vocabulary(writer, plan.vocabulary)


def _positions(writer: Any, shape: Shape) -> None:
    import gguf

    rope = shape.rope
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(rope.base)
    if rope.local_base and rope.local_base != 10_000.0:
        writer.add_rope_freq_base_swa(rope.local_base)
    if rope.scaling:
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope.scaling))
        writer.add_rope_scaling_factor(rope.factor)
        if rope.original:
            writer.add_rope_scaling_orig_ctx_len(rope.original)


def _vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list([token.encode("utf-8", "replace") for token in vocabulary.tokens])
    if vocabulary.model != "gpt2":
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(vocabulary.space_prefix)
    writer.add_token_types([int(kind) for kind in vocabulary.types])
    if vocabulary.merges and vocabulary.model == "gpt2":
        writer.add_token_merges(vocabulary.merges)
    if vocabulary.model == "t5":
        writer.add_remove_extra_whitespaces(vocabulary.remove_spaces)
        if vocabulary.charsmap:
            writer.add_precompiled_charsmap(vocabulary.charsmap)
    for role, number in vocabulary.special.items():
        getattr(writer, f"add_{role}_token_id")(number)
    writer.add_add_bos_token(vocabulary.add_bos)
    writer.add_add_eos_token(vocabulary.add_eos)
    if vocabulary.chat_template:
        writer.add_chat_template(vocabulary.chat_template)
