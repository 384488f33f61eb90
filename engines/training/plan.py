"""Which examples are computed together, and in which order: fixed before the first step."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engines.training.tune_recipe import Optimisation

if TYPE_CHECKING:
    from engines.training.prompts import Tokens

IGNORE = -100
BUCKET = 32  # batches that are sorted by length together
LEAST_HEAD = 16

Batch = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Micro-batches (indices of examples) in order, `each` of them an optimizer step.

    `each` is accumulation times processes; the last step may hold empty batches. `per_epoch` are
    the steps of one pass over the data.
    """

    batches: tuple[Batch, ...]
    each: int
    per_epoch: float

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return len(self.batches) // self.each

    @property
    def largest(self) -> int:
        """Examples in the largest batch."""
        return max((len(batch) for batch in self.batches), default=0)

    def halved(self) -> Plan | None:
        """The same steps in twice as many batches of half the size; None for single examples."""
        if all(len(batch) <= 1 for batch in self.batches):
            return None
        halves = (half for batch in self.batches for half in _halves(batch))
        return Plan(tuple(halves), self.each * 2, self.per_epoch)


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    middle = (len(batch) + 1) // 2
    return batch[:middle], batch[middle:]


def make_plan(
    examples: Sequence[Tokens], how: Optimisation, seed: int, *, processes: int = 1
) -> Plan:
    """The batches of a whole run.

    Batches hold examples of like length and come in random order, except that the step with the
    largest batch is the first: what does not fit into memory fails at once, not after an hour.
    """
    each = how.accumulation * processes
    epoch = 0
    batches: list[Batch] = []
    wanted = how.steps * each
    per_epoch = 0.0
    while wanted == 0 or len(batches) < wanted:
        rng = random.Random(f"{seed}:{epoch}")
        found = _epoch(examples, how, rng)
        per_epoch = per_epoch or len(found) / each
        if not how.steps:
            left = how.epochs - epoch
            found = found[: round(len(found) * left)] if left < 1 else found
        batches += found
        epoch += 1
        if not how.steps and epoch >= how.epochs:
            break
    if how.steps:
        batches = batches[:wanted]
    batches += [()] * (-len(batches) % each)
    return Plan(tuple(_largest_first(batches, each, examples)), each, per_epoch)


def _epoch(examples: Sequence[Tokens], how: Optimisation, rng: random.Random) -> list[Batch]:
    drawn: list[int] = []
    for index, example in enumerate(examples):
        times = int(example.weight) + (rng.random() < example.weight % 1)
        drawn += [index] * times
    rng.shuffle(drawn)
    size = how.batch_size * BUCKET
    batches: list[Batch] = []
    for start in range(0, len(drawn), size):
        bucket = sorted(drawn[start : start + size], key=lambda index: len(examples[index]))
        batches += _cut(bucket, examples, how)
    rng.shuffle(batches)
    return batches


def _cut(bucket: Sequence[int], examples: Sequence[Tokens], how: Optimisation) -> Iterator[Batch]:
    batch: list[int] = []
    for index in bucket:
        if how.batch_tokens:
            full = len(examples[index]) * (len(batch) + 1) > how.batch_tokens
        else:
            full = len(batch) >= how.batch_size
        if batch and full:
            yield tuple(batch)
            batch = []
        batch.append(index)
    if batch:
        yield tuple(batch)


def _largest_first(batches: list[Batch], each: int, examples: Sequence[Tokens]) -> list[Batch]:
    def size(batch: Batch) -> int:
        return len(batch) * max((len(examples[index]) for index in batch), default=0)

    sizes = [size(batch) for batch in batches]
    if sizes:
        at = sizes.index(max(sizes)) // each * each
        batches[:each], batches[at : at + each] = batches[at : at + each], batches[:each]
    return batches


def collate(rows: Sequence[Tokens], pad_id: int, *, share_heads: bool) -> dict[str, Any]:
    """One batch as tensors: input_ids, attention_mask and labels of shape (rows, longest).

    Padding is on the right and outside the mask; labels are IGNORE but for the answers. With
    `share_heads` the tokens that all prompts begin with stand once in head_ids, of shape
    (1, head), and in no row.
    """
    import torch

    head = shared_head(rows) if share_heads and len(rows) > 1 else 0
    longest = max(len(row) for row in rows) - head
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full((len(rows), longest), IGNORE, dtype=torch.long)
    for at, row in enumerate(rows):
        length = len(row) - head
        values = torch.from_numpy(row.ids[head:]).long()
        ids[at, :length] = values
        mask[at, :length] = 1
        labels[at, row.answer - head : length] = values[row.answer - head :]
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    if head:
        batch["head_ids"] = torch.from_numpy(rows[0].ids[:head]).long()[None]
    return batch


def pack(rows: Sequence[Tokens]) -> dict[str, Any]:
    """One batch as a single row without padding: input_ids, position_ids, labels of (1, tokens).

    Positions start anew with each example: by that attention tells them apart.
    """
    import torch

    ids = [torch.from_numpy(row.ids).long() for row in rows]
    labels = [values.clone() for values in ids]
    for row, own in zip(rows, labels, strict=True):
        own[: row.answer] = IGNORE
    positions = [torch.arange(len(values)) for values in ids]
    return {
        "input_ids": torch.cat(ids)[None],
        "position_ids": torch.cat(positions)[None],
        "labels": torch.cat(labels)[None],
    }


def shared_head(rows: Sequence[Tokens]) -> int:
    """How many first tokens all prompts share; 0 where it would not pay.

    The last token of each prompt stays with its row: it is the one that foretells the answer.
    """
    import numpy as np

    most = min(row.answer for row in rows) - 1
    if most < LEAST_HEAD:
        return 0
    heads = np.stack([row.ids[:most] for row in rows])
    differs = (heads != heads[0]).any(axis=0)
    same = int(differs.argmax()) if differs.any() else most
    return same if same >= LEAST_HEAD else 0
