"""What a tokenizer does to a domain: its tokens, its fragments, and what could be saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.tokenizer.files import Tokenizer, batches
from engines.tokenizer.places import POSITIONS, Finder, Places, Shares, bare, one_token, same_pieces

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[int], None]
BUDGETS = (50, 500, 5000)
WORST = 200
# Terms whose places are looked at one by one; the most frequent first.
JUDGED = 2000


@dataclass(frozen=True, slots=True)
class TermFigures:
    """One term: how often it stands in the texts, its pieces, and the tokens it takes too many."""

    term: str
    count: int
    pieces: tuple[str, ...]

    @property
    def lost(self) -> int:
        """Tokens that would be saved if it were one token everywhere."""
        return self.count * (len(self.pieces) - 1)


@dataclass(frozen=True, slots=True)
class Saving:
    """What the best terms as one token each would save of the texts' tokens (a share)."""

    terms: int
    share: float


@dataclass(slots=True)
class Audit:
    """Figures of one tokenizer over texts and terms; shares lie between 0 and 1.

    `alone`: terms that are one token by themselves; `whole_terms`: at every place that was looked
    at; `copied`: places where a term has the tokens that it has in an answer.
    """

    name: str
    kind: str
    vocabulary: int
    texts: int = 0
    characters: int = 0
    words: int = 0
    tokens: int = 0
    longest: int = 0
    p95: int = 0
    context: int = 0
    over_context: int = 0
    byte_share: float = 0.0
    unknown_share: float = 0.0
    terms: int = 0
    terms_seen: int = 0
    term_tokens: float = 0.0
    alone: float = 0.0
    positions: dict[str, float] = field(default_factory=dict)
    whole_terms: float = 0.0
    copied: float = 0.0
    general_tokens: float = 0.0
    savings: tuple[Saving, ...] = ()
    worst: tuple[TermFigures, ...] = ()
    seconds: float = 0.0

    @property
    def per_text(self) -> float:
        """Tokens of a text in the mean."""
        return self.tokens / self.texts if self.texts else 0.0

    @property
    def fertility(self) -> float:
        """Tokens of a word (what stands between spaces) in the mean."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def lost_share(self) -> float:
        """Share of the context, and of the time, that fragments of terms take too much."""
        return self.savings[-1].share if self.savings else 0.0

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON types."""
        values = asdict(self)
        values["worst"] = [{**asdict(one), "lost": one.lost} for one in self.worst]
        values |= {"per_text": self.per_text, "fertility": self.fertility}
        return values | {"lost_share": self.lost_share}


def audit(
    tokenizer: Tokenizer,
    texts: Iterable[str],
    terms: Sequence[str],
    *,
    general: Sequence[str] = (),
    places: bool = True,
    progress: Progress | None = None,
) -> Audit:
    """Measure a tokenizer. Texts are read once, in batches, and not kept.

    `general`: sentences of another domain, for the tokens that these take. Without `places` the
    terms are not looked at where they stand in a text, which takes most of the time with few
    texts. `progress` hears how many texts are done.
    """
    started = time.monotonic()
    found = Audit(tokenizer.path.name, tokenizer.kind, tokenizer.size)
    found.context = _context(tokenizer.path)
    seen = Places(Finder(terms))
    _read(tokenizer, texts, found, seen, progress)
    if terms:
        _weigh(tokenizer, terms, found, seen)
    if terms and places:
        _judge(tokenizer, terms, found, seen)
    if general:
        found.general_tokens = sum(tokenizer.lengths(general)) / len(general)
    found.seconds = time.monotonic() - started
    return found


