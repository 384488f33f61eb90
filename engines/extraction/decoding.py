"""Greedy answers of a causal language model, many texts at a time.

The head that all prompts share is computed once; rows are sorted by length, leave the batch when
their answer ends and make room for the next. In float32 the answers are those of one text at a
time.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engines.extraction.grammar import Grammar, GrammarCompiler, GrammarUnavailable, parse_answer
from glossary.errors import FailedError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.extraction.batch import Batch, Row
    from engines.models.loading import LoadedModel

__all__ = ["Cancelled", "Decoded", "Decoder", "Request", "parse_answer"]


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to be answered about `text`.

    `allowed`: surfaces that a constrained answer may hold although the text does not. A free
    answer ends at one of `stop_ids`, or before one of the strings `stop`.
    """

    prompt_ids: list[int]
    text: str
    allowed: tuple[str, ...] = ()
    constrained: bool = True
    stop_ids: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answer to one request.

    `truncated`: the token limit came first. `cut_repaired`: a constrained answer was cut off (by
    the limit, or because it only repeated itself) and closed at its last whole keyword.
    `constrained`: a grammar held it; False for a model whose tokenizer takes none. `sureness`:
    the geometric mean of the probabilities that the model gave to the tokens, 0 to 1.
    """

    raw: str
    new_tokens: int
    truncated: bool = False
    cut_repaired: bool = False
    constrained: bool = True
    sureness: float | None = field(default=None, compare=False)


class Cancelled(Exception):  # noqa: N818
    """The caller's `cancelled` said so between two steps; the answers so far are dropped."""


class Decoder:
    """Answers requests with one loaded model; keeps the last prompt head between calls.

    `max_batch_tokens` bounds rows times their longest sequence, and with it the memory of the
    key-value cache. Without `drafts` every token has a pass of its own; the answers are the same.
    """

    def __init__(
        self, loaded: "LoadedModel", *, max_batch_tokens: int = 32_768, drafts: bool = True
    ) -> None:
        from engines.models.slots import Head, supports_slots

        self._model = loaded.model
        self._tokenizer = loaded.tokenizer
        self._width = _vocabulary(loaded.model)
        self.batched = supports_slots(loaded.model)
        self._budget = max_batch_tokens
        self._room = _cheap_tokens(loaded.model) if drafts and self.batched else 0
        self._head = Head()
        self._compiler: GrammarCompiler | None = None
        self.grammar_refused = ""
        try:
            self._compiler = GrammarCompiler(loaded.tokenizer, self._width)
        except GrammarUnavailable as reason:
            self.grammar_refused = str(reason)

    def generate(
        self,
        requests: Sequence[Request],
        *,
        max_new_tokens: int,
        batch_size: int = 16,
        on_progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Decoded]:
        """The greedy answers, in the order of `requests`, of `max_new_tokens` tokens at most.

        `on_progress` hears how many are done, and of how many. Out of memory halves the batch
        and goes on. Raises Cancelled, and FailedError when not even one row fits into memory.
        """
        import torch

        answers: dict[int, Decoded] = {}

        def finish(batch: "Batch", row: "Row") -> None:
            raw, repaired = batch.raw(row)
            constrained = row.matcher is not None
            limit = row.end == "limit"
            sure = math.exp(row.logs / len(row.new)) if row.new else None
            answers[row.index] = Decoded(raw, len(row.new), limit, repaired, constrained, sure)
            if on_progress is not None:
                on_progress(len(answers), len(requests))

        with torch.inference_mode():
            waiting = deque(sorted(range(len(requests)), key=lambda n: len(requests[n].prompt_ids)))
            prompts = [request.prompt_ids for request in requests]
            rows = batch_size
            while waiting:
                group, rows = self._group(requests, waiting, rows, max_new_tokens)
                try:
                    shared = self._share_head(prompts)
                    self._run(requests, group, rows, shared, max_new_tokens, finish, cancelled)
                except (torch.OutOfMemoryError, RuntimeError) as error:
                    rows = _fewer(rows, error)
                    waiting.extendleft(n for n in reversed(group) if n not in answers)
        return [answers[n] for n in range(len(requests))]

    def _group(
        self, requests: Sequence[Request], waiting: deque[int], rows: int, more: int
    ) -> tuple[list[int], int]:
        """The next requests, short ones first, and how many of them fit into memory at a time."""
        rows = max(1, min(rows, len(waiting))) if self.batched else 1
        shortest = len(requests[waiting[0]].prompt_ids) + more
        while rows > 1 and rows * shortest > self._budget:
            rows //= 2
        group = [waiting.popleft()]
        while waiting and rows * (len(requests[waiting[0]].prompt_ids) + more) <= self._budget:
            group.append(waiting.popleft())
        return group, rows

    def _run(
        self,
        requests: Sequence[Request],
        group: Sequence[int],
        rows: int,
        shared: int,
        max_new_tokens: int,
        finish: "Callable[[Batch, Row], None]",
        cancelled: Callable[[], bool] | None,
    ) -> None:
        from engines.extraction.batch import Batch
        from engines.models.slots import PlainCache, SlotCache

        longest = max(len(requests[n].prompt_ids) for n in group) + max_new_tokens
        cache = SlotCache(self._model, rows, longest) if self.batched else PlainCache(self._model)
        batch = Batch(
            cache,
            self._tokenizer,
            self._compiler,
            device=self._model.device,
            max_new_tokens=max_new_tokens,
            room=self._room,
        )
        waiting = deque(group)
        while waiting or batch.rows:
            if cancelled is not None and cancelled():
                raise Cancelled
            free = min(rows - len(batch.rows), len(waiting))
            if free and (not batch.rows or free == len(waiting) or 4 * free >= rows):
                fresh = [waiting.popleft() for _n in range(free)]
                batch.admit([self._row(n, requests[n]) for n in fresh], self._head, shared)
            for row in batch.step():
                finish(batch, row)

    def _row(self, index: int, request: Request) -> "Row":
        from engines.extraction.batch import Row

        unknown = self._tokenizer.unk_token_id or 0
        # A tokenizer may know special tokens that the model has no embedding for (Gemma 3 1B).
        tokens = [token if token < self._width else unknown for token in request.prompt_ids]
        row = Row(index, tokens, request.stop_ids, request.stop)
        if request.constrained and self._compiler is not None:
            try:
                row.matcher = self._compiler.matcher(Grammar(request.text, request.allowed))
            except GrammarUnavailable as reason:
                self.grammar_refused = str(reason)
        return row

    def _share_head(self, prompts: Sequence[Sequence[int]]) -> int:
        """Have the head of all `prompts` ready in `_head`; its length, 0 for none."""
        from engines.models.slots import SlotCache

        if not self.batched or not prompts:
            return 0
        common = _common_head(prompts)
        length = len(common)
        kept = self._head.overlap(common)
        if kept < length:
            cache = SlotCache(self._model, 1, length)
            if kept:
                cache.load(self._head, 0, 1, kept)
            cache.prefill(0, [common[kept:]], kept, chunk=2048)
            self._head = cache.save(0, common)
        return length


