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

# The table tallies from the texts.
COUNT_TALLIES = """
INSERT INTO tallies SELECT split, status, count(*), count(keywords), coalesce(sum(keywords), 0),
    coalesce(sum(keywords = 0), 0) FROM texts GROUP BY split, status
"""

# What labeling by several people, undo, the queue and statistics need. `wants`: how many more
# people are to label a text; `labelers`: how many did, drafts and adjudication left out; `chosen`:
# whose labels count; `keywords`: how many those are, NULL while nobody's count; `drafted`: a
# strategy suggested labels once, which keeps the text out of dev and test for ever. `split` repeats
# the table splits.
_SECOND = (
    """
ALTER TABLE texts ADD COLUMN drafted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE texts ADD COLUMN split TEXT NOT NULL DEFAULT '';
ALTER TABLE texts ADD COLUMN wants INTEGER NOT NULL DEFAULT 1;
ALTER TABLE texts ADD COLUMN labelers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE texts ADD COLUMN chosen TEXT;
ALTER TABLE texts ADD COLUMN keywords INTEGER;
ALTER TABLE labelings ADD COLUMN confidence REAL;
ALTER TABLE labelings ADD COLUMN guideline INTEGER NOT NULL DEFAULT 0;
-- Events of one change that concerns many texts share the number of its first event.
ALTER TABLE events ADD COLUMN change INTEGER;
CREATE INDEX events_of_change ON events (change) WHERE change IS NOT NULL;

UPDATE texts SET
    split = coalesce((SELECT s.split FROM splits s WHERE s.grp = texts.grp), ''),
    labelers = (SELECT count(*) FROM labelings m WHERE m.text_key = texts.key
        AND m.status != 'draft' AND m.annotator != 'adjudicated'),
    chosen = (SELECT m.annotator FROM labelings m WHERE m.text_key = texts.key
        AND m.status IN ('labeled', 'adjudicated')
        ORDER BY m.annotator = 'adjudicated' DESC, m.event DESC LIMIT 1);
UPDATE texts SET keywords = (SELECT count(*) FROM labels l
    WHERE l.text_key = texts.key AND l.annotator = texts.chosen) WHERE chosen IS NOT NULL;
UPDATE texts SET wants = labelers = 0 AND status != 'adjudicated';

CREATE INDEX texts_by_split ON texts (split, key);
CREATE INDEX texts_labeled ON texts (key) WHERE chosen IS NOT NULL;
CREATE INDEX texts_labeled_split ON texts (split, key) WHERE chosen IS NOT NULL;
CREATE INDEX texts_wanted ON texts (key) WHERE wants > 0;
CREATE INDEX texts_wanted_drawn ON texts (substr(digest, 9, 8), key) WHERE wants > 0;
CREATE INDEX texts_wanted_short ON texts (length(text), key) WHERE wants > 0;
CREATE INDEX texts_wanted_group ON texts (grp, key) WHERE wants > 0;
CREATE INDEX texts_contested ON texts (key) WHERE labelers > 1;

CREATE TRIGGER splits_begin AFTER INSERT ON splits
    BEGIN UPDATE texts SET split = NEW.split WHERE grp = NEW.grp; END;
CREATE TRIGGER splits_change AFTER UPDATE OF split ON splits
    BEGIN UPDATE texts SET split = NEW.split WHERE grp = NEW.grp; END;
CREATE TRIGGER splits_end AFTER DELETE ON splits
    BEGIN UPDATE texts SET split = '' WHERE grp = OLD.grp; END;
CREATE TRIGGER groups_change AFTER UPDATE OF grp ON texts WHEN NEW.grp != OLD.grp
    BEGIN UPDATE texts SET split = coalesce(
        (SELECT s.split FROM splits s WHERE s.grp = NEW.grp), '') WHERE key = NEW.key; END;

-- Counts of texts, kept by triggers so that nobody has to count them.
CREATE TABLE tallies (
    split TEXT NOT NULL,
    status TEXT NOT NULL,
    texts INTEGER NOT NULL,
    labeled INTEGER NOT NULL,
    keywords INTEGER NOT NULL,
    empty INTEGER NOT NULL,
    PRIMARY KEY (split, status)
) WITHOUT ROWID;
"""
    + COUNT_TALLIES
    + """;
CREATE TRIGGER tallies_grow AFTER INSERT ON texts BEGIN
    INSERT INTO tallies VALUES (NEW.split, NEW.status, 1, NEW.keywords IS NOT NULL,
        coalesce(NEW.keywords, 0), NEW.keywords IS 0)
    ON CONFLICT DO UPDATE SET texts = texts + 1, labeled = labeled + excluded.labeled,
        keywords = keywords + excluded.keywords, empty = empty + excluded.empty;
END;
CREATE TRIGGER tallies_move AFTER UPDATE OF split, status, keywords ON texts
    WHEN OLD.split != NEW.split OR OLD.status != NEW.status OR OLD.keywords IS NOT NEW.keywords
BEGIN
    UPDATE tallies SET texts = texts - 1, labeled = labeled - (OLD.keywords IS NOT NULL),
        keywords = keywords - coalesce(OLD.keywords, 0), empty = empty - (OLD.keywords IS 0)
        WHERE split = OLD.split AND status = OLD.status;
    INSERT INTO tallies VALUES (NEW.split, NEW.status, 1, NEW.keywords IS NOT NULL,
        coalesce(NEW.keywords, 0), NEW.keywords IS 0)
    ON CONFLICT DO UPDATE SET texts = texts + 1, labeled = labeled + excluded.labeled,
        keywords = keywords + excluded.keywords, empty = empty + excluded.empty;
END;

-- Who is labeling which text, until when (seconds since 1970).
CREATE TABLE claims (
    text_key INTEGER NOT NULL REFERENCES texts (key) ON DELETE CASCADE,
    annotator TEXT NOT NULL,
    session TEXT NOT NULL DEFAULT '',
    until REAL NOT NULL,
    PRIMARY KEY (text_key, annotator, session)
) WITHOUT ROWID;
CREATE INDEX claims_by_annotator ON claims (annotator, session);

-- What each annotator can undo and redo, by the number of the change's first event.
CREATE TABLE changes (
    annotator TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES events (seq),
    undone INTEGER NOT NULL DEFAULT 0 CHECK (undone IN (0, 1)),
    PRIMARY KEY (annotator, undone, seq)
) WITHOUT ROWID;

-- What strategies answered, with an uncertainty from 0 to 1 where they know one.
CREATE TABLE predictions (
    text_key INTEGER NOT NULL REFERENCES texts (key) ON DELETE CASCADE,
    strategy TEXT NOT NULL,
    keywords TEXT NOT NULL,
    uncertainty REAL,
    PRIMARY KEY (text_key, strategy)
) WITHOUT ROWID;
CREATE INDEX predictions_by_uncertainty ON predictions (strategy, uncertainty DESC, text_key);

-- Other numbers that the queue is sorted by.
CREATE TABLE ranks (
    name TEXT NOT NULL,
    text_key INTEGER NOT NULL REFERENCES texts (key) ON DELETE CASCADE,
    value REAL NOT NULL,
    PRIMARY KEY (name, text_key)
) WITHOUT ROWID;
CREATE INDEX ranks_by_value ON ranks (name, value DESC, text_key);

-- MinHash bands of a text, by which near-duplicates find each other.
CREATE TABLE signatures (
    text_key INTEGER PRIMARY KEY REFERENCES texts (key) ON DELETE CASCADE,
    bands BLOB NOT NULL,
    grouped INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE guidelines (
    version INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    event INTEGER NOT NULL REFERENCES events (seq)
);
"""
)

# MIGRATIONS[n] brings `user_version` n to n + 1.
MIGRATIONS: tuple[str, ...] = (_FIRST, _SECOND)
VERSION = len(MIGRATIONS)
