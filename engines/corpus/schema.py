"""The tables of corpus.sqlite and the steps that brought them here."""

from __future__ import annotations

# "kwtc" in ASCII: marks the file as a kwtui corpus (PRAGMA application_id).
APPLICATION_ID = 0x6B777463
# The annotator whose labeling is the settled one of several.
ADJUDICATOR = "adjudicated"
STATUSES = ("new", "draft", "labeled", "skipped", "flagged", "adjudicated")
ORIGINS = ("person", "import", "draft", "synthetic")

_FIRST = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row a change, in order; never changed and never removed.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    annotator TEXT NOT NULL,
    kind TEXT NOT NULL,
    text_key INTEGER,
    data TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX events_of_text ON events (text_key, seq) WHERE text_key IS NOT NULL;
CREATE INDEX events_of_annotator ON events (annotator, seq);
CREATE TRIGGER events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- A text is evidence: its row keeps it as it came, normalised. `batch` is the event that brought
-- it; texts of one `grp` (equal, nearly equal or of one source document) share a split.
CREATE TABLE texts (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    grp TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'new'
        CHECK (status IN ('new', 'draft', 'labeled', 'skipped', 'flagged', 'adjudicated')),
    synthetic INTEGER NOT NULL DEFAULT 0 CHECK (synthetic IN (0, 1)),
    source TEXT NOT NULL DEFAULT '',
    meta TEXT NOT NULL DEFAULT '{}',
    batch INTEGER NOT NULL REFERENCES events (seq)
);
CREATE INDEX texts_by_status ON texts (status, key);
CREATE INDEX texts_by_group ON texts (grp);

-- What one annotator said about one text; it may hold no label at all. `ungrounded`: keywords of
-- an import that the text does not hold, as a JSON list.
CREATE TABLE labelings (
    text_key INTEGER NOT NULL REFERENCES texts (key) ON DELETE CASCADE,
    annotator TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('draft', 'labeled', 'skipped', 'flagged', 'adjudicated')),
    origin TEXT NOT NULL DEFAULT 'person'
        CHECK (origin IN ('person', 'import', 'draft', 'synthetic')),
    note TEXT NOT NULL DEFAULT '',
    ungrounded TEXT NOT NULL DEFAULT '[]',
    event INTEGER NOT NULL REFERENCES events (seq),
    PRIMARY KEY (text_key, annotator)
) WITHOUT ROWID;
CREATE INDEX labelings_by_annotator ON labelings (annotator, status);

-- Offsets are code points of the text, end exclusive.
CREATE TABLE labels (
    text_key INTEGER NOT NULL,
    annotator TEXT NOT NULL,
    start INTEGER NOT NULL CHECK (start >= 0),
    end INTEGER NOT NULL,
    surface TEXT NOT NULL,
    category TEXT,
    canonical TEXT,
    term_id TEXT,
    PRIMARY KEY (text_key, annotator, start, end),
    FOREIGN KEY (text_key, annotator) REFERENCES labelings (text_key, annotator)
        ON DELETE CASCADE,
    CHECK (end > start)
) WITHOUT ROWID;
CREATE INDEX labels_by_surface ON labels (surface);

CREATE TABLE splits (
    grp TEXT PRIMARY KEY,
    split TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    event INTEGER NOT NULL REFERENCES events (seq)
) WITHOUT ROWID;
CREATE INDEX splits_by_name ON splits (split);
"""

# MIGRATIONS[n] brings `user_version` n to n + 1.
MIGRATIONS: tuple[str, ...] = (_FIRST,)
VERSION = len(MIGRATIONS)
