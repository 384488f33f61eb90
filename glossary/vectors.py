"""Stored vectors of terms and context records, one LanceDB table for each embedding model.

The table's name and metadata hold the model's fingerprint, so that vectors of another model are
never searched. Embedding goes on where it stopped: what is stored with the same text is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from glossary.embedding import Embedder
from glossary.errors import UserError
from glossary.i18n import _
from glossary.index import storage
from glossary.lock import held
from glossary.records import Record
from glossary.term import Term

FORMAT = 1
LOCK = "vectors.lock"
_PREFIX = "vectors_"
_BATCH = 2000
# Below this a search that reads every vector is faster than building an index is worth.
_INDEXED = 20_000
_UNINDEXED = 20_000
_PROBES = 8
_DEFINITION = 300

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Item:
    """What is embedded: `key` is "t:" and a term's id or "r:" and a record's id."""

    key: str
    text: str

    @property
    def digest(self) -> int:
        """A 63-bit hash of the text."""
        raw = hashlib.blake2b(self.text.encode(), digest_size=8).digest()
        return int.from_bytes(raw, "big") >> 1


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the stored vectors go: `stored` under `model`, and `others`, models stored before."""

    model: str
    stored: int
    others: tuple[str, ...]


def term_item(term: Term) -> Item:
    """A term as it is embedded: its names and the beginning of its definition."""
    return Item(f"t:{term.id}", ", ".join(term.surfaces) + ". " + term.definition[:_DEFINITION])


def record_item(record: Record) -> Item:
    """A context record as it is embedded."""
    return Item(f"r:{record.id}", f"{record.title}. {record.text}" if record.title else record.text)


