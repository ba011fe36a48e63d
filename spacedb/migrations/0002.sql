-- Version 2 of the space file.

-- The past of the tree. An entry says since when it has named its node, and
-- past has what entries named before: an entry of the tree at sequence number
-- S is a row with since <= S, and with until > S if it is one of the past.
ALTER TABLE entry ADD COLUMN since INTEGER NOT NULL DEFAULT 0;

CREATE TABLE past (
  id       INTEGER PRIMARY KEY,
  parent   INTEGER NOT NULL,
  name     BLOB    NOT NULL,
  node     INTEGER NOT NULL,
  since    INTEGER NOT NULL,
  until    INTEGER NOT NULL,
  mode     INTEGER NOT NULL,     -- of the node then
  mtime    INTEGER NOT NULL,
  document INTEGER NOT NULL,     -- that it carried; 0: a directory
  origin   INTEGER NOT NULL,     -- who ended it
  run      INTEGER NOT NULL
);
CREATE INDEX past_parent   ON past (parent, until);
CREATE INDEX past_node     ON past (node);
CREATE INDEX past_document ON past (document) WHERE document > 0;
CREATE INDEX past_run      ON past (run) WHERE run > 0;

-- When it was: everything up to seq was done by time. A row a second at most,
-- and only where entries changed.
CREATE TABLE moment (
  seq  INTEGER PRIMARY KEY,
  time INTEGER NOT NULL
);
INSERT INTO moment SELECT seq, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000000 FROM space;

-- What the store had done when a run began and when it ended; 0: not known.
ALTER TABLE run ADD COLUMN began INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
