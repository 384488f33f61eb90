"""Splits of a corpus: a group is assigned once and for ever, and near-duplicates are one group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from engines.corpus.bulk import MANY, place, unplace, without_indexes
from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.duplicates import Progress, near_keys
from engines.corpus.splits import EXCLUDED, HELD_OUT, TRAIN, draw

STRATA = ("source", "status", "origin", "empty")


@dataclass(slots=True)
class Grouped:
    """What grouping did, in texts: joined a group, and kept out as bridges between splits."""

    joined: int = 0
    excluded: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The numbers, and each excluded text's id with the reason."""
        return asdict(self)


class Splitting(Core):
    """The part of a corpus that says which texts train and which test."""

    def assign_splits(
        self,
        choose: Callable[[str], str],
        *,
        annotator: str,
        reason: str,
        on_progress: Progress | None = None,
    ) -> int:
        """Give every group without a split the one that `choose(group)` names; returns how many.

        Groups that have a split keep it. A group with a synthetic or drafted text goes to train.
        `on_progress` hears of groups that are done, of all.
        """
        with self.roomy(), self.transaction():
            groups = self._db.execute(
                "SELECT t.grp, max(t.synthetic OR t.drafted) FROM texts t"
                " WHERE t.split = '' GROUP BY t.grp"
            ).fetchall()
            count = len(groups)
            event = self.event(annotator, "split", None, {"reason": reason, "n": count})
            rows = ((g, TRAIN if made else choose(g), reason, event) for g, made in groups)
            if count >= MANY:
                place(self._db, rows, count, _shared(on_progress, count))
            else:
                self._db.executemany(
                    "INSERT INTO splits (grp, split, reason, event) VALUES (?, ?, ?, ?)", rows
                )
        return count

    def forget_splits(
        self, annotator: str, reason: str, on_progress: Progress | None = None
    ) -> int:
        """Take every text out of its split, to split anew; the history keeps who did it and why.

        Returns the number of groups. Scores measured before hold for other splits from now on.
        """
        with self.roomy(), self.transaction():
            count = int(self._db.execute("SELECT count(*) FROM splits").fetchone()[0])
            before = dict(self._db.execute("SELECT split, count(*) FROM splits GROUP BY split"))
            data = {"reason": reason, "groups": count, "before": before}
            self.event(annotator, "split anew", None, data)
            if count >= MANY:
                unplace(self._db, _shared(on_progress, count))
            else:
                self._db.execute("DELETE FROM splits")
            self._db.execute("UPDATE signatures SET grouped = 0")
        return count

    def near_links(
        self, *, everything: bool = False, on_progress: Progress | None = None
    ) -> list[tuple[int, int]]:
        """Pairs of near-duplicates for `group_near`, by their keys; changes nothing.

        Those with a text that was not grouped before, or `everything`. Needs `duplicates.sign`.
        """
        near = near_keys(self, fresh_only=not everything, crowd=0, on_progress=on_progress)
        return [(one, other) for one, other, _alike in near]

    def group_near(
        self,
        annotator: str,
        links: list[tuple[int, int]] | None = None,
        on_progress: Progress | None = None,
    ) -> Grouped:
        """Make one group of near-duplicates; `links`: what `near_links` found, else found now.

        A new text joins the split of its group. One whose near-duplicates stand in two splits
        goes to `excluded` with the reason, and so does a synthetic or drafted one that resembles
        a held-out text. No text moves. `on_progress` hears of sets that are joined, of all.
        """
        found = Grouped()
        pairs = self.near_links() if links is None else links
        with self.roomy(), self.transaction():
            event = 0
            with without_indexes(self._db) if len(pairs) >= MANY else nullcontext():
                sets = _components(pairs)
                for number, keys in enumerate(sets):
                    if on_progress is not None:
                        on_progress(number, len(sets))
                    rows = self._rows(keys)
                    placed = {row[1] for row in rows if row[1]}
                    if not placed and len({row[0] for row in rows}) == 1:
                        continue
                    event = event or self.event(annotator, "group", None, {"links": len(pairs)})
                    self._join(rows, placed, event, found)
            self._db.execute("UPDATE signatures SET grouped = 1 WHERE grouped = 0")
        return found

    def _rows(self, keys: Iterable[int]) -> list[tuple[str, str, str, bool, int]]:
        """Group, split, id, whether made by a machine, and key of texts and of their groups."""
        query = "SELECT grp FROM texts WHERE key = ?"
        groups = {self._db.execute(query, (key,)).fetchone()[0] for key in keys}
        rows = [
            (grp, split, name, bool(made), key)
            for group in groups
            for grp, split, name, made, key in self._db.execute(
                "SELECT grp, split, id, synthetic OR drafted, key FROM texts WHERE grp = ?",
                (group,),
            )
        ]
        return sorted(rows, key=lambda row: row[4])

    def _join(
        self,
        rows: list[tuple[str, str, str, bool, int]],
        placed: set[str],
        event: int,
        found: Grouped,
    ) -> None:
        fresh = [row for row in rows if not row[1]]
        if len(placed) > 1:
            reason = "near-duplicates in " + " and ".join(sorted(placed))
            for _grp, _split, name, _made, key in fresh:
                self._exclude(key, name, reason, event, found)
            return
        target = next((row[0] for row in rows if row[1]), rows[0][0])
        held_out = placed & set(HELD_OUT)
        for grp, _split, name, made, key in fresh:
            if made and held_out:
                reason = f"made by a machine, near-duplicate in {next(iter(held_out))}"
                self._exclude(key, name, reason, event, found)
            elif grp != target:
                self._db.execute("UPDATE texts SET grp = ? WHERE key = ?", (target, key))
                found.joined += 1

    def _exclude(self, key: int, name: str, reason: str, event: int, found: Grouped) -> None:
        group = f"excluded:{key}"
        self._db.execute("UPDATE texts SET grp = ? WHERE key = ?", (group, key))
        self._db.execute(
            "INSERT OR IGNORE INTO splits (grp, split, reason, event) VALUES (?, ?, ?, ?)",
            (group, EXCLUDED, reason, event),
        )
        found.excluded[name] = reason

    def excluded(self) -> dict[str, str]:
        """The excluded texts by id, each with the reason."""
        with sentences(self.path):
            return dict(
                self._db.execute(
                    "SELECT t.id, s.reason FROM texts t JOIN splits s ON s.grp = t.grp"
                    " WHERE t.split = ? ORDER BY t.key",
                    (EXCLUDED,),
                )
            )

    def strata(self, by: str) -> dict[str, dict[str, int]]:
        """Texts of each value of `by` in each split: split -> value -> texts.

        `by`: one of STRATA, or a key of the metadata.
        """
        counts: dict[str, dict[str, int]] = {}
        with sentences(self.path):
            for split, value, number in self._db.execute(
                f"SELECT split, {_stratum(by)}, count(*) FROM texts GROUP BY 1, 2 ORDER BY 1, 2",
                {"path": f'$."{by}"'},
            ):
                counts.setdefault(split, {})[value] = number
        return counts

    def stratified(
        self, shares: Mapping[str, float], by: str, seed: int = 0
    ) -> Callable[[str], str]:
        """A choice for `assign_splits` that meets the shares within each value of `by`."""
        groups: dict[str, list[str]] = defaultdict(list)
        with sentences(self.path):
            for group, value in self._db.execute(
                f"SELECT grp, min({_stratum(by)}) FROM texts WHERE split = '' GROUP BY grp",
                {"path": f'$."{by}"'},
            ):
                groups[value].append(group)
        chosen: dict[str, str] = {}
        for members in groups.values():
            members.sort(key=lambda group: draw(group, seed))
            chosen.update(zip(members, _cut(len(members), shares), strict=True))
        return chosen.__getitem__