class Vectors:
    """The vectors of one glossary folder under one embedding model."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._folder = folder
        self.embedder = embedder
        self._name = _PREFIX + embedder.fingerprint
        self._table = self._existing()
        self._kinds: frozenset[str] | None = None
        self._large: bool | None = None
        self._keys: _Keys | None = None

    def coverage(self) -> Coverage:
        """What is stored; models of other tables are named."""
        stored = 0 if self._table is None else int(self._table.count_rows())
        others = []
        for name in _tables(self._database()):
            if name != self._name:
                metadata = self._database().open_table(name).schema.metadata or {}
                others.append(metadata.get(b"kwtui.vectors.model", b"?").decode())
        return Coverage(self.embedder.name, stored, tuple(others))

    def require(self) -> None:
        """Raise UserError when vectors are stored, but only those of other models."""
        found = self.coverage()
        if found.stored or not found.others:
            return
        sentence = _(
            "The stored vectors were made by {others}, not by {model}: "
            "`kwtui glossary embed` makes them anew."
        )
        raise UserError(sentence.format(others=", ".join(found.others), model=found.model))

    def sync(
        self,
        items: Iterable[Item],
        *,
        on_progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> bool:
        """Embed what is new or changed, drop what is gone; False when `cancelled()` stopped it.

        May be stopped or killed at any moment and called again. `on_progress` hears how many of
        how many are embedded. When all is stored, tables of other models are removed. Raises
        FailedError where the folder cannot be written, as on a full disk.
        """
        wanted = {item.key: item for item in items}
        with storage(self._folder), held(self._folder / LOCK, author="", what=_("embedding")):
            self._table = self._existing() or self._created()
            stored = self._digests()
            fresh = [item for key, item in wanted.items() if key not in stored]
            stale = [i for key, i in wanted.items() if stored.get(key, i.digest) != i.digest]
            done = len(wanted) - len(fresh) - len(stale)
            for batch in (*_batches(fresh), *_batches(stale)):
                if cancelled is not None and cancelled():
                    return False
                self._store(batch, fresh=batch[0].key not in stored)
                done += len(batch)
                if on_progress is not None:
                    on_progress(done, len(wanted))
            self._drop([key for key in stored if key not in wanted])
            self._index()
            for name in _tables(self._database()):
                if name != self._name:
                    self._database().drop_table(name)
        return True

    def search(self, text: str, limit: int, *, kind: str = "t") -> list[tuple[str, float]]:
        """Ids of the terms ("t") or records ("r") nearest to `text`, with their cosine, best first.

        Empty when nothing is stored under this model, or nothing in the text is known to it.
        """
        if self._table is None or limit < 1:
            return []
        vector = self.embedder.encode([text], query=True)[0]
        if not vector.any():
            return []
        query = self._table.search(vector, vector_column_name="vector").distance_type("cosine")
        if self._mixed(kind):
            query = query.where(f"kind = '{kind}'", prefilter=True)
        query = query.limit(limit)
        if self._is_large():
            # Reading rows is what costs (0.5 ms each): distances stay those of the index, and
            # keys are known in memory.
            found = query.nprobes(_PROBES).with_row_id(True).select(["_distance"]).to_arrow()
            keys = self._known().of(found["_rowid"].to_pylist())
        else:
            found = query.select(["key", "_distance"]).to_arrow()
            keys = found["key"].to_pylist()
        pairs = zip(keys, found["_distance"].to_pylist(), strict=True)
        return [(key[2:], 1.0 - distance) for key, distance in pairs if key[:1] == kind]

    def _known(self) -> _Keys:
        """The keys of all rows, read once for each version of the table."""
        assert self._table is not None
        if self._keys is None or self._keys.version != self._table.version:
            self._keys = _Keys(self._table)
        return self._keys

    def _is_large(self) -> bool:
        """Whether there are so many vectors that an index was built."""
        if self._large is None:
            assert self._table is not None
            self._large = self._table.count_rows() >= _INDEXED
        return self._large

    def _mixed(self, kind: str) -> bool:
        """Whether vectors of the other kind are stored too, so that a search must filter."""
        if self._kinds is None:
            assert self._table is not None
            found = {k for k in "tr" if self._table.count_rows(f"kind = '{k}'")}
            self._kinds = frozenset(found)
        return self._kinds != {kind}

    def _digests(self) -> dict[str, int]:
        assert self._table is not None
        found = self._table.search().select(["key", "digest"]).limit(None).to_arrow()
        return dict(zip(found["key"].to_pylist(), found["digest"].to_pylist(), strict=True))

    def _store(self, batch: Sequence[Item], *, fresh: bool) -> None:
        import pyarrow as pa

        assert self._table is not None
        vectors = self.embedder.encode([item.text for item in batch])
        width = self.embedder.dimensions
        rows = pa.table(
            {
                "key": [item.key for item in batch],
                "kind": [item.key[0] for item in batch],
                "digest": [item.digest for item in batch],
                "vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), width),
            },
            schema=self._table.schema,
        )
        if fresh:
            self._table.add(rows)
        else:
            merge = self._table.merge_insert("key").when_matched_update_all()
            merge.when_not_matched_insert_all().execute(rows)
        self._kinds = self._large = None

    def _drop(self, keys: Sequence[str]) -> None:
        assert self._table is not None
        for start in range(0, len(keys), _BATCH):
            # Ids hold only letters, digits and _.:- (validation.py), so no quote gets in.
            listed = "', '".join(keys[start : start + _BATCH])
            self._table.delete(f"key IN ('{listed}')")
        self._kinds = self._large = None

    def _index(self) -> None:
        """An index for many vectors, brought up when many came after it was built."""
        from lancedb.index import IvfPq

        assert self._table is not None
        rows = self._table.count_rows()
        indices = [index for index in self._table.list_indices() if "vector" in index.columns]
        if rows < _INDEXED:
            return
        if not indices:
            width = self.embedder.dimensions
            config = IvfPq(
                distance_type="cosine",
                num_partitions=max(16, int(rows**0.5)),
                num_sub_vectors=max(1, width // 4),
            )
            self._table.create_index("vector", config=config)
        elif self._table.index_stats(indices[0].name).num_unindexed_rows > _UNINDEXED:
            self._table.optimize()

    def _database(self) -> Any:
        import lancedb

        return lancedb.connect(str(self._folder))

    def _existing(self) -> Any:
        if not self._folder.is_dir() or self._name not in _tables(self._database()):
            return None
        return self._database().open_table(self._name)

    def _created(self) -> Any:
        import pyarrow as pa

        metadata = {
            "kwtui.vectors.format": str(FORMAT),
            "kwtui.vectors.model": self.embedder.name,
            "kwtui.vectors.fingerprint": self.embedder.fingerprint,
        }
        fields = [
            pa.field("key", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("digest", pa.int64(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), self.embedder.dimensions), nullable=False),
        ]
        schema = pa.schema(fields, metadata=metadata)
        return self._database().create_table(self._name, schema=schema)


class _Keys:
    """The key of each row of a table by its row id: 30 bytes a row."""

    def __init__(self, table: Any) -> None:
        import numpy as np

        self.version = int(table.version)
        rows = table.search().with_row_id(True).select(["key"]).limit(None).to_arrow()
        numbers = rows["_rowid"].to_numpy()
        order = np.argsort(numbers, kind="stable")
        self._numbers = numbers[order]
        self._keys = rows["key"].combine_chunks().take(order)

    def of(self, numbers: Sequence[int]) -> list[str]:
        """The keys of rows, "" for a row that is not there."""
        import numpy as np

        if not len(self._numbers):
            return [""] * len(numbers)
        wanted = np.array(numbers, dtype=self._numbers.dtype)
        at = np.minimum(np.searchsorted(self._numbers, wanted), len(self._numbers) - 1)
        there = self._numbers[at] == wanted
        found = self._keys.take(at).to_pylist()
        return [key if known else "" for key, known in zip(found, there, strict=True)]


def _tables(database: Any) -> list[str]:
    names = database.list_tables(limit=1000)
    names = getattr(names, "tables", names)
    return sorted(name for name in names if name.startswith(_PREFIX))


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
