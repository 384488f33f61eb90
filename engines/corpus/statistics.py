"""How far a corpus is, without counting its texts: the tallies are kept by every change."""

from __future__ import annotations

import contextlib
import json
import statistics
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from engines.corpus.connection import sentences
from engines.corpus.core import Core
from glossary.errors import UserError

_PAUSE_SECONDS = 120.0
_LATEST = 100


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """One split: `different` surfaces among its keywords; `empty`: labeled without a keyword."""

    texts: int = 0
    labeled: int = 0
    keywords: int = 0
    different: int = 0
    empty: int = 0

    def to_json(self) -> dict[str, int]:
        """The counts as one object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a corpus is on the way to `goal` labeled texts.

    `labeled`: texts with labels that count, whoever made them, imported gold among them; `mine`:
    what the annotator finished, skipped and flagged texts too; `left`: texts that nobody finished.
    `seconds`: median time between the annotator's latest texts, pauses left out; `left_seconds`:
    time to the goal at that pace, or for what is left where the goal is reached or that is less;
    both None until the pace is known.
    """

    mine: int
    labeled: int
    left: int
    goal: int
    keywords_per_text: float
    seconds: float | None
    left_seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """The numbers as one object."""
        return asdict(self)


def by_split(corpus: Core) -> dict[str, SplitCounts]:
    """The counts of each split; texts without one count under ""."""
    different = _different(corpus)
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT split, sum(texts), sum(labeled), sum(keywords), sum(empty) FROM tallies"
            " GROUP BY split HAVING sum(texts) ORDER BY split"
        ).fetchall()
    return {
        split: SplitCounts(texts, labeled, keywords, different.get(split, 0), empty)
        for split, texts, labeled, keywords, empty in rows
    }


def _different(corpus: Core) -> dict[str, int]:
    """Different surfaces of each split, counted anew only when something has changed since."""
    with sentences(corpus.path):
        position = corpus.db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
        kept = json.loads(corpus.value("surfaces", "{}"))
        if kept.get("position") == position:
            return dict(kept["different"])
        different = dict(
            corpus.db.execute(
                "SELECT t.split, count(DISTINCT l.surface) FROM texts t"
                " JOIN labels l ON l.text_key = t.key AND l.annotator = t.chosen"
                " WHERE t.chosen IS NOT NULL GROUP BY t.split"
            )
        )
    with contextlib.suppress(UserError), corpus.transaction():  # a read-only one counts again
        value = json.dumps({"position": position, "different": different})
        corpus.keep_value("surfaces", value)
    return different


def progress(corpus: Core, annotator: str, goal: int) -> Progress:
    """How far the annotator and everybody together are."""
    with sentences(corpus.path):
        labeled, keywords, left = corpus.db.execute(
            "SELECT coalesce(sum(labeled), 0), coalesce(sum(keywords), 0),"
            " coalesce(sum(CASE WHEN status IN ('new', 'draft') THEN texts END), 0) FROM tallies"
        ).fetchone()
        mine = corpus.db.execute(
            "SELECT count(*) FROM labelings WHERE annotator = ?"
            " AND status IN ('labeled', 'skipped', 'flagged')",
            (annotator,),
        ).fetchone()[0]
        times = [
            datetime.fromisoformat(row[0])
            for row in corpus.db.execute(
                "SELECT at FROM events WHERE annotator = ? AND kind IN ('label', 'status')"
                " ORDER BY seq DESC LIMIT ?",
                (annotator, _LATEST),
            )
        ]
    gaps = [(late - early).total_seconds() for late, early in pairwise(times)]
    gaps = [gap for gap in gaps if 0 < gap < _PAUSE_SECONDS]
    seconds = statistics.median(gaps) if gaps else None
    wanted = min(goal - labeled, left) if labeled < goal else left
    rest = None if seconds is None else seconds * wanted
    per_text = keywords / labeled if labeled else 0.0
    return Progress(mine, labeled, left, goal, per_text, seconds, rest)
