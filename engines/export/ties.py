"""Whether two greedy answers part at a toss of a coin.

llama.cpp looks Gemma's GELU up in a table of half-precision numbers and adds floats in another
order. Where the two best tokens of a step are as near as that, either is the model's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engines.extraction.grammar import Grammar, GrammarCompiler, GrammarUnavailable

if TYPE_CHECKING:
    from engines.extraction.decoding import Request
    from engines.models.loading import LoadedModel

# Logits. The largest difference of a log probability above -8 that was measured between the two
# programs is 0.0016 (kw-mini with a merged adapter, the prompts of 100 dev texts).
NEAR = 0.005


class Judge:
    """Looks with one loaded model at answers that another program gave."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._model = loaded.model
        try:
            width = loaded.model.get_output_embeddings().weight.shape[0]
            self._compiler: GrammarCompiler | None = GrammarCompiler(loaded.tokenizer, width)
        except GrammarUnavailable:
            self._compiler = None

    def gap(self, request: Request, answer: Sequence[int]) -> float:
        """By how many logits the first token of `answer` that is not the model's own misses it.

        0 when every token is; infinity where that cannot be told.
        """
        import torch

        if not answer or (request.constrained and self._compiler is None):
            return float("inf")
        ids = [*request.prompt_ids, *answer]
        with torch.inference_mode():
            logits = self._model(torch.tensor([ids])).logits[0, len(request.prompt_ids) - 1 : -1]
        matcher = None
        if request.constrained and self._compiler is not None:
            matcher = self._compiler.matcher(Grammar(request.text, request.allowed))
        for step, token in zip(logits, answer, strict=True):
            if matcher is not None and matcher.is_stopped():
                return 0.0
            allowed = step if matcher is None else _masked(step, matcher)
            missing = float(allowed.max() - step[token])
            if missing > 0:
                return missing
            if matcher is not None:
                matcher.consume_token(token)
        return 0.0


def _masked(step: Any, matcher: Any) -> Any:
    import numpy as np
    import torch

    mask = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
    allowed = torch.from_numpy(mask[: step.shape[0]].astype(bool))
    return step.masked_fill(~allowed, float("-inf"))
