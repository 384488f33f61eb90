"""The rows of a running batch: started together or one by one, stepped together, ended alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engines.extraction.grammar import GrammarCompiler, before_loop, close_array

if TYPE_CHECKING:
    from llguidance import LLMatcher

    from engines.models.slots import Head, PlainCache, SlotCache

_PREFILL_TOKENS = 4096
_LONGEST_DRAFT = 6
# Share of drafted tokens that must come true to be worth their cost, and how often to ask again.
_WORTH = 0.35
_ASK_AGAIN = 8


@dataclass(slots=True)
class Row:
    """One answer in the making.

    `tokens` is the prompt; `length` tokens of prompt and answer are in the cache, and `next`
    goes in with the coming step. `end` says why the answer is over: "whole", "limit", "stuck"
    (the grammar leaves no token) or "loop". `logs` adds up the log-probabilities of the answer.
    """

    index: int
    tokens: list[int]
    stop_ids: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()
    matcher: "LLMatcher | None" = None
    new: list[int] = field(default_factory=list)
    length: int = 0
    next: int = 0
    end: str = ""
    logs: float = 0.0
    follows: dict[int | tuple[int, int], int] = field(default_factory=dict)

    def learn(self, start: int) -> None:
        """Note what follows each token and pair of tokens of the prompt from `start` on."""
        for at in range(start, len(self.tokens) - 1):
            self.follows[self.tokens[at]] = at + 1
            if at > start:
                self.follows[self.tokens[at - 1], self.tokens[at]] = at + 1

    def draft(self, length: int) -> list[int]:
        """Up to `length` tokens that followed the last ones of the answer in the prompt."""
        if not self.new or length < 1:
            return []
        at = self.follows.get((self.new[-2], self.new[-1])) if len(self.new) > 1 else None
        at = at or self.follows.get(self.new[-1])
        return self.tokens[at : at + length] if at else []


class Batch:
    """Rows that a model continues together, greedily, over one cache.

    Answers copy from the prompt: the tokens that followed there are tried in the same pass as far
    as a pass of `room` tokens costs little more than one of fewer (prompt lookup,
    https://github.com/apoorvumang/prompt-lookup-decoding); only what the model says itself stays.
    """

    def __init__(
        self,
        cache: "SlotCache | PlainCache",
        tokenizer: Any,
        compiler: GrammarCompiler | None,
        *,
        device: Any,
        max_new_tokens: int,
        room: int = 0,
    ) -> None:
        self.rows: list[Row] = []
        self._cache = cache
        self._tokenizer = tokenizer
        self._compiler = compiler
        self._device = device
        self._limit = max_new_tokens
        self._known = len(tokenizer)
        self._room = room
        self._hope = 1.0
        self._steps = 0

    def admit(self, rows: Sequence[Row], head: "Head", shared: int) -> None:
        """Start `rows`, whose first `shared` tokens are in `head`: all but their last token."""
        first = len(self.rows)
        if shared:
            self._cache.load(head, first, len(rows), shared)
        tails = [row.tokens[shared:-1] for row in rows]
        if any(tails):
            chunk = max(64, _PREFILL_TOKENS // len(rows))
            self._cache.prefill(first, tails, shared, chunk)
        for row in rows:
            row.length = len(row.tokens) - 1
            row.next = row.tokens[-1]
            if self._room:
                row.learn(shared)
        self.rows.extend(rows)

    def step(self) -> list[Row]:
        """A token or more for every row; the rows whose answers ended are handed out."""
        drafts = self._drafts()
        logits = self._forward(drafts)
        best: list[list[int]] = logits.argmax(-1).tolist()
        # The log of the sum over the whole vocabulary: a score minus it is a log-probability.
        totals: list[list[float]] = torch.logsumexp(logits.float(), -1).tolist()
        true = 0
        for row, draft, tokens, scores, sums in zip(
            self.rows, drafts, best, logits, totals, strict=True
        ):
            for at in range(len(draft) + 1):
                before = len(row.new)
                self._take(row, tokens[at], scores[at])
                if len(row.new) > before:
                    row.logs += float(scores[at][row.new[-1]]) - sums[at]
                if row.end or at == len(draft) or row.next != draft[at]:
                    break
                true += 1
        if tried := sum(map(len, drafts)):
            self._hope += (true / tried - self._hope) / 4
        return self._leave()

    def _drafts(self) -> list[list[int]]:
        """What the prompt foretells for each row; nothing where that rarely comes true."""
        self._steps += 1
        length = min(_LONGEST_DRAFT, self._room // len(self.rows) - 1)
        if self._hope < _WORTH and self._steps % _ASK_AGAIN:
            length = 0
        return [row.draft(min(length, self._limit - len(row.new) - 1)) for row in self.rows]

    def _forward(self, drafts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logits after each row's next token and each token of its draft, `[rows, width, ...]`."""
        width = 1 + max(map(len, drafts))
        pairs = list(zip(self.rows, drafts, strict=True))
        tokens = [[row.next, *draft, *[0] * (width - 1 - len(draft))] for row, draft in pairs]
        steps = [[n if n <= len(draft) else 0 for n in range(width)] for _row, draft in pairs]
        lengths = torch.tensor([[row.length] for row in self.rows], device=self._device)
        offsets = torch.tensor(steps, device=self._device)
        used = None
        if width > 1:
            used = offsets == torch.arange(width, device=self._device)
        ids = torch.tensor(tokens, device=self._device)
        return self._cache.forward(0, ids, lengths + offsets, keep=width, used=used)

    def _take(self, row: Row, token: int, scores: torch.Tensor) -> None:
        """Add the next token to the answer: `token`, the best one, where it is legal."""
        row.length += 1
        if row.matcher is None:
            self._take_free(row, token)
        else:
            self._take_legal(row, row.matcher, token, scores)
        if not row.end and len(row.new) >= self._limit:
            row.end = "limit"

    def _take_free(self, row: Row, token: int) -> None:
        if token in row.stop_ids:
            row.end = "whole"
            return
        row.new.append(token)
        row.next = token
        if row.stop and any(end in self._free_text(row) for end in row.stop):
            row.end = "whole"

    def _take_legal(self, row: Row, matcher: "LLMatcher", token: int, scores: torch.Tensor) -> None:
        """The best token that the grammar allows; mostly that is the best of all."""
        if matcher.try_consume_tokens([token]) != 1:
            allowed = _allowed(matcher, len(scores))
            if not len(allowed):
                row.end = "stuck"
                return
            token = int(allowed[int(scores[torch.from_numpy(allowed).to(scores.device)].argmax())])
            matcher.consume_token(token)
        row.new.append(token)
        row.next = token
        if matcher.is_stopped():
            row.end = "stuck" if matcher.is_error() else "whole"
        elif self._loops(row):
            row.end = "loop"

    def _loops(self, row: Row) -> bool:
        """Whether the row only repeats itself, looked at anew when a token closes a string."""
        assert self._compiler is not None
        if not self._compiler.has_quote(row.new[-1]):
            return False
        return before_loop(self._compiler.text(row.new)) is not None

    def _leave(self) -> list[Row]:
        """Take out the rows that ended; the last rows move into their places."""
        ended = [row for row in self.rows if row.end]
        for place in range(len(self.rows) - 1, -1, -1):
            if self.rows[place].end:
                last = self.rows.pop()
                if place < len(self.rows):
                    self._cache.move(len(self.rows), place, last.length)
                    self.rows[place] = last
        return ended

    def raw(self, row: Row) -> tuple[str, bool]:
        """The answer of an ended row, and whether its cut-off array had to be closed."""
        if row.matcher is None:
            text = self._free_text(row)
            cuts = [text.index(end) for end in row.stop if end in text]
            return (text[: min(cuts)] if cuts else text), False
        assert self._compiler is not None
        text = self._compiler.text(row.new)
        return (text, False) if row.end == "whole" else (close_array(text), True)

    def _free_text(self, row: Row) -> str:
        # The embedding may be wider than the vocabulary; such ids spell nothing.
        known = [token for token in row.new if token < self._known]
        return str(self._tokenizer.decode(known, skip_special_tokens=True))


def _allowed(matcher: "LLMatcher", vocabulary: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Ids of the tokens that may come next, ascending; none when the matcher gave up."""
    if matcher.is_error():
        return np.empty(0, dtype=np.int64)
    mask = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
    return np.flatnonzero(np.unpackbits(mask, bitorder="little")[:vocabulary])
