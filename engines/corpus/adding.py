"""How texts come into a corpus: each once, labels never overwritten, splits never moved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from engines.corpus.bulk import Bulk
from engines.corpus.changes import Added, Labeling
from engines.corpus.core import Core, unique
from engines.corpus.schema import ADJUDICATOR
from engines.corpus.splits import HELD_OUT, document_key, fingerprint, group_key
from engines.records import Example
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

IMPORTER = "import"
# Metadata by which a record says that it was generated or suggested by a strategy; it is kept by
# the text itself and written again on export.
ORIGIN = "origin"
MADE = ("synthetic", "draft")
# Metadata that names the source document: its texts share a split.
DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Given:
    """An example with who labeled it, as far as its record says so; `places`: ambiguous words."""

    example: Example
    annotator: str = ""
    status: str = "labeled"
    note: str = ""
    places: int = 0


@dataclass(slots=True)
class _Import:
    """What the texts of one import share."""

    event: int
    split: str
    annotator: str
    source: str
    synthetic: bool
    edge: str
    bulk: Bulk
    added: Added = field(default_factory=Added)


class Adding(Core):
    """The part of a corpus that takes texts in."""

    def add(
        self,
        examples: Iterable[Example | Given],
        *,
        split: str = "",
        annotator: str = IMPORTER,
        source: str = "",
        synthetic: bool = False,
    ) -> Added:
        """Add texts and their labels in one transaction: all of them, or none when one raises.

        A text that is there already is not added twice, and labels are never overwritten.
        `split`: for texts whose example names none; equal texts stay in the split they have.
        `synthetic` marks the texts for ever and keeps them out of dev and test (UserError).
        """
        with self.roomy(), self.transaction():
            given = {"source": source, "split": split, "synthetic": synthetic}
            event = self.event(annotator, "import", None, given)
            bulk = Bulk(self._db)
            batch = _Import(event, split, annotator, source, synthetic, self._edge(), bulk)
            for one in examples:
                self._add(one if isinstance(one, Given) else Given(one), batch)
                bulk.grown(batch.added.new)
            bulk.finish()
            self.event(annotator, "imported", None, batch.added.to_json())
        return batch.added

    def _add(self, given: Given, batch: _Import) -> None:
        example, added = given.example, batch.added
        if not example.text.strip():
            added.blank += 1
            return
        origin = example.meta.get(ORIGIN)
        synthetic = batch.synthetic or origin == "synthetic"
        drafted = origin == "draft"
        text = normalise(example.text)
        mark = fingerprint(text)
        row = self._db.execute("SELECT key, grp FROM texts WHERE digest = ?", (mark,)).fetchone()
        group = row[1] if row else _group(text, example, batch.source)
        wanted = example.split or batch.split
        split = self._join_split(group, wanted, synthetic or drafted, batch)
        if row:
            added.duplicates += 1
            key = int(row[0])
        else:
            made = (mark, group, split, synthetic, drafted)
            key = self._add_text(example, made, batch)
        if example.labeled or given.status != "labeled":
            self._add_labels(key, given, "synthetic" if synthetic else "import", batch)

    def _add_text(
        self, example: Example, made: tuple[str, str, str, bool, bool], batch: _Import
    ) -> int:
        """Add a new text; `made`: digest, group, split, whether synthetic, whether drafted."""
        mark, group, split, synthetic, drafted = made
        name = example.id or mark[:12]
        if self._db.execute("SELECT 1 FROM texts WHERE id = ?", (name,)).fetchone():
            batch.added.renamed += 1
            name = f"{name}-{mark[:12]}"
        meta = {k: v for k, v in example.meta.items() if k != "ungrounded"}
        if meta.get(ORIGIN) in MADE:
            del meta[ORIGIN]
        cursor = self._db.execute(
            "INSERT INTO texts (id, text, digest, grp, synthetic, drafted, source, meta, batch,"
            " split, wants) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                name,
                example.text,
                mark,
                group,
                synthetic,
                drafted,
                batch.source,
                json.dumps(meta, ensure_ascii=False, default=str) if meta else "{}",
                batch.event,
                split,
                1 + (mark < batch.edge),
            ),
        )
        batch.added.new += 1
        return int(cursor.lastrowid or 0)

    def _add_labels(self, key: int, given: Given, origin: str, batch: _Import) -> None:
        example, added = given.example, batch.added
        annotator = given.annotator or batch.annotator
        outside = tuple(example.meta.get("ungrounded", ()))
        status = "adjudicated" if annotator == ADJUDICATOR else given.status
        found = Labeling(status, origin, given.note, unique(example.keywords), outside)
        stored = self._labeling(key, annotator)
        if stored is None:
            self._put(key, annotator, found, batch.event)
            added.labeled += 1
            added.ambiguous += given.places
            added.ungrounded += len(outside)
        elif {k.surface for k in stored.keywords} != {k.surface for k in found.keywords}:
            added.conflicts += 1

    def _join_split(self, group: str, wanted: str, made: bool, batch: _Import) -> str:
        """The split of a group, `wanted` where it has none yet; counts one that it has already."""
        if made and wanted in HELD_OUT:
            sentence = _("Synthetic and drafted texts never enter {split}: import them to train.")
            raise UserError(sentence.format(split=wanted))
        row = self._db.execute("SELECT split FROM splits WHERE grp = ?", (group,)).fetchone()
        if row is None and wanted:
            self._db.execute(
                "INSERT INTO splits (grp, split, reason, event) VALUES (?, ?, ?, ?)",
                (group, wanted, IMPORTER, batch.event),
            )
            return wanted
        known = str(row[0]) if row else ""
        batch.added.kept += bool(wanted) and known != wanted
        return known


def _group(text: str, example: Example, source: str) -> str:
    """The group of a new text: its source document's, or that of texts with the same letters."""
    document = example.meta.get(DOCUMENT)
    return document_key(source, str(document)) if document else group_key(text)
