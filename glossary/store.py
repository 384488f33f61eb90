"""The glossary on disk: a LanceDB table with an explicit schema, one write path, a lock per write.

Readers see the table as of `open` or the last `refresh` or write of their own. The n-gram index
finds Korean terms with josa attached, which the word tokenizers of LanceDB do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.lock import held
from glossary.matching import Matcher
from glossary.term import Term
from glossary.text import normalise
from glossary.validation import Names, Plan, plan

SCHEMA_VERSION = 1
TABLE = "terms"
LOCK = "write.lock"
_VERSION_KEY = b"kwtui.glossary.schema"
_QUERY = 4000
_UNINDEXED = 500
_FRAGMENTS = 40
_RETENTION = timedelta(days=7)
_TEXTS = ("definition", "category", "language", "source", "notes", "created", "updated", "author")
_NO_SPACE = re.compile(r"no space left|file too large|quota exceeded|os error (28|27|122)", re.I)
_READ_ONLY = re.compile(r"permission denied|read-only|os error (13|30|1)\b", re.I)


class Glossary:
    """The terms of one workspace. Make one with `Glossary.open`."""

    def __init__(
        self, path: Path, table: Any, on_wait: Callable[[str], None] | None = None
    ) -> None:
        self.path = path
        self._table = table
        self._on_wait = on_wait
        self._names: Names | None = None
        self._matcher: Matcher | None = None

    @classmethod
    def open(
        cls, path: Path, *, create: bool = False, on_wait: Callable[[str], None] | None = None
    ) -> Glossary:
        """Open the folder `path`; with `create` an absent or empty one becomes a new glossary.

        `on_wait` gets a sentence when a write waits for another process. Raises UserError when
        there is none, when the folder belongs to another program or to a newer kwtui, and
        FailedError when it cannot be read or made.
        """
        kind = _kind(path)
        if kind == "foreign":
            sentence = _("{path} is no glossary of kwtui: give another folder or move it away.")
            raise UserError(sentence.format(path=path))
        if kind == "absent" and not create:
            sentence = _("There is no glossary at {path}: import or add terms first.")
            raise UserError(sentence.format(path=path))
        with _storage(path):
            table = _connect(path).open_table(TABLE) if kind == "glossary" else _created(path)
            _check_version(path, table.schema.metadata or {})
        return cls(path, table, on_wait)

    @property
    def version(self) -> int:
        """The number of the table's state; it grows with every write."""
        return int(self._table.version)

    def refresh(self) -> bool:
        """See the writes of other processes; returns whether there were any."""
        before = self.version
        with _storage(self.path):
            self._table.checkout_latest()
        if self.version == before:
            return False
        self._forget()
        return True

    def count(self) -> int:
        """How many terms there are, the not-a-keyword list included."""
        with _storage(self.path):
            return int(self._table.count_rows())

    def terms(self) -> list[Term]:
        """All terms, ordered by canonical form."""
        return sorted(self._loaded().by_id.values(), key=lambda term: (term.canonical, term.id))

    def get(self, term_id: str) -> Term | None:
        """The term with this id."""
        return self._loaded().by_id.get(term_id)

    def lookup(self, surface: str) -> Term | None:
        """The term with this canonical form or alias; case counts as in `glossary.term.key`."""
        return self._loaded().owner(surface)

    def excluded(self) -> list[Term]:
        """The not-a-keyword list."""
        return [term for term in self.terms() if not term.keyword]

    def matcher(self) -> Matcher:
        """The matcher over all terms, kept until a term changes."""
        if self._matcher is None:
            self._matcher = Matcher(self.terms())
        return self._matcher

    def plan(self, terms: Iterable[Term]) -> Plan:
        """What `upsert` would do with these terms, refusals included; changes nothing."""
        return plan(terms, self._loaded().by_id)

    def upsert(self, terms: Iterable[Term], *, author: str, reason: str = "") -> int:
        """Add or replace terms, all or none; returns how many were new or changed.

        A term without id replaces the entry with its canonical form. Raises UserError with the
        first refusal (empty, too long, control characters, a name that another term has) and
        FailedError when the disk refuses.
        """
        given = list(terms)

        def change(names: Names) -> tuple[list[Term], list[str]]:
            outcome = plan(given, names.by_id)
            if outcome.refused:
                raise UserError(_refusals(outcome))
            last = {term.id: term for term in [*outcome.new, *outcome.changed]}
            return list(last.values()), []

        return self._write(change, author, reason)

    def delete(self, ids: Iterable[str], *, author: str = "", reason: str = "") -> int:
        """Remove the terms with these ids; returns how many there were. Unknown ids are ignored."""
        wanted = set(ids)

        def change(names: Names) -> tuple[list[Term], list[str]]:
            return [], sorted(wanted & set(names.by_id))

        return self._write(change, author, reason)

    def ngram_search(self, text: str, limit: int) -> list[tuple[Term, float]]:
        """Terms that share 2- and 3-grams with `text`, best BM25 score first, at most `limit`."""
        clean, best = normalise(text), dict[str, float]()
        with _storage(self.path):
            if limit < 1 or not self._table.list_indices():
                return []
            for start in range(0, len(clean), _QUERY):
                query = self._table.search(
                    clean[start : start + _QUERY + 2], query_type="fts", fts_columns="search"
                )
                for row in query.select(["id", "_score"]).limit(limit).to_list():
                    best[row["id"]] = max(best.get(row["id"], 0.0), float(row["_score"]))
        ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:limit]
        return [(term, score) for key, score in ranked if (term := self.get(key)) is not None]

    def _write(
        self,
        change: Callable[[Names], tuple[list[Term], list[str]]],
        author: str,
        reason: str,
    ) -> int:
        """The one way to change the table: lock, look, change, index."""
        with held(
            self.path / LOCK, author=author, what=reason or _("a change"), on_wait=self._on_wait
        ):
            self.refresh()
            put, gone = change(self._loaded())
            if not put and not gone:
                return 0
            with _storage(self.path):
                if put:
                    rows = _rows(put, author, reason)
                    merge = self._table.merge_insert("id").when_matched_update_all()
                    merge.when_not_matched_insert_all().execute(rows)
                if gone:
                    # Ids hold only letters, digits and _.:- (validation.py), so no quote gets in.
                    self._table.delete("id IN ('" + "', '".join(gone) + "')")
                self._forget()
            # The change is on disk; a full disk then only leaves the index behind, until next time.
            with suppress(FailedError), _storage(self.path):
                self._maintain()
        return len(put) + len(gone)

    def _maintain(self) -> None:
        """Keep the n-gram index up and the number of fragments and old versions down."""
        from lancedb.index import FTS

        indices = self._table.list_indices()
        if not indices:
            ngrams = FTS(
                base_tokenizer="ngram",
                ngram_min_length=2,
                ngram_max_length=3,
                stem=False,
                remove_stop_words=False,
                ascii_folding=False,
            )
            self._table.create_index("search", config=ngrams)
            return
        unindexed = self._table.index_stats(indices[0].name).num_unindexed_rows
        fragments = self._table.stats()["fragment_stats"]["num_fragments"]
        if unindexed > _UNINDEXED or fragments > _FRAGMENTS:
            self._table.optimize(cleanup_older_than=_RETENTION)

    def _loaded(self) -> Names:
        if self._names is None:
            with _storage(self.path):
                self._names = Names(_terms(self._table.to_arrow()))
        return self._names

    def _forget(self) -> None:
        self._names = self._matcher = None


