"""What the queue is sorted by: predictions with their uncertainty, disagreement, new terms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.records import Keyword

TERMS = "terms"
# The quick model among the strategies.
QUICK = "crf"
_BATCH = 1000


class Finds(Protocol):
    """What `rank_terms` needs of a glossary.matching.Matcher."""

    def find_all(self, text: str) -> Sequence[object]:
        """Every occurrence of every term."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a strategy answered for a text, with an uncertainty from 0 to 1 where it knows one."""

    text_id: str
    keywords: tuple[Keyword, ...]
    uncertainty: float | None = None


def save_predictions(corpus: Core, strategy: str, answers: Iterable[Answer]) -> int:
    """Keep a strategy's answers for the queue and as candidates; returns how many."""
    count = 0
    with corpus.transaction():
        for answer in answers:
            key, _text = corpus.text_of(answer.text_id)
            found = json.dumps([k.to_json() for k in answer.keywords], ensure_ascii=False)
            corpus.db.execute(
                "INSERT INTO predictions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " keywords = excluded.keywords, uncertainty = excluded.uncertainty",
                (key, strategy, found, answer.uncertainty),
            )
            count += 1
    return count


def predictions(corpus: Core, text_id: str) -> dict[str, Answer]:
    """What each strategy answered for a text."""
    with sentences(corpus.path):
        key, _text = corpus.text_of(text_id)
        rows = corpus.db.execute(
            "SELECT strategy, keywords, uncertainty FROM predictions WHERE text_key = ?", (key,)
        ).fetchall()
    return {
        name: Answer(text_id, tuple(map(Keyword.from_json, json.loads(found))), uncertainty)
        for name, found, uncertainty in rows
    }


def uncertain_strategies(corpus: Core) -> list[str]:
    """Strategies that said of waiting texts how unsure they are, the quick model first."""
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT DISTINCT strategy FROM predictions WHERE uncertainty IS NOT NULL"
            " ORDER BY strategy != ?, strategy",
            (QUICK,),
        ).fetchall()
    return [str(name) for (name,) in rows]


def disagreement_name(one: str, other: str) -> str:
    """The ranking by which two strategies disagree."""
    return f"disagreement:{one}:{other}"


def rank_disagreement(corpus: Core, one: str, other: str) -> int:
    """Rank the texts that both strategies answered by 1 - F1 of their surfaces; returns them."""
    rows = _paired(corpus, one, other)
    values = [(key, 1.0 - _f1(_surfaces(left), _surfaces(right))) for key, left, right in rows]
    _save_ranks(corpus, disagreement_name(one, other), values)
    return len(values)


def _paired(corpus: Core, one: str, other: str) -> list[tuple[int, str, str]]:
    with sentences(corpus.path):
        return corpus.db.execute(
            "SELECT a.text_key, a.keywords, b.keywords FROM predictions a JOIN predictions b"
            " ON b.text_key = a.text_key AND b.strategy = ? WHERE a.strategy = ?",
            (other, one),
        ).fetchall()


def _surfaces(keywords: str) -> set[str]:
    return {keyword["surface"] for keyword in json.loads(keywords)}


def _f1(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def rank_terms(corpus: Core, matcher: Finds) -> int:
    """Rank texts that wait by their glossary terms that nobody has labeled anywhere yet.

    Returns the number of texts. Terms are found as letters, without a look at words.
    """
    with sentences(corpus.path):
        known = {row[0] for row in corpus.db.execute("SELECT DISTINCT surface FROM labels")}
        values: list[tuple[int, float]] = []
        count = 0
        for key, text in corpus.db.execute("SELECT key, text FROM texts WHERE wants > 0"):
            count += 1
            found = {str(getattr(hit, "surface", "")) for hit in matcher.find_all(text)}
            if found := found - known:
                values.append((key, float(len(found))))
    _save_ranks(corpus, TERMS, values)
    return count


def _save_ranks(corpus: Core, name: str, values: Iterable[tuple[int, float]]) -> None:
    with corpus.transaction():
        corpus.db.execute("DELETE FROM ranks WHERE name = ?", (name,))
        corpus.db.executemany(
            "INSERT INTO ranks VALUES (?, ?, ?)", ((name, key, value) for key, value in values)
        )