def _shared(on_progress: Progress | None, count: int) -> Callable[[float], None]:
    """Progress that hears shares of `count` things."""
    return lambda part: on_progress(int(count * part), count) if on_progress else None


def _stratum(by: str) -> str:
    """The SQL of a text's value; metadata is read at `:path`."""
    return {
        "source": "source",
        "status": "status",
        "origin": "CASE WHEN synthetic THEN 'synthetic' WHEN drafted THEN 'draft' ELSE '' END",
        "empty": "CASE keywords WHEN 0 THEN 'empty' ELSE '' END",
    }.get(by, "coalesce(CAST(json_extract(meta, :path) AS TEXT), '')")


def _cut(count: int, shares: Mapping[str, float]) -> list[str]:
    """Names in the order of the shares, as many of each as its share of `count`, rounded."""
    names: list[str] = []
    edge = 0.0
    for name, share in shares.items():
        edge += share
        names += [name] * (round(edge * count) - len(names))
    last = next(name for name in reversed(list(shares)) if shares[name] > 0)
    return (names + [last] * (count - len(names)))[:count]


def _components(links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Sets of keys that are linked, each in order (union-find)."""
    parent: dict[int, int] = {}

    def root(key: int) -> int:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, other in links:
        parent[max(root(one), root(other))] = min(root(one), root(other))
    members: dict[int, list[int]] = defaultdict(list)
    for key in parent:
        members[root(key)].append(key)
    return [sorted(keys) for keys in members.values()]
