"""The model that a recipe teaches, loaded the way its method wants it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.models.loading import load_tokenizer
from engines.models.registry import refuse_small_embedding
from engines.training.tune_recipe import TuneRecipe
from glossary.errors import FailedError, UserError
from glossary.i18n import _


def load_base(recipe: TuneRecipe, path: Path, tokenizer: Any) -> Any:
    """The model in `path`, in float32, bfloat16 or 4 bits, ready to be trained or adapted.

    `full` loads float32 weights for training in mixed precision (pure_bf16: bfloat16 ones).
    Raises UserError for what the machine cannot do, FailedError when memory does not suffice.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    check_device(recipe)
    options: dict[str, Any] = {"dtype": frozen_type(recipe)}
    if recipe.method == "qlora":
        options["quantization_config"] = _four_bits(recipe)
        options["device_map"] = {"": _place()}
    attention = _attention(recipe)
    if attention:
        options["attn_implementation"] = attention
    with _sentences(path):
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(path),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            **options,
        )
    rows = model.get_input_embeddings().weight.shape[0]
    refuse_small_embedding(path, rows, _highest(tokenizer))
    model.config.use_cache = False
    if recipe.method == "qlora":
        keep_unpacked(model)
    elif torch.cuda.is_available():
        model.to(_place())
    return model


def adapt(recipe: TuneRecipe, model: Any) -> Any:
    """The model with a new adapter of the recipe's shape over frozen weights."""
    from peft import LoraConfig, get_peft_model

    lora = recipe.lora
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        bias=lora.bias,
        use_rslora=lora.rslora,
        modules_to_save=_embeddings(model) if lora.train_embeddings else None,
        ensure_weight_tying=lora.train_embeddings and _tied(model),
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        message = _("lora.targets: {error} Linear layers of this model: {known}.")
        known = ", ".join(linear_names(model))
        raise UserError(message.format(error=_first_line(error), known=known)) from None


def _embeddings(model: Any) -> list[str]:
    """The matrices that are trained as a whole; of tied ones the input stands for both."""
    return ["embed_tokens"] if _tied(model) else ["embed_tokens", "lm_head"]


def linear_names(model: Any) -> list[str]:
    """The last names of a model's linear layers, the output matrix left out."""
    import torch

    output = model.get_output_embeddings()
    return sorted(
        {
            name.rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and module is not output
        }
    )


def check_device(recipe: TuneRecipe) -> None:
    """UserError where the recipe asks for what this machine does not have."""
    import torch

    how = recipe.optimisation
    gpu = torch.cuda.is_available()
    if not gpu and (recipe.launch.gpus or recipe.launch.backend == "nccl"):
        message = _(
            "The recipe asks for GPUs, and torch {version} sees none: look at nvidia-smi and at "
            "CUDA_VISIBLE_DEVICES, install a torch for this driver, or clear launch.gpus."
        )
        raise UserError(message.format(version=torch.__version__))
    if gpu and how.precision in ("bf16", "pure_bf16") and not torch.cuda.is_bf16_supported():
        raise UserError(
            _("This GPU has no bfloat16: set optimisation.precision = float32 (Gemma needs it).")
        )
    if not gpu and how.optimizer in ("adamw_8bit", "paged_adamw_8bit"):
        raise UserError(_("The 8-bit optimizers of bitsandbytes need a GPU: set adamw."))


def frozen_type(recipe: TuneRecipe) -> Any:
    """The torch dtype in which the weights are loaded."""
    import torch

    if recipe.method == "full":
        pure = recipe.optimisation.precision == "pure_bf16"
        return torch.bfloat16 if pure else torch.float32
    return torch.bfloat16 if uses_bf16(recipe) else torch.float32


def uses_bf16(recipe: TuneRecipe) -> bool:
    """Whether products are computed in bfloat16."""
    import torch

    precision = recipe.optimisation.precision
    if precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return precision != "float32"


def set_threads(recipe: TuneRecipe) -> None:
    """Give torch the recipe's threads, or one a core that this process may use."""
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(
        recipe.optimisation.threads or (int(limit) if limit.isdigit() else 0) or usable or 1
    )


def tokenizer_for_training(path: Path) -> Any:
    """The tokenizer of `path`, its padding token never one that ends an answer.

    Padding is outside the loss in any case; a model that is later batched with pad = eos by other
    programs must still know its end.
    """
    tokenizer = load_tokenizer(path)
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        known = tokenizer.get_vocab()
        spare = ("<pad>", "<|pad|>", "[PAD]", "<|finetune_right_pad_id|>", "<|endoftext|>")
        others = (*spare, "<unk>", tokenizer.unk_token, tokenizer.bos_token)
        found = (t for t in others if t and t in known and t != tokenizer.eos_token)
        tokenizer.pad_token = next(found, tokenizer.eos_token)
    return tokenizer


def _four_bits(recipe: TuneRecipe) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    how = recipe.quantisation
    compute = how.compute
    if compute == "auto":
        compute = "bfloat16" if uses_bf16(recipe) else "float32"
    try:
        import bitsandbytes  # noqa: F401
    except Exception as error:
        message = _("bitsandbytes cannot be used here ({error}); choose the method lora.")
        raise UserError(message.format(error=_first_line(error))) from None
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type=how.type,
        bnb_4bit_use_double_quant=how.double,
        bnb_4bit_compute_dtype=getattr(torch, compute),
    )


def keep_unpacked(model: Any) -> None:
    """Keep 4-bit weights as they were loaded.

    On CPUs with AVX512-BF16, bitsandbytes 0.50 repacks them at the first forward pass in eval mode,
    with rounded scales and without a gradient for the input: an evaluation would end the learning.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _attention(recipe: TuneRecipe) -> str:
    from transformers.utils.import_utils import is_flash_attn_2_available

    wanted = recipe.optimisation.attention
    if wanted == "auto":
        flash = is_flash_attn_2_available() and uses_bf16(recipe)
        # Named nothing, transformers takes SDPA where the model has it (Gemma 2 has not).
        return "flash_attention_2" if flash else ""
    if wanted == "flash_attention_2" and not is_flash_attn_2_available():
        raise UserError(_("flash_attention_2 is not installed; set optimisation.attention = auto."))
    return wanted


def _place() -> str:
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0'))}"


def _highest(tokenizer: Any) -> int:
    from engines.models.loading import highest_plain_token

    return highest_plain_token(tokenizer)


def _tied(model: Any) -> bool:
    return bool(model.config.get_text_config().tie_word_embeddings)


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        message = _("{path} does not fit into the GPU's memory; choose qlora or a smaller model.")
        raise FailedError(message.format(path=path)) from error
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, AttributeError) as error:
        message = _("The model in {path} cannot be loaded: {error}")
        raise UserError(message.format(path=path, error=_first_line(error))) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
