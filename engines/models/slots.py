"""A key-value cache whose rows start, grow and leave on their own, and a model run over it.

Slot p of a row holds position p of that row's sequence, so nothing is padded inside a row: which
slots a query may see follows from positions alone, also in sliding-window layers. Rejected or
padded slots are simply written again later.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, get_layer_types_and_kwargs

_SUPPORTED = frozenset({"full_attention", "sliding_attention"})
_PROBE = 12


@dataclass(slots=True)
class _Place:
    """Where the running forward pass writes: its rows and, per row and query, the slots."""

    first: int = 0
    count: int = 0
    length: int = 0
    rows: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    slots: torch.Tensor = field(default_factory=lambda: torch.empty(0))


class SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, `[rows, slots, heads, dim]`, allocated at the first write."""

    is_sliding = False

    def __init__(self, rows: int, slots: int, place: _Place) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rows, self._slots, self._place = rows, slots, place
        self.stored: list[torch.Tensor] = []

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate both buffers, zeroed: a masked slot must hold numbers, not NaN."""
        for states in (key_states, value_states):
            # One slot more than can be seen takes the queries that are padding.
            shape = (self._rows, self._slots + 1, states.shape[1], states.shape[3])
            self.stored.append(states.new_zeros(shape))
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write `[count, heads, queries, dim]` at the place; the rows' slots up to the longest."""
        if not self.stored:
            self.lazy_initialization(key_states, value_states)
        place = self._place
        visible = []
        for buffer, states in zip(self.stored, (key_states, value_states), strict=True):
            buffer[place.rows, place.slots] = states.transpose(1, 2)
            rows = buffer[place.first : place.first + place.count, : place.length]
            visible.append(rows.transpose(1, 2))
        return visible[0], visible[1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(visible slots, 0), as transformers asks; our masks are built without it."""
        return self._place.length, 0

    def get_seq_length(self) -> int:
        """Slots seen by the running pass, before it."""
        return self._place.length

    def get_max_length(self) -> int:
        """Slots of a row."""
        return self._slots


@dataclass(frozen=True, slots=True)
class Head:
    """Keys and values of a shared prompt head, one pair a layer, each `[tokens, heads, dim]`."""

    tokens: tuple[int, ...] = ()
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...] = ()

    def overlap(self, tokens: Sequence[int]) -> int:
        """How many first tokens of `tokens` this head holds."""
        pairs = zip(self.tokens, tokens, strict=False)
        return next(
            (n for n, (a, b) in enumerate(pairs) if a != b), min(len(self.tokens), len(tokens))
        )


class SlotCache:
    """`rows` sequences of up to `slots` tokens of one causal model, kept as keys and values."""

    def __init__(self, model: Any, rows: int, slots: int) -> None:
        self._model = model
        self._slots = slots
        self._config = model.config.get_text_config(decoder=True)
        self._place = _Place()
        self._layers = [SlotLayer(rows, slots, self._place) for _ in range(_layer_count(model))]
        self._cache = Cache(layers=list(self._layers))
        self._argument = cache_argument(model)
        self._windows = _windows(self._config)
        self._keyed = getattr(self._config, "layer_types", None) is not None

    def forward(
        self,
        first: int,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        *,
        keep: int = 1,
        used: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Run `tokens` (`[count, queries]`) of the rows from `first` on at their `positions`.

        `used` (the same shape) is False where a token is padding, whose position must be one of
        the row's. Returns the logits of the last `keep` queries, `[count, keep, vocabulary]`.
        """
        place = self._place
        place.first, place.count = first, tokens.shape[0]
        place.length = int(positions.max()) + 1
        place.slots = positions if used is None else positions.where(used, self._slots)
        place.rows = torch.arange(first, first + place.count, device=tokens.device)[:, None]
        out = self._model(
            input_ids=tokens,
            attention_mask=self._masks(positions),
            position_ids=positions,
            use_cache=True,
            logits_to_keep=keep,
            **{self._argument: self._cache},
        )
        logits: torch.Tensor = out.logits
        return logits[:, -keep:]

    def prefill(self, first: int, tokens: Sequence[Sequence[int]], start: int, chunk: int) -> None:
        """Write the token lists of the rows from `first` on, from position `start`.

        Shorter lists are padded at their end; at most `chunk` queries a row run at a time.
        """
        longest = max(len(ids) for ids in tokens)
        device = self._model.device
        padded = torch.tensor(
            [[*ids, *[0] * (longest - len(ids))] for ids in tokens], device=device
        )
        for at in range(0, longest, chunk):
            part = padded[:, at : at + chunk]
            here = torch.arange(start + at, start + at + part.shape[1], device=device)
            self.forward(first, part, here.expand(len(tokens), -1))

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` slots of row `source` over row `target`."""
        for layer in self._layers:
            for buffer in layer.stored:
                buffer[target, :length] = buffer[source, :length]

    def load(self, head: Head, first: int, count: int, length: int) -> None:
        """Start `count` rows from `first` on with the first `length` tokens of `head`."""
        for layer, stored in zip(self._layers, head.layers, strict=True):
            if not layer.stored:
                layer.lazy_initialization(*(s.transpose(0, 1)[None] for s in stored))
            for buffer, states in zip(layer.stored, stored, strict=True):
                buffer[first : first + count, :length] = states[:length]

    def save(self, row: int, tokens: Sequence[int]) -> Head:
        """The head made of the first slots of `row`, which hold `tokens`."""
        kept = [[buffer[row, : len(tokens)].clone() for buffer in x.stored] for x in self._layers]
        return Head(tuple(tokens), tuple((keys, values) for keys, values in kept))

    def _masks(self, positions: torch.Tensor) -> Any:
        """Additive masks `[count, 1, queries, slots]`: one, or one for each type of layer."""
        slots = torch.arange(self._place.length, device=positions.device)
        masks = {
            kind: _additive(positions[:, None, :, None], slots, window, self._model.dtype)
            for kind, window in self._windows.items()
        }
        return masks if self._keyed else next(iter(masks.values()))


class PlainCache:
    """One sequence over the model's own cache, for models that `supports_slots` leaves out."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._argument = cache_argument(model)
        self._state: Any = None

    def forward(
        self,
        first: int,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        *,
        keep: int = 1,
        used: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Run `tokens` (`[1, queries]`) after those before; position 0 starts a new sequence."""
        state = None if int(positions[0, 0]) == 0 else self._state
        out = self._model(input_ids=tokens, use_cache=True, **{self._argument: state})
        # Models without attention name their state otherwise.
        names = ("cache", "past_key_values", "cache_params")
        self._state = next(s for s in (getattr(out, n, None) for n in names) if s is not None)
        logits: torch.Tensor = out.logits
        return logits[:, -keep:]

    def prefill(self, first: int, tokens: Sequence[Sequence[int]], start: int, chunk: int) -> None:
        """Run the only list of `tokens` whole."""
        ids = torch.tensor([list(tokens[0])], device=self._model.device)
        self.forward(first, ids, torch.arange(start, start + ids.shape[1])[None])

    def move(self, source: int, target: int, length: int) -> None:
        """Nothing: the only row has nowhere to go."""

    def load(self, head: Head, first: int, count: int, length: int) -> None:
        """Nothing: no head is shared."""


def _additive(
    positions: torch.Tensor, slots: torch.Tensor, window: int | None, dtype: torch.dtype
) -> torch.Tensor:
    seen = slots <= positions
    if window is not None:
        seen &= slots > positions - window
    return torch.zeros(seen.shape, dtype=dtype, device=slots.device).masked_fill_(
        ~seen, torch.finfo(dtype).min
    )


def cache_argument(model: Any) -> str:
    """The name under which `model` takes its key-value cache: it changed in transformers 5.24."""
    parameters = inspect.signature(type(model).forward).parameters
    return "cache" if "cache" in parameters else "past_key_values"


def supports_slots(model: Any) -> bool:
    """Whether `model` gives the same logits over slots as on its own: asked, and then tried.

    Left out are models with other layers than full and sliding attention, with biases made from
    padding masks (ALiBi), or with attention kernels that take no mask.
    """
    config = model.config.get_text_config(decoder=True)
    types, _kwargs = get_layer_types_and_kwargs(config)
    parameters = inspect.signature(type(model).forward).parameters
    plain = getattr(config, "_attn_implementation", "eager") in ("eager", "sdpa")
    fitting = {"position_ids", "logits_to_keep"} <= parameters.keys()
    if not (set(types) <= _SUPPORTED and plain and fitting):
        return False
    try:
        return _probe(model, min(_PROBE, config.vocab_size))
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False


@torch.inference_mode()
def _probe(model: Any, size: int) -> bool:
    """Two rows of different length, prefilled and continued, against plain forward passes."""
    longer, shorter = list(range(1, size)), list(range(1, size - 4))
    cache = SlotCache(model, 2, size)
    cache.prefill(0, [shorter[:-1], longer[:-1]], 0, chunk=5)
    last = torch.tensor([[shorter[-1]], [longer[-1]]], device=model.device)
    at = torch.tensor([[len(shorter) - 1], [len(longer) - 1]], device=model.device)
    ours = cache.forward(0, last, at)[:, 0].float()
    tolerance = 1e-3 if model.dtype == torch.float32 else 5e-2
    for row, ids in zip(ours, (shorter, longer), strict=True):
        plain = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, -1].float()
        if not torch.allclose(row, plain, atol=tolerance * float(plain.abs().max())):
            return False
    return True


def _layer_count(model: Any) -> int:
    return int(model.config.get_text_config(decoder=True).num_hidden_layers)


def _windows(config: Any) -> dict[str, int | None]:
    """The types of attention layers, each with the positions it looks back (None: all)."""
    types, options = get_layer_types_and_kwargs(config)
    return {kind: given.get("sliding_window") for kind, given in zip(types, options, strict=True)}
