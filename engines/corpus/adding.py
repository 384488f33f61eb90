"""How texts come into a corpus: each once, labels never overwritten, splits never moved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from engines.corpus.bulk import Bulk
from engines.corpus.changes import Added, Labeling
from engines.corpus.core import Core, standing, unique
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


# Digest, group and split of a text, whether it is synthetic, whether drafted.
_Made = tuple[str, str, str, bool, bool]
_Said = tuple[str, Labeling]


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
        said = _said(given, "synthetic" if synthetic else "import", batch)
        if row is None:
            self._add_text(example, (mark, group, split, synthetic, drafted), said, batch)
        else:
            added.duplicates += 1
            if said is not None and not self._add_labels(int(row[0]), *said, batch):
                return
        if said is not None:
            added.labeled += 1
            added.ambiguous += given.places
            added.ungrounded += len(said[1].ungrounded)

    def _add_text(self, example: Example, made: _Made, said: _Said | None, batch: _Import) -> None:
        """Add a new text with what its record says of it, its labeling first of all."""
        mark, group, split, synthetic, drafted = made
        name = example.id or mark[:12]
        if self._db.execute("SELECT 1 FROM texts WHERE id = ?", (name,)).fetchone():
            batch.added.renamed += 1
            name = f"{name}-{mark[:12]}"
        meta = {k: v for k, v in example.meta.items() if k != "ungrounded"}
        if meta.get(ORIGIN) in MADE:
            del meta[ORIGIN]
        rows = []
        if said is not None:
            whose, one = said
            rows = [(whose, one.status, one.origin, batch.event, len(one.keywords))]
        cursor = self._db.execute(
            "INSERT INTO texts (id, text, digest, grp, synthetic, drafted, source, meta, batch,"
            " split, status, chosen, keywords, labelers, wants)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                *standing(rows, mark < batch.edge),
            ),
        )
        batch.added.new += 1
        if said is not None:
            self._put_new(int(cursor.lastrowid or 0), *said, batch.event)

    def _add_labels(self, key: int, annotator: str, found: Labeling, batch: _Import) -> bool:
        """Add labels to a text that was there; False where the annotator has said something."""
        stored = self._labeling(key, annotator)
        if stored is None:
            self._put(key, annotator, found, batch.event)
            return True
        if {k.surface for k in stored.keywords} != {k.surface for k in found.keywords}:
            batch.added.conflicts += 1
        return False

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


def _said(given: Given, origin: str, batch: _Import) -> _Said | None:
    """What a record says of its text, and who says so; None when it says nothing."""
    example = given.example
    if not example.labeled and given.status == "labeled":
        return None
    annotator = given.annotator or batch.annotator
    status = "adjudicated" if annotator == ADJUDICATOR else given.status
    outside = tuple(example.meta.get("ungrounded", ()))
    return annotator, Labeling(status, origin, given.note, unique(example.keywords), outside)


def _group(text: str, example: Example, source: str) -> str:
    """The group of a new text: its source document's, or that of texts with the same letters."""
    document = example.meta.get(DOCUMENT)
    return document_key(source, str(document)) if document else group_key(text)