def schema() -> Any:
    """The Arrow schema of the table, its version in the metadata."""
    import pyarrow as pa

    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("canonical", pa.string(), nullable=False),
        pa.field("aliases", pa.list_(pa.string()), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in _TEXTS),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("keyword", pa.bool_(), nullable=False),
        pa.field("search", pa.string(), nullable=False),
    ]
    return pa.schema(fields, metadata={_VERSION_KEY: str(SCHEMA_VERSION).encode()})


def _kind(path: Path) -> str:
    """What stands at `path`: "absent" (or empty), "glossary" or "foreign"."""
    try:
        if not path.exists():
            return "absent"
        names = {entry.name for entry in path.iterdir()} - {LOCK}
    except NotADirectoryError:
        return "foreign"
    except OSError as error:
        sentence = _("The glossary {path} cannot be read: {reason}.")
        raise FailedError(sentence.format(path=path, reason=error.strerror)) from error
    if not names:
        return "absent"
    return "glossary" if f"{TABLE}.lance" in names else "foreign"


def _connect(path: Path) -> Any:
    import lancedb

    return lancedb.connect(str(path))


def _created(path: Path) -> Any:
    path.mkdir(parents=True, exist_ok=True)
    with held(path / LOCK, author="", what=_("a new glossary")):
        database = _connect(path)
        if _kind(path) == "glossary":
            return database.open_table(TABLE)
        return database.create_table(TABLE, schema=schema())


def _check_version(path: Path, metadata: dict[bytes, bytes]) -> None:
    text = metadata.get(_VERSION_KEY, b"").decode("ascii", "replace")
    if not text.isdecimal() or int(text) < 1:
        sentence = _("{path} is a LanceDB folder of another program: give another folder.")
        raise UserError(sentence.format(path=path))
    if int(text) > SCHEMA_VERSION:
        sentence = _(
            "The glossary {path} has format {found}, newer than the {ours} this kwtui reads: "
            "open it with a newer kwtui."
        )
        raise UserError(sentence.format(path=path, found=text, ours=SCHEMA_VERSION))


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    """Turn the storage's exceptions into sentences."""
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


def _rows(terms: Sequence[Term], author: str, reason: str) -> Any:
    import pyarrow as pa

    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    rows = []
    for term in terms:
        stamped = replace(term, created=term.created or now, updated=now, author=author)
        search = "\n".join(filter(None, (*stamped.surfaces, stamped.definition)))
        rows.append({**stamped.to_json(), "reason": reason, "search": search})
    return pa.Table.from_pylist(rows, schema=schema())


def _terms(table: Any) -> Iterator[Term]:
    for row in table.drop_columns(["search", "reason"]).to_pylist():
        yield Term(**{**row, "aliases": tuple(row["aliases"] or ())})


def _refusals(outcome: Plan) -> str:
    first, rest = outcome.refused[0], len(outcome.refused) - 1
    if not rest:
        return first.reason
    return _("{reason} ({count} more are refused; nothing was changed.)").format(
        reason=first.reason, count=rest
    )
