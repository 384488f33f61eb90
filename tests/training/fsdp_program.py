"""One of two processes: shards a tiny model, trains it, saves, goes on; rank 0 writes what it saw.

`torch.distributed.run --nproc-per-node 2 -m tests.training.fsdp_program OUT.json`
"""

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from engines.training.loss import add_answer_loss
from engines.training.sharding import WEIGHTS, load, save, shard
from tests import tiny

STEPS = 4


def batches(processes: int) -> list[list[torch.Tensor]]:
    """For each step one batch a process."""
    generator = torch.Generator().manual_seed(3)
    return [
        [torch.randint(3, 90, (2, 24), generator=generator) for _ in range(processes)]
        for _ in range(STEPS)
    ]


def loss_of(model: Any, ids: torch.Tensor) -> torch.Tensor:
    labels = ids.clone()
    labels[:, :12] = -100
    mask = torch.ones_like(ids)
    found = model(input_ids=ids, labels=labels, attention_mask=mask, answer_loss=True)
    total: torch.Tensor = found["total"] / found["tokens"]
    return total


def made() -> Any:
    model = tiny.random_model("gemma3_text", 90)
    add_answer_loss(model)
    return model.train()


def optimizer_of(model: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-2)


def plain(processes: int) -> list[float]:
    """The losses of one process that adds the processes' batches up."""
    model = made()
    optimizer = optimizer_of(model)
    losses = []
    for step in batches(processes):
        found = [loss_of(model, ids) for ids in step]
        loss = torch.stack(found).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


def train(model: Any, optimizer: torch.optim.Optimizer, steps: list[list[torch.Tensor]]) -> list:
    rank, size = dist.get_rank(), dist.get_world_size()
    losses = []
    for step in steps:
        loss = loss_of(model, step[rank])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        shown = loss.detach().clone()
        dist.all_reduce(shown)
        losses.append(float(shown) / size)
    return losses


def main(out: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    size = dist.get_world_size()
    mesh = init_device_mesh("cpu", (size,))
    steps = batches(size)

    model = shard(made(), mesh)
    sharded = [isinstance(p, DTensor) for p in model.parameters()]
    own = sum(p.to_local().numel() for p in model.parameters())
    whole = sum(p.numel() for p in model.parameters())
    optimizer = optimizer_of(model)
    losses = train(model, optimizer, steps[:2])
    save(model, optimizer, out.parent / "saved")
    losses += train(model, optimizer, steps[2:])

    # A process that starts anew takes what was saved and goes on alike.
    again = shard(made(), mesh)
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.to_local().zero_()
    other = optimizer_of(again)
    load(again, other, out.parent / "saved")
    resumed = train(again, other, steps[2:])

    if dist.get_rank() == 0:
        from safetensors.torch import load_file

        fresh = copy.deepcopy(made())
        missing, unexpected = fresh.load_state_dict(
            load_file(str(out.parent / "saved" / WEIGHTS)), strict=False
        )
        result = {
            "world": size,
            "world_env": os.environ["WORLD_SIZE"],
            "dtensors": [sum(sharded), len(sharded)],
            "share": own / whole,
            "losses": losses,
            "resumed": resumed,
            "plain": plain(size),
            "missing": missing,
            "unexpected": unexpected,
        }
        out.write_text(json.dumps(result))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
