"""Labeled cases of the training split, searchable, as examples in a prompt.

The LanceDB folder is derived: it can be deleted at any time and is rebuilt when it is missing
or made from another state of the corpus. Cases never come from dev, test or wild.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.records import Example

if TYPE_CHECKING:
    from lancedb.table import Table

    from glossary.matching import Matcher

TRAIN = "train"
NEAR_DUPLICATE = 0.8
POOL = 48
RESERVE = 32
RELEVANCE = 0.7
QUERY_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """A labeled text and its keywords, as shown to the model."""

    text: str
    keywords: tuple[str, ...]


@lru_cache(maxsize=8192)
def grams(text: str) -> frozenset[str]:
    """Character 2- and 3-grams of `text` without spaces; a single character is its own gram."""
    letters = "".join(text.lower().split())
    if len(letters) < 2:
        return frozenset([letters]) if letters else frozenset()
    return frozenset(letters[i : i + n] for n in (2, 3) for i in range(len(letters) - n + 1))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Shared n-grams by all n-grams, 0 to 1."""
    if not left or not right:
        return float(left == right)
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)


class Cases:
    """The searchable labeled cases of one corpus, in the state `position`."""

    def __init__(self, table: Table | None) -> None:
        self._table = table
        self._reserve: dict[bool, list[Case]] = {True: [], False: []}
        self._empty_share = 0.0
        if table is not None:
            self._survey(table)

    @classmethod
    def open(cls, path: Path, position: str, examples: Callable[[], Iterable[Example]]) -> Cases:
        """The cases at `path`, rebuilt from `examples()` unless made at this corpus `position`.

        `position` is any string that changes when the labels change. Only examples of the
        training split are taken. Where `path` can't be written, the table lives in a temporary
        folder until the process ends.
        """
        name = "cases_" + hashlib.sha256(position.encode()).hexdigest()[:16]
        table = _existing(path, name)
        if table is None:
            table = _build(path, name, [e for e in examples() if e.labeled and e.split == TRAIN])
        return cls(table)

    def count(self) -> int:
        """How many cases there are."""
        return 0 if self._table is None else int(self._table.count_rows())

    def similar(
        self, text: str, limit: int, *, whole: str = "", matcher: Matcher | None = None
    ) -> list[Case]:
        """Up to `limit` cases like `text`, the most similar last.

        Similarity is n-gram overlap and shared terms; each next case is also unlike those
        already chosen (maximal marginal relevance, Carbonell and Goldstein 1998), and from
        three cases on some have an empty answer, as in the corpus. The text itself, its
        near-duplicates (n-gram Jaccard >= 0.8) and cases that are a piece of it are left out;
        `whole` is the text that `text` is a passage of, held to the same.
        """
        if self._table is None or limit <= 0:
            return []
        query = _Query(text, whole or text, matcher)
        pools = {empty: self._pool(query, empty) for empty in (False, True)}
        empties = min(self._empties_wanted(limit), len(pools[True]))
        chosen = _diverse(pools[False], limit - empties)
        chosen += _diverse(pools[True], limit - len(chosen))
        chosen.sort(key=lambda scored: scored.score)
        return [scored.case for scored in chosen]

    def _empties_wanted(self, limit: int) -> int:
        if limit < 3 or not self._empty_share:
            return 0
        return max(1, round(limit * self._empty_share))

    def _pool(self, query: _Query, empty: bool) -> list[_Scored]:
        found = {case.text: case for case in self._search(query.text, empty)}
        found.update((case.text, case) for case in self._reserve[empty])
        scored = (query.score(case) for case in found.values() if not query.forbids(case))
        return sorted(scored, key=lambda one: (-one.score, one.case.text))[:POOL]

    def _search(self, text: str, empty: bool) -> list[Case]:
        from lancedb import query as lance

        assert self._table is not None
        words: Any = lance.MatchQuery
        query: Any = self._table.search(words(text[:QUERY_CHARACTERS], "text"), query_type="fts")
        rows = query.where(f"empty = {str(empty).lower()}", prefilter=True).limit(POOL).to_list()
        return [_case(row) for row in rows]

    def _survey(self, table: Table) -> None:
        total = table.count_rows()
        counts = {True: table.count_rows("empty = true")}
        counts[False] = total - counts[True]
        self._empty_share = counts[True] / total if total else 0.0
        for empty in (False, True):
            query: Any = table.search().where(f"empty = {str(empty).lower()}")
            rows = query.select(["text", "keywords", "rank"]).limit(RESERVE).to_list()
            self._reserve[empty] = [_case(row) for row in rows]


