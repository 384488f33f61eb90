"""Near-duplicate texts: MinHash signatures (datasketch; Broder 1997), banded, kept in the corpus.

Texts are compared by their character 3-grams without spaces and letter case. Pairs that share a
band of their signatures are candidates; what is reported has been compared in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engines.corpus.connection import sentences
from engines.corpus.core import Core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Jaccard similarity of 3-grams from which two texts are near-duplicates. With 16 bands of 4 hashes
# a pair at 0.8 becomes a candidate with probability 1 - (1 - 0.8 ** 4) ** 16 = 0.9998.
NEAR = 0.8
BANDS, ROWS = 16, 4
_GRAM = 3
_BATCH = 2000
# So many neighbours of a run of equal bands are compared: long runs are linked through them.
_NEIGHBOURS = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two near-duplicate texts, the earlier one first, with their splits."""

    id: str
    other: str
    similarity: float
    split: str
    other_split: str

    @property
    def across(self) -> bool:
        """Whether they stand in different splits."""
        return self.split != self.other_split and bool(self.split and self.other_split)


def shingles(text: str) -> frozenset[str]:
    """The character 3-grams of a text without spaces and letter case; a short text is its own."""
    letters = "".join(text.split()).casefold()
    if len(letters) <= _GRAM:
        return frozenset([letters])
    return frozenset(letters[i : i + _GRAM] for i in range(len(letters) - _GRAM + 1))


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the 3-grams, 0 to 1."""
    left, right = _cached(one), _cached(other)
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)


@lru_cache(maxsize=4096)
def _cached(text: str) -> frozenset[str]:
    return shingles(text)


def sign(corpus: Core, on_progress: Progress | None = None) -> int:
    """Give every text that has none its signature; returns how many. Commits as it goes."""
    total = _one(corpus, "SELECT (SELECT count(*) FROM texts) - (SELECT count(*) FROM signatures)")
    done = 0
    while rows := _unsigned(corpus):
        marks = [(key, bands.tobytes()) for key, bands in _signatures(rows)]
        with corpus.transaction():
            corpus.db.executemany(
                "INSERT OR IGNORE INTO signatures (text_key, bands) VALUES (?, ?)", marks
            )
        done += len(rows)
        if on_progress is not None:
            on_progress(done, total)
    return done


def _one(corpus: Core, query: str) -> int:
    with sentences(corpus.path):
        return int(corpus.db.execute(query).fetchone()[0])


def _unsigned(corpus: Core) -> list[tuple[int, str]]:
    """The next texts without a signature; keys only grow, so they stand behind the last signed."""
    with sentences(corpus.path):
        return corpus.db.execute(
            "SELECT key, text FROM texts"
            " WHERE key > (SELECT coalesce(max(text_key), 0) FROM signatures)"
            f" ORDER BY key LIMIT {_BATCH}"
        ).fetchall()


def _signatures(rows: Sequence[tuple[int, str]]) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Each text's 64 MinHash values folded into one number a band."""
    import numpy as np
    from datasketch import MinHash

    grams = ([gram.encode() for gram in shingles(text)] for _key, text in rows)
    factors = np.array([1, 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
    hashed = MinHash.generator(grams, num_perm=BANDS * ROWS, seed=1)
    for (key, _text), mark in zip(rows, hashed, strict=True):
        values = mark.hashvalues.astype(np.uint64).reshape(BANDS, ROWS)
        yield key, (values * factors).sum(axis=1, dtype=np.uint64)


def near_keys(corpus: Core, *, fresh_only: bool = False) -> Iterator[tuple[int, int, float]]:
    """Keys of near-duplicate pairs with their similarity; needs `sign` first.

    `fresh_only`: pairs with a text that `Splitting.group_near` has not seen. In a crowd of equal
    or nearly equal texts not every pair is given, but all are linked through others.
    """
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT text_key, bands, grouped FROM signatures ORDER BY text_key"
        ).fetchall()
    if len(rows) < 2 or (fresh_only and all(row[2] for row in rows)):
        return
    fresh = {row[0] for row in rows if not row[2]} if fresh_only else None
    for one, other in _candidates(rows, fresh):
        with sentences(corpus.path):
            found = dict(
                corpus.db.execute("SELECT key, text FROM texts WHERE key IN (?, ?)", (one, other))
            )
        alike = similarity(found[one], found[other])
        if alike >= NEAR:
            yield one, other, alike


def _candidates(rows: Sequence[Any], fresh: set[int] | None) -> Iterable[tuple[int, int]]:
    import numpy as np

    keys = np.array([row[0] for row in rows], np.int64)
    bands = np.frombuffer(b"".join(row[1] for row in rows), np.uint64).reshape(len(rows), BANDS)
    seen: set[tuple[int, int]] = set()
    for band in range(BANDS):
        column = bands[:, band]
        order = np.argsort(column, kind="stable")
        ranked = column[order]
        for step in range(1, _NEIGHBOURS + 1):
            equal = np.flatnonzero(ranked[step:] == ranked[:-step])
            for place in equal:
                pair = (int(keys[order[place]]), int(keys[order[place + step]]))
                if fresh is None or pair[0] in fresh or pair[1] in fresh:
                    seen.add(pair)
    return sorted(seen)


def pairs(corpus: Core) -> Iterator[Pair]:
    """Near-duplicate texts of the whole corpus, as they are found; needs `sign` first."""
    for one, other, alike in near_keys(corpus):
        with sentences(corpus.path):
            found = {
                key: (name, split)
                for key, name, split in corpus.db.execute(
                    "SELECT key, id, split FROM texts WHERE key IN (?, ?)", (one, other)
                )
            }
        (name, split), (other_name, other_split) = found[one], found[other]
        yield Pair(name, other_name, round(alike, 4), split, other_split)