def _common_head(prompts: Sequence[Sequence[int]]) -> list[int]:
    """The first tokens that all prompts share, leaving each at least one of its own."""
    # What the smallest and the largest share, all between them share.
    lists = [list(prompt) for prompt in prompts]
    first, last = min(lists), max(lists)
    end = min(map(len, prompts)) - 1
    same = zip(first[:end], last[:end], strict=True)
    length = next((n for n, (a, b) in enumerate(same) if a != b), max(end, 0))
    return first[:length]


def _vocabulary(model: Any) -> int:
    """The width of the model's logits."""
    head = model.get_output_embeddings()
    weight = getattr(head, "weight", None)
    if weight is not None and weight.dim() == 2 and weight.is_floating_point():
        return int(weight.shape[0])
    return int(model.config.get_text_config().vocab_size)


def _cheap_tokens(model: Any) -> int:
    """Tokens of one forward pass up to which another one costs little.

    On a GPU and on the CPU a pass reads all weights once, whatever the number of tokens; a small
    model's pass is mostly overhead. Measured on 2 CPU cores: 16 tokens 24 ms, 32 tokens 27 ms,
    64 tokens 40 ms with 4M parameters.
    """
    if model.device.type != "cpu":
        return 256
    return 40 if model.num_parameters() < 50_000_000 else 16


def _fewer(rows: int, error: Exception) -> int:
    """Half as many rows after running out of memory; any other error is raised again."""
    import torch

    # The CPU's allocator raises a plain RuntimeError.
    if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
        raise error
    if rows == 1:
        message = _("Out of memory with one text at a time; use a smaller model or shorter texts.")
        raise FailedError(message) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return rows // 2
