"""The searchable state of a glossary: a LanceDB table that follows the journal.

Everything in it can be rebuilt from the journal. `level.json` beside the table says up to which
position of which journal it goes; it is written last, so that what was killed is done again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.journal import Journal
from glossary.lock import attempted, held
from glossary.term import Term
from glossary.text import normalise

VERSION = 2
TABLE = "terms"
LEVEL = "level.json"
LOCK = "index.lock"
RETENTION = timedelta(days=7)
_VERSION_KEY = b"kwtui.glossary.schema"
_TEXTS = ("definition", "category", "language", "source", "notes", "created", "updated", "author")
_LISTS = frozenset(("aliases", "ambiguous"))
_QUERY = 4000
_UNINDEXED = 500
_FRAGMENTS = 40
_BATCH = 20_000
_MANY = 5000
_NO_SPACE = re.compile(r"no space left|file too large|quota exceeded|os error (28|27|122)", re.I)
_READ_ONLY = re.compile(r"permission denied|read-only|os error (13|30|1)\b", re.I)


@dataclass(frozen=True, slots=True)
class Level:
    """Up to where the table goes: `position` of the journal `identity`, at its own `version`."""

    identity: str = ""
    position: int = -1
    version: int = 0


class TermIndex:
    """The LanceDB table in the folder `path`, level with `journal` on demand."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self._journal = journal
        self._opened: Any = None
        self._level = Level()
        self._shown: Level | None = None
        self._searchable = False

    def database(self) -> Any:
        """The LanceDB connection to the folder."""
        import lancedb

        with storage(self.path):
            return lancedb.connect(str(self.path))

    @property
    def table(self) -> Any:
        """The table as it is now, level or not; it must exist."""
        if self._opened is None:
            self._opened = self.database().open_table(TABLE)
        return self._opened

    def is_level(self) -> bool:
        """Whether the table holds every change of the journal."""
        return self._stands(self._level) or self._stands(self._read_level())

    def owned(self) -> bool:
        """Whether the table was made from this journal."""
        return self._read_level().identity == self._journal.identity

    def follow(
        self,
        *,
        author: str = "",
        wait: bool = True,
        keep: timedelta = RETENTION,
        on_wait: Callable[[str], None] | None = None,
    ) -> bool:
        """Bring the table up to the journal; returns whether it is.

        When another process is at it: wait for it, or without `wait` leave it the work. The table
        is made when it is missing, damaged, of an older version or of another journal. `keep`: for
        how long old versions of the table stay.
        """
        if self.is_level():
            return True
        if self._journal.readonly or not os.access(self.path, os.W_OK):
            return False
        what, lock = _("the search index"), self.path / LOCK
        if not wait:
            with attempted(lock, author=author, what=what) as mine:
                if mine:
                    self._follow(keep)
            return mine and self.is_level()
        with held(lock, author=author, what=what, timeout=600, on_wait=on_wait):
            self._follow(keep)
        return True

    def search(self, text: str, limit: int) -> list[tuple[str, float]]:
        """Ids of terms that share 2- and 3-grams with `text`, best BM25 score first."""
        clean, best = normalise(text), dict[str, float]()
        with storage(self.path):
            if self._shown != (level := self._read_level()):
                self.table.checkout_latest()
                self._searchable = _has_index(self.table, "search")
                self._shown = level
            if limit < 1 or not self._searchable:
                return []
            for start in range(0, len(clean), _QUERY):
                piece = clean[start : start + _QUERY + 2]
                query = self.table.search(piece, query_type="fts", fts_columns="search")
                for row in query.select(["id", "_score"]).limit(limit).to_list():
                    best[row["id"]] = max(best.get(row["id"], 0.0), float(row["_score"]))
        return sorted(best.items(), key=lambda item: (-item[1], item[0]))[:limit]

    def tag(self, position: int) -> None:
        """Keep the table's present version for ever, under a name for `position`."""
        with storage(self.path):
            name = f"position-{position}"
            self.table.checkout_latest()
            if name not in self.table.tags.list():
                self.table.tags.create(name, self.table.version)

    def untag(self, position: int) -> None:
        """Let go of the version that `tag` kept."""
        with storage(self.path):
            name = f"position-{position}"
            if name in self.table.tags.list():
                self.table.tags.delete(name)

    def optimize(self, keep: timedelta = RETENTION) -> None:
        """Join fragments, take new rows into the indexes, drop versions older than `keep`.

        Tagged versions stay. Does nothing while another process changes the table.
        """
        with attempted(self.path / LOCK, author="", what=_("the search index")) as mine:
            if mine:
                with storage(self.path):
                    self.table.checkout_latest()
                    self._optimize(keep)
                    self._write_level(self._read_level().position)

    def worn(self) -> bool:
        """Whether searching has become slow enough that `optimize` is due."""
        with storage(self.path):
            return _worn(self.table)

    def distrust(self) -> None:
        """Have the table made anew by the next `follow`, since it could not be read."""
        self._opened, self._level, self._shown = None, Level(), None
        with storage(self.path):
            (self.path / LEVEL).unlink(missing_ok=True)

    def _stands(self, level: Level) -> bool:
        if level.position != self._journal.position or level.identity != self._journal.identity:
            return False
        self._level = level
        return True

    def _follow(self, keep: timedelta) -> None:
        """With the lock held: apply what the journal has and the table has not, until none is.

        The level is written last: what was killed before the index stood is done again.
        """
        with storage(self.path):
            level, identity = self._read_level(), self._journal.identity
            while (level.position, level.identity) != (self._journal.position, identity):
                position = self._journal.position
                self._apply(level, position)
                level = Level(identity, position, self.table.version)
            # The changes are there; a full disk only leaves the index behind.
            with suppress(FailedError), storage(self.path):
                self._index(keep)
            self._write_level(level.position)
        self._level = self._read_level()

    def _apply(self, level: Level, position: int) -> None:
        if not self._usable(level):
            self._rebuild()
            return
        keys = self._journal.touched(level.position)
        if len(keys) > max(_MANY, self._journal.count() // 2):
            self._rebuild()
            return
        self._journal.forget(keys)
        gone: list[str] = []
        for start in range(0, len(keys), _BATCH):
            ids = self._journal.ids_of(keys[start : start + _BATCH])
            put = self._journal.get_many(ids.values())
            gone += sorted(set(ids.values()) - set(put))
            if put:
                # One row an id, or LanceDB would add duplicates: the lock and the key see to it.
                merge = self.table.merge_insert("id").when_matched_update_all()
                merge.when_not_matched_insert_all().execute(rows(put.values()))
        for start in range(0, len(gone), 500):
            # Ids hold only letters, digits and _.:- (validation.py), so no quote gets in.
            self.table.delete("id IN ('" + "', '".join(gone[start : start + 500]) + "')")

    def _usable(self, level: Level) -> bool:
        """Whether the table is ours, whole and what `level` says, so that it can be continued."""
        if level.identity != self._journal.identity or level.position < 0:
            return False
        try:
            self._opened = None
            table = self.table
            version = table_version(self.path, table.schema.metadata or {})
            return version == VERSION and table.version >= level.version
        except UserError:
            raise
        except (OSError, RuntimeError, ValueError):
            return False

    def _rebuild(self) -> None:
        """Write the whole table anew, in batches."""
        import pyarrow as pa

        self._opened = None
        database = self.database()
        terms = (term for _key, term in self._journal.iterate())
        reader = pa.RecordBatchReader.from_batches(schema(), _batches(terms))
        fresh = not (self.path / f"{TABLE}.lance").exists()
        try:
            self._opened = database.create_table(
                TABLE, reader, schema=schema(), mode="create" if fresh else "overwrite"
            )
        except (OSError, RuntimeError, ValueError) as error:
            if fresh or _NO_SPACE.search(str(error)) or _READ_ONLY.search(str(error)):
                raise
            # What stands there is damaged beyond LanceDB's own overwriting.
            shutil.rmtree(self.path / f"{TABLE}.lance", ignore_errors=True)
            self._rebuild()

    def _index(self, keep: timedelta) -> None:
        """Make the indexes that are missing; tidy up when searching has become slow."""
        from lancedb.index import FTS

        table = self.table
        if not table.count_rows():
            return
        if not _has_index(table, "search"):
            ngrams = FTS(
                base_tokenizer="ngram",
                ngram_min_length=2,
                ngram_max_length=3,
                stem=False,
                remove_stop_words=False,
                ascii_folding=False,
            )
            table.create_index("search", config=ngrams)
        if not _has_index(table, "id"):
            table.create_scalar_index("id")
        if _worn(table):
            self._optimize(keep)

    def _optimize(self, keep: timedelta) -> None:
        """Optimize; where versions are tagged, only what is older than the oldest of them goes.

        LanceDB 0.40 refuses to clean past a tag, and Lance would leave data files behind for ever
        (lance-format/lance #8516, #8705).
        """
        table = self.table
        tagged = {int(tag["version"]) for tag in table.tags.list().values()}
        times = [v["timestamp"] for v in table.list_versions() if v["version"] in tagged]
        if times:
            now = datetime.now(times[0].tzinfo)
            keep = max(keep, now - min(times) + timedelta(minutes=1))
        table.optimize(cleanup_older_than=keep)

    def _read_level(self) -> Level:
        with suppress(OSError, ValueError, TypeError):
            return Level(**json.loads((self.path / LEVEL).read_text(encoding="utf-8")))
        return Level()

    def _write_level(self, position: int) -> None:
        values = {"identity": self._journal.identity, "position": position}
        draft = self.path / f"{LEVEL}.tmp"
        draft.write_text(json.dumps({**values, "version": self.table.version}), encoding="utf-8")
        draft.replace(self.path / LEVEL)


def schema() -> Any:
    """The Arrow schema of the table, its version in the metadata."""
    import pyarrow as pa

    columns = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("canonical", pa.string(), nullable=False),
        pa.field("aliases", pa.list_(pa.string()), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in _TEXTS),
        pa.field("keyword", pa.bool_(), nullable=False),
        pa.field("ambiguous", pa.list_(pa.string()), nullable=False),
        pa.field("search", pa.string(), nullable=False),
    ]
    return pa.schema(columns, metadata={_VERSION_KEY: str(VERSION).encode()})