@dataclass(frozen=True, slots=True)
class _Scored:
    case: Case
    grams: frozenset[str]
    score: float


class _Query:
    """One text that examples are looked for, with what its candidates are measured against."""

    def __init__(self, text: str, whole: str, matcher: Matcher | None) -> None:
        self.text = text
        self._whole = whole
        self._grams = grams(text)
        self._whole_grams = self._grams if whole == text else grams(whole)
        self._matcher = matcher
        self._terms = self._terms_in(text)

    def forbids(self, case: Case) -> bool:
        if case.text.strip() in self._whole:
            return True
        shape = grams(case.text)
        return max(jaccard(shape, self._grams), jaccard(shape, self._whole_grams)) >= NEAR_DUPLICATE

    def score(self, case: Case) -> _Scored:
        shape = grams(case.text)
        terms = self._terms_in(case.text)
        shared = len(terms & self._terms) + sum(word in self.text for word in case.keywords)
        possible = len(terms | self._terms) + len(case.keywords)
        overlap = shared / possible if possible else 0.0
        return _Scored(case, shape, jaccard(shape, self._grams) + overlap)

    def _terms_in(self, text: str) -> frozenset[str]:
        if self._matcher is None:
            return frozenset()
        return frozenset(m.term.canonical for m in self._matcher.find(text, boundaries=False))


def _diverse(pool: Sequence[_Scored], limit: int) -> list[_Scored]:
    rest, chosen = list(pool), list[_Scored]()
    while rest and len(chosen) < limit:

        def worth(one: _Scored) -> float:
            alike = max((jaccard(one.grams, other.grams) for other in chosen), default=0.0)
            return RELEVANCE * one.score - (1 - RELEVANCE) * alike

        best = max(rest, key=worth)
        rest.remove(best)
        chosen.append(best)
    return chosen


def _case(row: dict[str, Any]) -> Case:
    return Case(row["text"], tuple(json.loads(row["keywords"])))


def _existing(path: Path, name: str) -> Table | None:
    if not (path / f"{name}.lance").is_dir():
        return None
    import lancedb

    try:
        table = lancedb.connect(str(path)).open_table(name)
        return table if table.list_indices() else None
    except (ValueError, OSError, RuntimeError):
        return None


def _build(path: Path, name: str, examples: Sequence[Example]) -> Table | None:
    """Build beside `path`, then put it there in one step, so that a killed build leaves nothing."""
    if not examples:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError:
        return _temporary(name, examples)
    try:
        _fill(fresh, name, examples)
        _replace(fresh, path)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        return _temporary(name, examples)
    return _existing(path, name) or _temporary(name, examples)


def _temporary(name: str, examples: Sequence[Example]) -> Table:
    import atexit

    folder = Path(tempfile.mkdtemp(prefix="kwtui-cases-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return _fill(folder, name, examples)


def _replace(fresh: Path, path: Path) -> None:
    if path.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
        path.replace(old / "old")
        shutil.rmtree(old, ignore_errors=True)
    fresh.replace(path)


def _fill(folder: Path, name: str, examples: Sequence[Example]) -> Table:
    import lancedb
    import pyarrow
    from lancedb.index import FTS

    rows = [_row(example) for example in examples]
    rows.sort(key=lambda row: str(row["rank"]))
    table = lancedb.connect(str(folder)).create_table(name, data=pyarrow.Table.from_pylist(rows))
    index = FTS(
        base_tokenizer="ngram",
        ngram_min_length=2,
        ngram_max_length=3,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
        with_position=False,
    )
    table.create_index("text", config=index)
    return table


def _row(example: Example) -> dict[str, object]:
    """`rank` is a hash: the first rows of the table are a fixed random sample."""
    words = list(dict.fromkeys(keyword.surface for keyword in example.keywords))
    return {
        "text": example.text,
        "keywords": json.dumps(words, ensure_ascii=False),
        "empty": not words,
        "rank": hashlib.sha256(f"{example.id}\n{example.text}".encode()).hexdigest()[:16],
    }
