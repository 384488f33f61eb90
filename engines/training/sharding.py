"""Full fine-tuning spread over several GPUs with FSDP2: weights, gradients and states in shards.

They work on torch's own `fully_shard` (Zhao et al. 2023, arXiv:2304.11277;
https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html), also over gloo on CPUs,
where accelerate silently runs DDP instead. A training run on GPUs asks accelerate for the same
(`engines.training.fitting`). None of this was ever tried on more than one GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    import torch
    from torch.distributed.device_mesh import DeviceMesh

WEIGHTS = "model.safetensors"
STATES = "optimizer.pt"


def decoder_layers(model: Any) -> list[Any]:
    """The decoder layers of a causal language model, first to last."""
    layers = getattr(model.get_decoder(), "layers", None)
    if layers is None:
        name = type(model).__name__
        raise UserError(_("{name} has no list of decoder layers to shard.").format(name=name))
    return list(layers)


def shard(model: Any, mesh: DeviceMesh, *, bf16: bool = False) -> Any:
    """Spread a model's float32 weights over the mesh, layer by layer; the same model.

    With `bf16` layers compute in bfloat16; gradients are summed in float32. The optimizer must be
    made after this: it then holds shards only.
    """
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    policy = MixedPrecisionPolicy()
    if bf16:
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for layer in decoder_layers(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model


def save(model: Any, optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """Write whole weights and optimizer states, gathered on the first process, into `folder`.

    Every process must call it. The files are those of an unsharded model, so that they load
    anywhere; the caller names the folder when it is whole.
    """
    import torch
    import torch.distributed as dist
    from safetensors.torch import save_file
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights, states = get_state_dict(model, optimizer, options=options)
    if dist.get_rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(_untied(model, weights), str(folder / WEIGHTS), metadata={"format": "pt"})
        torch.save(states, folder / STATES)
    dist.barrier()


def load(model: Any, optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """Take weights and states that `save` wrote into a sharded model and its optimizer.

    Every process must call it; only the first reads the files. The number of processes may be
    another than when they were written.
    """
    import torch
    import torch.distributed as dist
    from safetensors.torch import load_file
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        set_model_state_dict,
        set_optimizer_state_dict,
    )

    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    weights: dict[str, Any] = {}
    states: Any = {}
    if dist.get_rank() == 0:
        weights = load_file(str(folder / WEIGHTS))
        for name, source in _ties(model).items():
            weights[name] = weights[source]
        states = torch.load(folder / STATES, weights_only=True)
    # One by one: with both together a process that has nothing skips the weights, and all hang.
    set_model_state_dict(model, weights, options=options)
    set_optimizer_state_dict(model, optimizer, states, options=options)
    dist.barrier()


def _untied(model: Any, weights: dict[str, Any]) -> dict[str, Any]:
    """Each matrix once: a tied output matrix is the embedding matrix."""
    ties = _ties(model)
    return {n: t.contiguous() for n, t in weights.items() if n not in ties}


def _ties(model: Any) -> dict[str, str]:
    """Names of tied matrices, each with the name under which it is kept."""
    output, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if output is None or output.weight is not embedding.weight:
        return {}
    names = {id(module): name for name, module in model.named_modules()}
    return {f"{names[id(output)]}.weight": f"{names[id(embedding)]}.weight"}