def rows(terms: Iterable[Term]) -> Any:
    """The rows of terms as an Arrow table."""
    import pyarrow as pa

    return pa.Table.from_batches([_batch(list(terms))], schema=schema())


def read_terms(path: Path) -> Iterator[Term]:
    """The terms of a table of any version that we know: where there is no journal beside it."""
    import lancedb

    with storage(path):
        table = lancedb.connect(str(path)).open_table(TABLE)
        table_version(path, table.schema.metadata or {})
        known = {f.name for f in fields(Term)} & set(table.schema.names)
        for row in table.to_arrow().select(sorted(known)).to_pylist():
            lists = {name: tuple(row[name] or ()) for name in _LISTS & known}
            yield Term(**{**row, **lists})


def table_version(path: Path, metadata: Mapping[bytes, bytes]) -> int:
    """The version of a table by its metadata; UserError when it is not ours or too new."""
    text = metadata.get(_VERSION_KEY, b"").decode("ascii", "replace")
    if not text.isdecimal() or int(text) < 1:
        sentence = _("{path} is a LanceDB folder of another program: give another folder.")
        raise UserError(sentence.format(path=path))
    if int(text) > VERSION:
        sentence = _(
            "The glossary {path} has format {found}, newer than the {ours} this kwtui reads: "
            "open it with a newer kwtui."
        )
        raise UserError(sentence.format(path=path, found=text, ours=VERSION))
    return int(text)


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn LanceDB's exceptions into sentences."""
    try:
        yield
    except UserError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        if _NO_SPACE.search(text):
            sentence = _("No space left for the glossary {path}: free some and try again.")
        elif _READ_ONLY.search(text):
            sentence = _("The glossary {path} is read-only: nothing was changed.")
        else:
            sentence = _("The glossary {path} cannot be used, it may be damaged: {reason}")
        raise FailedError(sentence.format(path=path, reason=text[:200])) from error


def _has_index(table: Any, column: str) -> bool:
    return any(column in index.columns for index in table.list_indices())


def _worn(table: Any) -> bool:
    names = [index.name for index in table.list_indices() if "search" in index.columns]
    unindexed = table.index_stats(names[0]).num_unindexed_rows if names else 0
    fragments = table.stats()["fragment_stats"]["num_fragments"]
    return bool(unindexed > _UNINDEXED or fragments > _FRAGMENTS)


def _batches(terms: Iterable[Term]) -> Iterator[Any]:
    iterator = iter(terms)
    while piece := list(islice(iterator, _BATCH)):
        yield _batch(piece)


def _batch(terms: Sequence[Term]) -> Any:
    import pyarrow as pa

    columns: list[list[Any]] = [
        [term.id for term in terms],
        [term.canonical for term in terms],
        [list(term.aliases) for term in terms],
        *([getattr(term, name) for term in terms] for name in _TEXTS),
        [term.keyword for term in terms],
        [list(term.ambiguous) for term in terms],
        ["\n".join(filter(None, (*term.surfaces, term.definition))) for term in terms],
    ]
    known = schema()
    arrays = [
        pa.array(values, type=field.type) for values, field in zip(columns, known, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=known)
