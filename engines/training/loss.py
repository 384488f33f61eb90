"""The loss of answers, with no work on what it does not need.

Only the positions that foretell an answer's token go through the output matrix, in pieces, so
that float32 logits of a large vocabulary never stand in memory as a whole. The head that all
prompts of a batch share is computed once; its keys and values serve every row, and their
gradients add up: the same loss as with the head in every row.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from engines.models.slots import cache_argument
from engines.training.plan import IGNORE, collate, pack
from engines.training.prompts import Tokens

# Logits that are kept at once, as numbers: 2**26 float32 are 256 MiB.
PIECE = 2**26


def add_answer_loss(model: Any) -> None:
    """Let `model(..., labels=..., answer_loss=True)` return the loss of the answers alone.

    It is a dict: `total`, the summed cross entropies (natural log) of the answers' tokens, and
    `tokens`, their number.

    The forward of a causal language model is wrapped in place, so that wrappers around it (PEFT,
    DDP, FSDP, autocast) still see one forward pass. Without `answer_loss` nothing changes.
    """
    original = model.forward

    @functools.wraps(type(model).forward)
    def forward(self: Any, *args: Any, answer_loss: bool = False, **kwargs: Any) -> Any:
        return _answer_loss(self, **kwargs) if answer_loss else original(*args, **kwargs)

    model.forward = types.MethodType(forward, model)


def _answer_loss(
    model: Any,
    input_ids: torch.Tensor,
    labels: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    head_ids: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    **_unset: Any,
) -> dict[str, torch.Tensor]:
    decoder = model.get_decoder()
    if head_ids is None or attention_mask is None:
        # Without a mask, positions that start anew are where packed examples part.
        outputs = decoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=False,
        )
    else:
        outputs = _after_head(model, decoder, input_ids, attention_mask, head_ids)
    targets = labels[:, 1:]
    chosen = targets != IGNORE
    hidden = outputs.last_hidden_state[:, :-1][chosen]
    total = _cross_entropy(model, hidden, targets[chosen])
    return {"total": total, "tokens": chosen.sum()}


def mean_answer_loss(model: Any, batches: Iterable[dict[str, torch.Tensor]]) -> float:
    """Mean cross entropy over the answers' tokens of all batches (natural log), nothing learnt.

    `model` is a causal language model in the mode in which it is to be judged.
    """
    total = tokens = 0.0
    with torch.no_grad():
        for batch in batches:
            found = _answer_loss(model, **batch)
            total += float(found["total"])
            tokens += float(found["tokens"])
    return total / max(1.0, tokens)


def _after_head(
    model: Any,
    decoder: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    head_ids: torch.Tensor,
) -> Any:
    """The rows' hidden states, their prompts continued from one computed head."""
    from transformers import DynamicCache

    rows, head = input_ids.shape[0], head_ids.shape[1]
    argument = cache_argument(model)
    # Without a config every layer keeps all keys: windows are then a matter of masks alone.
    cache = DynamicCache()
    decoder(input_ids=head_ids, use_cache=True, **{argument: cache})
    layers: list[Any] = cache.layers
    for layer in layers:
        layer.keys = layer.keys.expand(rows, -1, -1, -1)
        layer.values = layer.values.expand(rows, -1, -1, -1)
    mask = torch.cat([attention_mask.new_ones((rows, head)), attention_mask], dim=1)
    positions = torch.arange(head, head + input_ids.shape[1], device=input_ids.device)
    return decoder(
        input_ids=input_ids,
        attention_mask=mask,
        position_ids=positions[None].expand(rows, -1),
        use_cache=True,
        **{argument: cache},
    )


def _cross_entropy(model: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Summed cross entropy of `targets` (positions,) after `hidden` (positions, width)."""
    output = model.get_output_embeddings()
    config = model.config.get_text_config()
    cap = getattr(config, "final_logit_softcapping", None)
    scale = _logit_scale(config)

    def piece(states: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        logits = output(states).float()
        if scale != 1.0:
            logits = logits * scale
        if cap is not None:
            logits = cap * torch.tanh(logits / cap)
        return torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")

    size = max(1, PIECE // config.vocab_size)
    if len(targets) <= size:
        return piece(hidden, targets)
    total = hidden.new_zeros((), dtype=torch.float32)
    for start in range(0, len(targets), size):
        part = slice(start, start + size)
        total = total + checkpoint(piece, hidden[part], targets[part], use_reentrant=False)
    return total


def _logit_scale(config: Any) -> float:
    """What a model multiplies its logits with (Cohere, Granite, Falcon-H1); mostly 1."""
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        value = getattr(config, name, None)
        if value is not None:
            return float(value)
    scaling = getattr(config, "logits_scaling", None)
    if scaling is None:
        return 1.0
    return float(scaling) if config.model_type == "hyperclovax" else 1.0 / float(scaling)


def heads_can_be_shared(model: Any) -> bool:
    """Whether the loss with a shared head is that of whole rows: tried on two short rows.

    State-space layers and biases made from padding masks (ALiBi) fail it, and then do without.
    """
    return _same_loss(model, lambda rows: collate(rows, 0, share_heads=True))


def packing_keeps_apart(model: Any) -> bool:
    """Whether examples packed into one row give the loss of rows of their own: tried on two."""
    return _same_loss(model, pack)


def _same_loss(model: Any, other: Callable[[Sequence[Tokens]], dict[str, Any]]) -> bool:
    size = min(40, model.config.get_text_config().vocab_size)
    head = np.arange(2, size, dtype=np.int32)
    tails = ([3, 2, 5, 4], [5, 6, 2])
    rows = [
        Tokens(np.concatenate([head, np.asarray(tail, dtype=np.int32)]), len(head) + 1, 0)
        for tail in tails
    ]
    device = model.get_input_embeddings().weight.device
    training = model.training
    model.eval()
    found: list[torch.Tensor] = []
    try:
        with torch.no_grad():
            for batch in (collate(rows, 0, share_heads=False), other(rows)):
                placed = {name: tensor.to(device) for name, tensor in batch.items()}
                found.append(_answer_loss(model, **placed)["total"].float())
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False
    finally:
        model.train(training)
    tolerance = 1e-4 if model.dtype == torch.float32 else 5e-2
    return bool(torch.allclose(found[0], found[1], rtol=tolerance))
