"""What people say about texts, and how they take it back: labels, statuses, undo, adjudication."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engines.corpus.changes import Labeling
from engines.corpus.core import Core, unique
from engines.corpus.schema import ADJUDICATOR, ORIGINS, STATUSES
from engines.corpus.splits import HELD_OUT
from engines.records import Keyword
from glossary.errors import UserError
from glossary.i18n import _


@dataclass(frozen=True, slots=True)
class Undone:
    """What undo or redo did: the kind of the change, its texts and how many of them."""

    kind: str
    ids: tuple[str, ...]
    event: int


@dataclass(frozen=True, slots=True)
class Edit:
    """New labels of one text in a change of many; `owner`: whose labeling it becomes."""

    text_id: str
    keywords: tuple[Keyword, ...]
    owner: str


class Editing(Core):
    """The part of a corpus that people change."""

    def set_labels(
        self,
        text_id: str,
        annotator: str,
        keywords: Sequence[Keyword],
        *,
        status: str = "labeled",
        origin: str = "person",
        note: str | None = None,
        confidence: float | None = None,
        base: int | None = None,
    ) -> int:
        """Replace one annotator's labels of one text; returns the event's number.

        With status "draft" it is work in progress: a "mark", and the text stays claimed.
        `note`: None keeps the annotator's note. `base`: the event of the labeling that the
        annotator saw, 0 for none; when another session of the same name has changed it since,
        both labelings are kept, this one under "name#2", to be adjudicated. Raises UserError for
        an unknown text and for a keyword that does not stand in the text where it says.
        """
        if status not in STATUSES[1:] or origin not in ORIGINS:
            raise ValueError(f"unknown status or origin: {status}, {origin}")
        with self.transaction():
            key, text = self.text_of(text_id)
            _check_keywords(text_id, text, keywords)
            owner = self._owner(key, annotator, base, unique(keywords))
            before = self._labeling(key, owner)
            kept = before.note if before and note is None else note or ""
            after = Labeling(status, origin, kept, unique(keywords), confidence=confidence)
            kind = "mark" if status == "draft" else "label"
            return self._change(key, annotator, kind, owner, before, after)

    def set_status(
        self, text_id: str, annotator: str, status: str, *, note: str | None = None
    ) -> int:
        """Skip, flag or reopen a text for one annotator, whose labels stay; returns the event."""
        if status not in STATUSES[1:]:
            raise ValueError(f"unknown status: {status}")
        with self.transaction():
            key, _text = self.text_of(text_id)
            before = self._labeling(key, annotator)
            now = before or Labeling(status)
            after = replace(now, status=status, note=now.note if note is None else note)
            return self._change(key, annotator, "status", annotator, before, after)

    def adjudicate(
        self, text_id: str, annotator: str, keywords: Sequence[Keyword], *, note: str | None = None
    ) -> int:
        """Settle a text: these labels count from now on, the others stay; returns the event."""
        with self.transaction():
            key, text = self.text_of(text_id)
            _check_keywords(text_id, text, keywords)
            before = self._labeling(key, ADJUDICATOR)
            kept = before.note if before and note is None else note or ""
            after = Labeling("adjudicated", "person", kept, unique(keywords))
            return self._change(key, annotator, "adjudicate", ADJUDICATOR, before, after)

    def edit_many(self, edits: Iterable[Edit], annotator: str, what: str) -> int:
        """Change the labels of many texts as one change, which one undo takes back.

        Returns the change's event, 0 when there was nothing to do. `what` is kept in the history.
        """
        edits = list(edits)
        if not edits:
            return 0
        with self.transaction():
            head = self.event(annotator, "edit", None, {"what": what, "texts": len(edits)})
            for edit in edits:
                key, text = self.text_of(edit.text_id)
                _check_keywords(edit.text_id, text, edit.keywords)
                before = self._labeling(key, edit.owner)
                status = "adjudicated" if edit.owner == ADJUDICATOR else "labeled"
                note = before.note if before else ""
                after = Labeling(status, "person", note, unique(edit.keywords))
                self._change(key, annotator, "label", edit.owner, before, after, change=head)
            self._remember(annotator, head)
        return head

    def save_draft(
        self,
        text_id: str,
        strategy: str,
        keywords: Sequence[Keyword],
        *,
        confidence: float | None = None,
    ) -> bool:
        """Keep a strategy's labels as a draft to be approved; False where drafts may not be.

        That is a text of a held-out split, and one that somebody has labeled. The text is marked
        as drafted for ever.
        """
        with self.transaction():
            key, text = self.text_of(text_id)
            split, labelers = self._db.execute(
                "SELECT split, labelers FROM texts WHERE key = ?", (key,)
            ).fetchone()
            if split in HELD_OUT or labelers:
                return False
            _check_keywords(text_id, text, keywords)
            owner = f"strategy:{strategy}"
            after = Labeling("draft", "draft", "", unique(keywords), confidence=confidence)
            event = self.event(owner, "draft", key, {"after": after.to_json()})
            self._db.execute("UPDATE texts SET drafted = 1 WHERE key = ?", (key,))
            self._put(key, owner, after, event)
        return True

    def undo(self, annotator: str) -> Undone | None:
        """Take back the annotator's latest change, also one of an earlier day; None without one.

        Nobody else's labels are touched.
        """
        return self._revert(annotator, "undo")

    def redo(self, annotator: str) -> Undone | None:
        """Do again what `undo` took back last; None when there is nothing, or it was superseded."""
        return self._revert(annotator, "redo")

    def _revert(self, annotator: str, kind: str) -> Undone | None:
        back = kind == "undo"
        with self.transaction():
            row = self._db.execute(
                f"SELECT {'max' if back else 'min'}(seq) FROM changes"
                " WHERE annotator = ? AND undone = ?",
                (annotator, int(not back)),
            ).fetchone()
            if row[0] is None:
                return None
            seq = int(row[0])
            self._db.execute(
                "UPDATE changes SET undone = ? WHERE annotator = ? AND seq = ?",
                (int(back), annotator, seq),
            )
            return self._apply(annotator, kind, seq)

    def _apply(self, annotator: str, kind: str, seq: int) -> Undone:
        """Put back what was before the change `seq` (undo) or after it (redo)."""
        rows = self._db.execute(
            "SELECT e.seq, e.kind, e.text_key, e.data, t.id FROM events e"
            " LEFT JOIN texts t ON t.key = e.text_key WHERE e.seq = ? OR e.change = ?"
            " ORDER BY e.seq",
            (seq, seq),
        ).fetchall()
        many = rows[0][2] is None
        head = self.event(annotator, kind, None, {"of": seq}) if many else None
        names: list[str] = []
        event = head or 0
        for _seq, _kind, key, data, name in rows:
            if key is None:
                continue
            found = json.loads(data)
            one, other = found["before"], found["after"]
            wanted, present = (one, other) if kind == "undo" else (other, one)
            owner = found.get("owner", annotator)
            event = self.event(
                annotator,
                kind,
                key,
                {"of": seq, "owner": owner, "before": present, "after": wanted},
                head,
            )
            self._put(key, owner, Labeling.from_json(wanted) if wanted else None, event)
            names.append(name)
        return Undone(str(rows[0][1]), tuple(names), head or event)

    def _owner(
        self, key: int, annotator: str, base: int | None, keywords: tuple[Keyword, ...]
    ) -> str:
        """Whose labeling a change becomes: the annotator's, or beside it when that has moved on."""
        if base is None:
            return annotator
        number, owner = 1, annotator
        while True:
            stored = self._labeling(key, owner)
            if stored is None or stored.event == base or stored.keywords == keywords:
                return owner
            number += 1
            owner = f"{annotator}#{number}"

    def _change(
        self,
        key: int,
        annotator: str,
        kind: str,
        owner: str,
        before: Labeling | None,
        after: Labeling,
        change: int | None = None,
    ) -> int:
        after = replace(after, guideline=self._guideline())
        data: dict[str, object] = {
            "before": before.to_json() if before else None,
            "after": after.to_json(),
        }
        if owner != annotator:
            data["owner"] = owner
        event = self.event(annotator, kind, key, data, change)
        self._put(key, owner, after, event)
        if after.status != "draft":
            self._db.execute(
                "DELETE FROM claims WHERE text_key = ? AND annotator = ?", (key, annotator)
            )
        if change is None:
            self._remember(annotator, event)
        return event

    def _remember(self, annotator: str, event: int) -> None:
        """A new change can be undone; what was undone before it cannot be redone any more."""
        self._db.execute("DELETE FROM changes WHERE annotator = ? AND undone = 1", (annotator,))
        self._db.execute("INSERT INTO changes VALUES (?, ?, 0)", (annotator, event))

    def _guideline(self) -> int:
        row = self._db.execute("SELECT coalesce(max(version), 0) FROM guidelines").fetchone()
        return int(row[0])

    def use_guideline(self, text: str, annotator: str) -> int:
        """The number of this version of the guideline, from 1; a new one when it has changed."""
        with self.transaction():
            latest = self._db.execute(
                "SELECT version, text FROM guidelines ORDER BY version DESC LIMIT 1"
            ).fetchone()
            if latest and latest[1] == text:
                return int(latest[0])
            version = (int(latest[0]) if latest else 0) + 1
            event = self.event(annotator, "guideline", None, {"version": version})
            self._db.execute("INSERT INTO guidelines VALUES (?, ?, ?)", (version, text, event))
        return version


def _check_keywords(text_id: str, text: str, keywords: Sequence[Keyword]) -> None:
    for keyword in keywords:
        if text[keyword.start : keyword.end] != keyword.surface or not keyword.surface:
            sentence = _("Text {id} does not hold '{surface}' at {start}.")
            shown = {"id": text_id, "surface": keyword.surface, "start": keyword.start}
            raise UserError(sentence.format(**shown))
