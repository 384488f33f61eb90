"""Training examples: token ids with a loss weight for each, gathered into batches by length."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engines.models.chat import encode, encode_answer, render
from engines.training.variety import Sample

if TYPE_CHECKING:
    import numpy as np
    import torch

IGNORE = -100
BUCKET = 4096  # samples that are sorted by length together


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and loss weights of one example, both of shape (length,)."""

    ids: np.ndarray[Any, np.dtype[np.int32]]
    weights: np.ndarray[Any, np.dtype[np.float32]]

    def __len__(self) -> int:
        return len(self.ids)


def encode_sample(tokenizer: Any, sample: Sample, text_weight: float) -> Encoded:
    """Encode a sample: the answer weighs 1, the text asked about `text_weight`, the rest nothing.

    Prompt and answer are encoded apart, as at inference.
    """
    import numpy as np

    rendered = render(tokenizer, sample.messages)
    prompt = encode(tokenizer, rendered)
    answer = encode_answer(tokenizer, rendered, sample.answer)
    weights = np.zeros(len(prompt) + len(answer), dtype=np.float32)
    weights[len(prompt) :] = 1.0
    if text_weight and len(sample.messages) == 1:
        first, last = _text_tokens(tokenizer, rendered.text, sample.text)
        weights[first:last] = text_weight
    return Encoded(np.asarray([*prompt, *answer], dtype=np.int32), weights)


def _text_tokens(tokenizer: Any, prompt: str, text: str) -> tuple[int, int]:
    """Where the tokens of the last occurrence of `text` lie among the prompt's tokens."""
    at = prompt.rfind(text)
    if at < 0:
        return 0, 0
    before = len(tokenizer(prompt[:at], add_special_tokens=False)["input_ids"])
    if tokenizer.bos_token and not prompt.startswith(tokenizer.bos_token):
        before += 1
    inside = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    return before, before + inside


def batches_by_tokens(
    samples: Iterable[Encoded], tokens_per_batch: int, seed: int
) -> Iterator[list[Encoded]]:
    """Group samples of like length into batches of at most `tokens_per_batch` padded tokens."""
    rng = random.Random(seed)
    bucket: list[Encoded] = []
    for sample in samples:
        bucket.append(sample)
        if len(bucket) == BUCKET:
            yield from _cut(bucket, tokens_per_batch, rng)
            bucket = []
    yield from _cut(bucket, tokens_per_batch, rng)


def _cut(bucket: list[Encoded], limit: int, rng: random.Random) -> list[list[Encoded]]:
    batches: list[list[Encoded]] = []
    batch: list[Encoded] = []
    for sample in sorted(bucket, key=len):
        if batch and len(sample) * (len(batch) + 1) > limit:
            batches.append(batch)
            batch = []
        batch.append(sample)
    if batch:
        batches.append(batch)
    rng.shuffle(batches)
    return batches


def collate(batches: Sequence[list[Encoded]], pad_id: int) -> dict[str, torch.Tensor]:
    """One ready batch as tensors of shape (rows, longest), padded on the right."""
    import torch

    rows = [row for batch in batches for row in batch]
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    weights = torch.zeros((len(rows), longest), dtype=torch.float32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row.ids).long()
        mask[i, : len(row)] = 1
        weights[i, : len(row)] = torch.from_numpy(row.weights)
    return {"input_ids": ids, "attention_mask": mask, "weights": weights}
