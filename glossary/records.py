"""Context records: chunks of drug data beside the terms, each linked to the terms it names.

A LanceDB table in the glossary's folder. What is in it comes from files and can be made again from
them, so that there is no journal: importing a file anew replaces what came from it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glossary.errors import UserError
from glossary.i18n import _
from glossary.lock import held
from glossary.text import normalise

TABLE = "records"
LOCK = "records.lock"
FORMAT = 1
MAX_CHUNK = 300
_FORMAT_KEY = b"kwtui.records.format"
# Records that a search gives at most.
FOUND = 1000
_QUERY = 1000
_STEP = 5000


@dataclass(frozen=True, slots=True)
class Record:
    """A chunk of at most `MAX_CHUNK` code points about `title`, from `row` of the file `source`.

    `kind` is the preset's name, `fields` what else the row said, `terms` the ids of terms named.
    """

    id: str
    kind: str
    title: str
    text: str
    fields: tuple[tuple[str, str], ...] = ()
    source: str = ""
    row: int = 0
    terms: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "text": self.text,
            "fields": dict(self.fields),
            "source": self.source,
            "row": self.row,
            "terms": list(self.terms),
        }


def has_records(folder: Path) -> bool:
    """Whether there are records in the glossary folder; costs a look at the disk."""
    return (folder / f"{TABLE}.lance").is_dir()


def record_id(kind: str, title: str, text: str) -> str:
    """A stable id: the same chunk of the same kind is the same record."""
    return hashlib.sha256(f"{kind}\n{title}\n{text}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Replaced:
    """What an import did to the records of one file."""

    new: int
    changed: int
    same: int
    removed: int


class Records:
    """The context records of one glossary folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._table = self._existing()

    @property
    def version(self) -> int:
        """The number of the table's state; 0 while there is none."""
        return 0 if self._table is None else int(self._table.version)

    def refresh(self) -> bool:
        """See what other processes wrote; returns whether there was anything."""
        before = self.version
        if self._table is None:
            self._table = self._existing()
        else:
            self._table.checkout_latest()
        return self.version != before

    def count(self) -> int:
        """How many records there are."""
        return 0 if self._table is None else int(self._table.count_rows())

    def all(self) -> Iterator[Record]:
        """Every record, in the order they were stored."""
        if self._table is not None:
            for batch in self._table.search().limit(None).to_batches():
                yield from map(_record, batch.to_pylist())

    def page(self, text: str, offset: int, limit: int) -> tuple[int, list[Record]]:
        """How many records there are for `text`, and some of them from `offset` on.

        Of those that share letters with it at most `FOUND`: those that hold it as it is, then, if
        there are none, those that are alike. A text of less than two letters stands for all.
        """
        if self._table is None:
            return 0, []
        wanted = normalise(text).strip()
        if len(wanted) < 2:
            rows = self._table.search().offset(offset).limit(limit).to_list()
            return self.count(), [_record(row) for row in rows]
        alike = [record for record, _score in self.search(wanted, FOUND)]
        folded = wanted.casefold()
        exact = [r for r in alike if folded in f"{r.title}\n{r.text}".casefold()]
        found = exact or alike
        return len(found), found[offset : offset + limit]

    def get(self, ids: Iterable[str]) -> dict[str, Record]:
        """The records with these ids, by id."""
        return {record.id: record for record in self._where("id", list(ids), limit=None)}

    def naming(self, terms: Sequence[str], limit: int) -> list[Record]:
        """Records that name these terms (by id), those that name the most first."""
        if self._table is None or not terms or limit < 1:
            return []
        query = self._table.search().where(f"array_has_any(terms, {_listed(terms)})")
        found = [_record(row) for row in query.limit(8 * limit).to_list()]
        wanted = set(terms)
        found.sort(key=lambda record: -len(wanted & set(record.terms)))
        return found[:limit]

    def search(self, text: str, limit: int) -> list[tuple[Record, float]]:
        """Records that share 2- and 3-grams with `text`, best BM25 score first."""
        if self._table is None or limit < 1 or not self._table.list_indices():
            return []
        query = self._table.search(normalise(text)[:_QUERY], query_type="fts", fts_columns="search")
        return [(_record(row), float(row["_score"])) for row in query.limit(limit).to_list()]

    def kinds(self) -> dict[str, int]:
        """How many records each preset made."""
        if self._table is None:
            return {}
        rows = self._table.search().select(["kind"]).limit(None).to_arrow()["kind"].to_pylist()
        return dict(Counter(rows).most_common())

    def foresee(self, kind: str, source: str, ids: Sequence[str]) -> Replaced:
        """What `replace` by records with these ids would do; changed ones count as the same."""
        if self._table is None:
            return Replaced(len(ids), 0, 0, 0)
        there = {record.id for record in self._where("id", list(ids), limit=None)}
        gone = self._of(kind, source) - set(ids)
        return Replaced(len(ids) - len(there), 0, len(there), len(gone))

    def _of(self, kind: str, source: str) -> set[str]:
        """The ids of what came from a file by a preset."""
        clause = f"kind = {_quoted(kind)} AND source = {_quoted(source)}"
        rows = self._table.search().where(clause).select(["id"]).limit(None).to_list()
        return {row["id"] for row in rows}

    def replace(
        self,
        kind: str,
        source: str,
        records: Iterable[Record],
        *,
        author: str = "",
        on_wait: Callable[[str], None] | None = None,
    ) -> Replaced:
        """Make `records` all that is there of the file `source` under the preset `kind`."""
        given = {record.id: record for record in records}
        what = _("import of {name}").format(name=source)
        with held(self._folder / LOCK, author=author, what=what, on_wait=on_wait):
            self._table = self._existing() or self._created()
            there = self.get(given)
            gone = sorted(self._of(kind, source) - set(given))
            new = [record for key, record in given.items() if key not in there]
            changed = [
                record for key, record in given.items() if key in there and there[key] != record
            ]
            for start in range(0, len(new), _STEP):
                self._table.add(_rows(new[start : start + _STEP]))
            if changed:
                merge = self._table.merge_insert("id").when_matched_update_all()
                merge.execute(_rows(changed))
            for start in range(0, len(gone), _STEP):
                self._table.delete(f"id IN {_in(gone[start : start + _STEP])}")
            if new or changed or gone:
                self._maintain()
        same = len(given) - len(new) - len(changed)
        return Replaced(len(new), len(changed), same, len(gone))

    def _where(self, column: str, values: Sequence[str], limit: int | None) -> Iterator[Record]:
        if self._table is None:
            return
        for start in range(0, len(values), _STEP):
            clause = f"{column} IN {_in(values[start : start + _STEP])}"
            for row in self._table.search().where(clause).limit(limit).to_list():
                yield _record(row)

    def _maintain(self) -> None:
        from lancedb.index import FTS, BTree, LabelList

        if self._table.list_indices():
            self._table.optimize()
            return
        ngrams = FTS(
            base_tokenizer="ngram",
            ngram_min_length=2,
            ngram_max_length=3,
            stem=False,
            remove_stop_words=False,
            ascii_folding=False,
            with_position=False,
        )
        self._table.create_index("search", config=ngrams)
        self._table.create_index("terms", config=LabelList())
        self._table.create_index("id", config=BTree())

    def _existing(self) -> Any:
        import lancedb

        if not has_records(self._folder):
            return None
        table = lancedb.connect(str(self._folder)).open_table(TABLE)
        text = (table.schema.metadata or {}).get(_FORMAT_KEY, b"").decode("ascii", "replace")
        if not text.isdecimal() or int(text) > FORMAT:
            sentence = _(
                "The context records in {path} have a format that this kwtui does not read: "
                "open them with a newer kwtui."
            )
            raise UserError(sentence.format(path=self._folder))
        return table

    def _created(self) -> Any:
        import lancedb

        return lancedb.connect(str(self._folder)).create_table(TABLE, schema=_schema())