def _read(
    tokenizer: Tokenizer,
    texts: Iterable[str],
    found: Audit,
    places: Places,
    progress: Progress | None,
) -> None:
    import numpy as np

    counts = np.zeros(tokenizer.size, dtype=np.int64)
    lengths: list[np.ndarray[Any, Any]] = []
    for batch in batches(texts):
        encodings = tokenizer.fast.encode_batch_fast(batch, add_special_tokens=False)
        rows = [one.ids for one in encodings]
        lengths.append(np.fromiter(map(len, rows), dtype=np.int32, count=len(rows)))
        flat = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
        counts += np.bincount(flat, minlength=len(counts))
        found.texts += len(batch)
        for text in batch:
            found.characters += len(text)
            found.words += len(text.split())
            places.look(text)
        if progress is not None:
            progress(found.texts)
    _sum_up(tokenizer, found, counts, lengths)


def _sum_up(
    tokenizer: Tokenizer,
    found: Audit,
    counts: np.ndarray[Any, Any],
    lengths: list[np.ndarray[Any, Any]],
) -> None:
    import numpy as np

    if not lengths:
        return
    every = np.concatenate(lengths)
    found.tokens = int(every.sum())
    found.longest = int(every.max())
    found.p95 = int(np.percentile(every, 95))
    found.over_context = int((every > found.context).sum()) if found.context else 0
    total = max(1, found.tokens)
    found.byte_share = float(counts[sorted(tokenizer.byte_ids())].sum()) / total
    unknown = tokenizer.wrapped.unk_token_id
    found.unknown_share = float(counts[unknown]) / total if unknown is not None else 0.0


def _weigh(tokenizer: Tokenizer, terms: Sequence[str], found: Audit, places: Places) -> None:
    """The terms by themselves, and what their fragments cost."""
    encoded = tokenizer.encodings(terms)
    figures = [
        TermFigures(term, places.counts[term], pieces_of(tokenizer, encoding))
        for term, encoding in zip(terms, encoded, strict=True)
    ]
    found.terms = len(terms)
    found.terms_seen = sum(1 for one in figures if one.count)
    found.term_tokens = sum(len(one.pieces) for one in figures) / len(figures)
    found.alone = sum(1 for one in figures if len(one.pieces) == 1) / len(figures)
    figures.sort(key=lambda one: (-one.lost, -len(one.pieces), one.term))
    found.worst = tuple(figures[:WORST])
    found.savings = savings(figures, found.tokens)


def _judge(tokenizer: Tokenizer, terms: Sequence[str], found: Audit, places: Places) -> None:
    """The terms at their places."""
    judged = sorted(terms, key=lambda term: -places.counts[term])[:JUDGED]
    spots = places.sentences(judged)
    shares = one_token(tokenizer, spots)
    found.copied = same_pieces(tokenizer, spots)
    found.positions = by_position(shares)
    found.whole_terms = 1 - len(shares.broken) / len(judged)


def savings(figures: Sequence[TermFigures], tokens: int) -> tuple[Saving, ...]:
    """The predicted saving of the best 50, 500 and 5,000 terms, and of all; `figures` sorted.

    Terms with spaces save nothing: a token never reaches over one.
    """
    lost = [one.lost for one in figures if not any(letter.isspace() for letter in one.term)]
    wanted = [n for n in BUDGETS if n < len(lost)] + [len(lost)]
    return tuple(Saving(n, sum(lost[:n]) / max(1, tokens)) for n in wanted)


def by_position(shares: Shares) -> dict[str, float]:
    """One-token shares by position, and of all as "all"."""
    return {**{where: shares.share(where) for where in POSITIONS}, "all": shares.share()}


def pieces_of(tokenizer: Tokenizer, encoding: Any) -> tuple[str, ...]:
    """The pieces of an encoded term as a person reads them, without a space put before it."""
    kept = len(bare(encoding.tokens))
    return tuple(tokenizer.piece(number) for number in encoding.ids[-kept:])


def _context(path: Path) -> int:
    """The longest input that the model's configuration names; 0 when it names none."""
    from engines.models.registry import read_json

    if not (path / "config.json").is_file():
        return 0
    values = read_json(path, "config.json")
    inner = values.get("text_config") or values
    return int(inner.get("max_position_embeddings") or 0)
