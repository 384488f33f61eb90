"""Near-duplicate texts: MinHash signatures (datasketch; Broder 1997), banded, kept in the corpus.

Texts are compared by their character 3-grams without spaces and letter case. Pairs that share a
band of their signatures are candidates; what is reported has been compared in full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

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
# Hashes of so many 3-grams are kept while texts are signed.
_HASHES = 1 << 17
# 3-grams of so many texts are kept while pairs are compared.
_READ = 8192
# Of so many texts that are linked already, further pairs tell nothing new.
_CROWD = 16
# Two crowds of which so many pairs were compared in vain are different.
_VAIN = 16

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
    return jaccard(shingles(one), shingles(other))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """What two sets share of what they hold together, 0 to 1."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


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
    hashed = MinHash.generator(grams, num_perm=BANDS * ROWS, seed=1, hashfunc=_hashed)
    for (key, _text), mark in zip(rows, hashed, strict=True):
        values = mark.hashvalues.astype(np.uint64).reshape(BANDS, ROWS)
        yield key, (values * factors).sum(axis=1, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class _Signed:
    """All signatures: key, bands and whether `Splitting.group_near` has not seen it, by place."""

    keys: NDArray[np.int64]
    bands: NDArray[np.uint64]
    fresh: NDArray[np.bool_]


@lru_cache(maxsize=_HASHES)
def _hashed(gram: bytes) -> int:
    """The 32 bits that datasketch takes by default; most 3-grams come again and again."""
    from datasketch.hashfunc import sha1_hash32

    return int(sha1_hash32(gram))


def near_keys(
    corpus: Core,
    *,
    fresh_only: bool = False,
    crowd: int = _CROWD,
    on_progress: Progress | None = None,
) -> Iterator[tuple[int, int, float]]:
    """Keys of near-duplicate pairs, the lower first, with their similarity; needs `sign` first.

    `fresh_only`: pairs with a text that `Splitting.group_near` has not seen. Of texts that are
    linked through others, more than `crowd` of them, not every pair is given.
    """
    signed = _signed(corpus)
    count = len(signed.keys)
    if count < 2 or (fresh_only and not signed.fresh.any()):
        return
    linked = _Linked(count, crowd)
    grams = _reader(corpus)
    compared: set[int] = set()
    steps = BANDS * _NEIGHBOURS
    for step, (ones, others) in enumerate(_candidates(signed, fresh_only)):
        kept = linked.worth(ones, others)
        total = max(1, int(kept.sum()))
        for number, (one, other) in enumerate(
            zip(ones[kept].tolist(), others[kept].tolist(), strict=True)
        ):
            if on_progress is not None and number % _BATCH == 0:
                on_progress(int(count * (step + number / total) / steps), count)
            mark = one * count + other
            if mark in compared or not linked.wanted(one, other):
                continue
            compared.add(mark)
            keys = int(signed.keys[one]), int(signed.keys[other])
            with sentences(corpus.path):
                alike = jaccard(grams(keys[0]), grams(keys[1]))
            if alike >= NEAR:
                linked.join(one, other)
                yield *keys, alike
            else:
                linked.differ(one, other)


def _reader(corpus: Core) -> Callable[[int], frozenset[str]]:
    """The 3-grams of a text by its key; those of the latest ones are kept."""

    @lru_cache(maxsize=_READ)
    def grams(key: int) -> frozenset[str]:
        row = corpus.db.execute("SELECT text FROM texts WHERE key = ?", (key,)).fetchone()
        return shingles(row[0])

    return grams


def _signed(corpus: Core) -> _Signed:
    import numpy as np

    keys, bands, fresh = [], [], []
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT text_key, bands, grouped FROM signatures ORDER BY text_key"
        )
        while some := rows.fetchmany(_BATCH):
            keys.append(np.array([row[0] for row in some], np.int64))
            bands.append(np.frombuffer(b"".join(row[1] for row in some), np.uint64))
            fresh.append(np.array([not row[2] for row in some], np.bool_))
    if not keys:
        return _Signed(np.empty(0, np.int64), np.empty((0, BANDS), np.uint64), np.empty(0, bool))
    return _Signed(
        np.concatenate(keys), np.concatenate(bands).reshape(-1, BANDS), np.concatenate(fresh)
    )


def _candidates(
    signed: _Signed, fresh_only: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of texts that share a band; in a long run those stand together that share the next."""
    import numpy as np

    for band in range(BANDS):
        column = signed.bands[:, band]
        order = np.lexsort((signed.bands[:, (band + 1) % BANDS], column))
        ranked = column[order]
        for step in range(1, _NEIGHBOURS + 1):
            equal = np.flatnonzero(ranked[step:] == ranked[:-step])
            ones = np.minimum(order[equal], order[equal + step])
            others = np.maximum(order[equal], order[equal + step])
            if fresh_only:
                kept = signed.fresh[ones] | signed.fresh[others]
                ones, others = ones[kept], others[kept]
            yield ones, others


class _Linked:
    """Which texts are linked, by place (union-find), so that a crowd is not compared pair by pair.

    Texts linked already need no further comparison once they are more than `crowd`, and two sets
    of more than _CROWD none after _VAIN pairs that differ.
    """

    def __init__(self, count: int, crowd: int) -> None:
        import numpy as np

        self._parent = np.arange(count)
        self._size = np.ones(count, np.int64)
        self._crowd = crowd
        self._vain: Counter[int] = Counter()

    def worth(self, ones: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the pairs `wanted` wants; every path is short afterwards."""
        import numpy as np

        parent = self._parent
        while True:
            above = parent[parent]
            if (above == parent).all():
                break
            parent = above
        self._parent = parent
        one, other = parent[ones], parent[others]
        found: NDArray[np.bool_] = (one != other) | (self._size[one] <= self._crowd)
        vain = [pair for pair, times in self._vain.items() if times >= _VAIN]
        if vain:
            pairs = np.minimum(one, other) * len(parent) + np.maximum(one, other)
            found &= ~np.isin(pairs, np.array(vain))
        return found

    def wanted(self, one: int, other: int) -> bool:
        """Whether comparing two texts can tell something new."""
        low, high = self._roots(one, other)
        if low == high:
            return bool(self._size[low] <= self._crowd)
        return self._vain[low * len(self._parent) + high] < _VAIN

    def join(self, one: int, other: int) -> None:
        """Link two texts and all that is linked with them."""
        low, high = self._roots(one, other)
        if low != high:
            self._parent[high] = low
            self._size[low] += self._size[high]

    def differ(self, one: int, other: int) -> None:
        """Remember that two texts are no near-duplicates, where both are of a crowd."""
        low, high = self._roots(one, other)
        if low != high and min(self._size[low], self._size[high]) > _CROWD:
            self._vain[low * len(self._parent) + high] += 1

    def _roots(self, one: int, other: int) -> tuple[int, int]:
        left, right = self._root(one), self._root(other)
        return (left, right) if left < right else (right, left)

    def _root(self, place: int) -> int:
        parent = self._parent
        while (above := int(parent[place])) != place:
            parent[place] = parent[above]
            place = above
        return place


def pairs(corpus: Core) -> Iterator[Pair]:
    """Near-duplicate texts of the whole corpus in the order of import; needs `sign` first."""
    for one, other, alike in sorted(near_keys(corpus)):
        with sentences(corpus.path):
            found = {
                key: (name, split)
                for key, name, split in corpus.db.execute(
                    "SELECT key, id, split FROM texts WHERE key IN (?, ?)", (one, other)
                )
            }
        (name, split), (other_name, other_split) = found[one], found[other]
        yield Pair(name, other_name, round(alike, 4), split, other_split)