def linked(record: Record, terms: Iterable[str]) -> Record:
    """The record with links to these terms (ids), each once."""
    return replace(record, terms=tuple(dict.fromkeys(terms)))


def _schema() -> Any:
    import pyarrow as pa

    fields = [
        *(pa.field(name, pa.string(), nullable=False) for name in ("id", "kind", "title", "text")),
        pa.field("fields", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("terms", pa.list_(pa.string()), nullable=False),
        pa.field("search", pa.string(), nullable=False),
    ]
    return pa.schema(fields, metadata={_FORMAT_KEY: str(FORMAT).encode()})


def _rows(records: Sequence[Record]) -> Any:
    import pyarrow as pa

    rows = [
        {
            **record.to_json(),
            "fields": json.dumps(dict(record.fields), ensure_ascii=False),
            "search": f"{record.title}\n{record.text}",
        }
        for record in records
    ]
    return pa.Table.from_pylist(rows, schema=_schema())


def _record(row: dict[str, Any]) -> Record:
    return Record(
        id=row["id"],
        kind=row["kind"],
        title=row["title"],
        text=row["text"],
        fields=tuple(json.loads(row["fields"]).items()),
        source=row["source"],
        row=row["row"],
        terms=tuple(row["terms"] or ()),
    )


def _quoted(text: str) -> str:
    """A string literal of the filter language: only a single quote needs care."""
    return "'" + text.replace("'", "''") + "'"


def _in(values: Iterable[str]) -> str:
    return "(" + ", ".join(map(_quoted, values)) + ")"


def _listed(values: Iterable[str]) -> str:
    return "[" + ", ".join(map(_quoted, values)) + "]"
