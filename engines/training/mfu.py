"""How much of a GPU's peak a run uses (model FLOPs utilisation; Chowdhery et al. 2022, PaLM).

Useful are, a token: 2 operations a weight forward, 2 for the gradient of the activations and, for
full, 2 for that of the weights (the embedding's lookup not counted, the output matrix counted for
the positions that go through it); and for attention 4 x layers x heads x head_dim x context / 2
forward (causal), two times that backward. What checkpointing computes again is not useful, and a
head that the prompts of a batch share is counted once.
"""

from __future__ import annotations

from collections.abc import Sequence

from engines.training.plan import Plan, shared_head
from engines.training.prompts import Tokens
from engines.training.shapes import Shape

# Dense bf16 peak in FLOP/s, from NVIDIA's data sheets (without sparsity).
PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "A40": 150e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}
BATCHES = 64


def peak_of(gpu: str) -> float | None:
    """The peak of the GPU of that name; None for one that is not in the table."""
    return next((peak for name, peak in PEAKS.items() if name in gpu), None)


def flops_per_token(
    shape: Shape, examples: Sequence[Tokens], plan: Plan, *, full: bool, share_heads: bool
) -> float:
    """Useful operations a token of the examples, over batches spread through the plan."""
    passes = 6 if full else 4
    every = max(1, len(plan.batches) // BATCHES)
    tokens, done = 0, 0.0
    for batch in plan.batches[::every]:
        chosen = [examples[index] for index in batch]
        if not chosen:
            continue
        head = shared_head(chosen) if share_heads and len(chosen) > 1 else 0
        again = head * (len(chosen) - 1)
        size = sum(map(len, chosen))
        answers = sum(len(example) - example.answer for example in chosen)
        pairs = (sum(len(e) ** 2 for e in chosen) - again * head) / 2
        done += passes * (shape.linear * (size - again) + shape.embedding * answers)
        done += 12 * shape.layers * shape.query * pairs
        tokens += size
    return done / tokens if tokens else 0.0
