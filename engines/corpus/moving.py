"""What is learnt from a held-out text: it trains from then on, and who looked at it is on record.

A text of dev or test is evidence only as long as nobody learns from it. Its group moves as one,
so that no near-duplicate of a training text stays behind in the test.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.splits import HELD_OUT, TRAIN

LOOK, MOVE, PROPOSE = "look", "move", "propose"
# Kinds of events that change no label and no split.
SILENT = (LOOK, PROPOSE)
# Heads of changes whose texts have events of their own, and what concerns no text.
_HEADS = ("edit", "undo", "redo", "guideline")


@dataclass(frozen=True, slots=True)
class Moved:
    """Texts that left each held-out split for train; `ids` are those that were named."""

    splits: dict[str, int] = field(default_factory=dict)
    ids: tuple[str, ...] = ()

    @property
    def texts(self) -> int:
        """How many texts moved, near-duplicates included."""
        return sum(self.splits.values())


@dataclass(frozen=True, slots=True)
class Proposed:
    """A word that a strategy missed, sent to the glossary's candidates by a person."""

    surface: str
    texts: int
    example: str


def would_move(corpus: Core, ids: Iterable[str]) -> dict[str, int]:
    """How many texts of each held-out split `move_to_train` would move, near-duplicates too."""
    with sentences(corpus.path):
        groups = _groups(corpus, ids)
        return dict(sum((Counter({split: size}) for split, size in groups.values()), Counter()))


def move_to_train(corpus: Core, ids: Iterable[str], annotator: str, reason: str) -> Moved:
    """Move held-out texts with everything of their groups to train; others stay where they are."""
    named = tuple(ids)
    with corpus.transaction():
        groups = _groups(corpus, named)
        if not groups:
            return Moved()
        found: Counter[str] = Counter()
        for split, size in groups.values():
            found[split] += size
        data = {"reason": reason, "to": TRAIN, "from": dict(found), "ids": named}
        event = corpus.event(annotator, MOVE, None, data)
        corpus.db.executemany(
            "UPDATE splits SET split = ?, reason = ?, event = ? WHERE grp = ?",
            ((TRAIN, reason, event, group) for group in groups),
        )
    return Moved(dict(found), named)


def _groups(corpus: Core, ids: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Split and number of texts of each held-out group that one of the texts is of."""
    found: dict[str, tuple[str, int]] = {}
    for text_id in ids:
        key, _text = corpus.text_of(text_id)
        group, split = corpus.db.execute(
            "SELECT grp, split FROM texts WHERE key = ?", (key,)
        ).fetchone()
        if split in HELD_OUT and group not in found:
            size = corpus.db.execute(
                "SELECT count(*) FROM texts WHERE grp = ?", (group,)
            ).fetchone()[0]
            found[group] = (split, int(size))
    return found


def record_look(corpus: Core, text_id: str, annotator: str) -> bool:
    """Put on record that a person read a held-out text; False where the split is none such."""
    with corpus.transaction():
        key, _text = corpus.text_of(text_id)
        row = corpus.db.execute("SELECT split FROM texts WHERE key = ?", (key,)).fetchone()
        if row[0] not in HELD_OUT:
            return False
        corpus.event(annotator, LOOK, key, {"split": row[0]})
    return True


def looks(corpus: Core, split: str) -> int:
    """How many different texts of a split people have looked at singly."""
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT text_key, data FROM events WHERE kind = ?", (LOOK,)
        ).fetchall()
    return len({key for key, data in rows if json.loads(data).get("split") == split})


def moves(corpus: Core, split: str) -> int:
    """How many texts have left a split for train because something was learnt from them."""
    with sentences(corpus.path):
        rows = corpus.db.execute("SELECT data FROM events WHERE kind = ?", (MOVE,)).fetchall()
    return sum(int(json.loads(data)["from"].get(split, 0)) for (data,) in rows)


def propose_term(corpus: Core, surface: str, ids: Iterable[str], annotator: str) -> int:
    """Put a missed word on the list of glossary candidates; returns in how many texts it stood."""
    named = list(ids)
    with corpus.transaction():
        text = corpus.text_of(named[0])[1] if named else ""
        data = {"surface": surface, "texts": len(named), "example": text[:200]}
        corpus.event(annotator, PROPOSE, None, data)
    return len(named)


def proposals(corpus: Core) -> list[Proposed]:
    """The words that people sent, the latest first, each once."""
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT data FROM events WHERE kind = ? ORDER BY seq DESC", (PROPOSE,)
        ).fetchall()
    found: dict[str, Proposed] = {}
    for (data,) in rows:
        values = json.loads(data)
        one = Proposed(values["surface"], int(values["texts"]), values["example"])
        found.setdefault(one.surface, one)
    return list(found.values())


def changed_texts(corpus: Core, split: str, since: int) -> list[str] | None:
    """The texts of a split whose labels have changed after an event; None where more has.

    An import, a split or a move may change which texts there are, and then nobody can tell.
    """
    known = (*SILENT, *_HEADS)
    marks = ", ".join("?" * len(known))
    with sentences(corpus.path):
        more = corpus.db.execute(
            f"SELECT 1 FROM events WHERE seq > ? AND text_key IS NULL AND kind NOT IN ({marks})"
            " LIMIT 1",
            (since, *known),
        ).fetchone()
        if more is not None:
            return None
        rows = corpus.db.execute(
            "SELECT DISTINCT t.id FROM events e JOIN texts t ON t.key = e.text_key"
            " WHERE e.seq > ? AND t.split = ?",
            (since, split),
        )
        return [str(name) for (name,) in rows]


def settled_position(corpus: Core) -> int:
    """Number of the latest change of a label, a text or a split; 0 for a new corpus."""
    marks = ", ".join("?" * len(SILENT))
    with sentences(corpus.path):
        row = corpus.db.execute(
            f"SELECT seq FROM events WHERE kind NOT IN ({marks}) ORDER BY seq DESC LIMIT 1", SILENT
        ).fetchone()
    return int(row[0]) if row else 0
