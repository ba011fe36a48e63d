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

-- Patches: what was written into a stored chunk of a large content since then.
-- They are folded into new chunks before the content is sealed.
CREATE TABLE patch (
  id     INTEGER PRIMARY KEY,    -- of one sequence with the chunks' ids: a later one is newer
  node   INTEGER NOT NULL,
  ranges BLOB    NOT NULL,       -- packed: for each, index and id of the chunk, offset and length
  data   BLOB    NOT NULL        -- their bytes, one after the other
);
CREATE INDEX patch_node ON patch (node);

-- text is NULL while there are any: it would show what was there before.
DROP VIEW documents;
CREATE VIEW documents AS
  WITH RECURSIVE walk (node, path) AS (
    SELECT node, CAST(name AS TEXT) FROM entry WHERE parent = 1
    UNION ALL
    SELECT entry.node, walk.path || '/' || CAST(entry.name AS TEXT)
      FROM walk JOIN entry ON entry.parent = walk.node
  )
  SELECT walk.path AS path,
         document.uuid AS id,
         node.size AS size,
         strftime('%Y-%m-%dT%H:%M:%fZ', node.mtime / 1e9, 'unixepoch') AS modified,
         CASE WHEN node.sealed THEN lower(hex(node.sha256)) END AS sha256,
         node.mode AS mode,
         CASE WHEN node.size = 0 THEN ''
              WHEN EXISTS (SELECT 1 FROM patch WHERE patch.node = node.id) THEN NULL
              ELSE (SELECT CAST(data AS TEXT) FROM chunk WHERE chunk.id = node.chunk AND base = 0)
                || coalesce((SELECT group_concat(CAST(data AS TEXT), '') FROM
                     (SELECT data FROM extent JOIN chunk ON chunk.id = extent.chunk
                       WHERE extent.node = node.id ORDER BY extent.idx)), '')
         END AS text
    FROM walk JOIN node ON node.id = walk.node LEFT JOIN document ON document.id = node.document
   WHERE node.mode & 61440 = 32768;

-- Runs can be explained and taken back: what was on an action's side before and
-- after it, and what had been agreed on. mode is type and permission bits, NULL
-- for nothing; data a document's SHA-256 or a symlink's target.
ALTER TABLE action ADD COLUMN reason       TEXT    NOT NULL DEFAULT '';
ALTER TABLE action ADD COLUMN lost         INTEGER NOT NULL DEFAULT 0;  -- 1: what was before lost a conflict
ALTER TABLE action ADD COLUMN before_mode  INTEGER;
ALTER TABLE action ADD COLUMN before_data  BLOB;
ALTER TABLE action ADD COLUMN before_mtime INTEGER;
ALTER TABLE action ADD COLUMN after_mode   INTEGER;
ALTER TABLE action ADD COLUMN after_data   BLOB;
ALTER TABLE action ADD COLUMN after_mtime  INTEGER;
ALTER TABLE action ADD COLUMN base_mode    INTEGER;
ALTER TABLE action ADD COLUMN base_data    BLOB;
ALTER TABLE action ADD COLUMN base_mtime   INTEGER;

-- Paths at which a mirror and the space differ because a run was taken back. As
-- long as both sides hold just that, a sync leaves them alone.
CREATE TABLE apart (
  mirror       INTEGER NOT NULL,
  path         BLOB    NOT NULL,
  run          INTEGER NOT NULL,  -- that took it back
  space_mode   INTEGER,
  space_data   BLOB,
  space_mtime  INTEGER,
  mirror_mode  INTEGER,
  mirror_data  BLOB,
  mirror_mtime INTEGER,
  PRIMARY KEY (mirror, path)
) WITHOUT ROWID;

-- Public, like the other views.
CREATE VIEW actions AS
  SELECT run, idx AS number, CAST(path AS TEXT) AS path, op, side, reason, error, lost,
         CASE before_mode & 61440 WHEN 32768 THEN lower(hex(before_data)) WHEN 40960 THEN 'symlink ' || CAST(before_data AS TEXT)
              WHEN 16384 THEN 'directory' END AS before,
         CASE after_mode & 61440 WHEN 32768 THEN lower(hex(after_data)) WHEN 40960 THEN 'symlink ' || CAST(after_data AS TEXT)
              WHEN 16384 THEN 'directory' END AS after
    FROM action;

-- Chunks that a copy made the content of a second document: history does not
-- pack them, so that what is current is readable as it is.
CREATE TABLE copied (
  chunk INTEGER PRIMARY KEY
);

-- What an import saw of the directories it read, so that the next one reads only
-- what looks different. seen is packed by package materialize.
CREATE TABLE source (
  id     INTEGER PRIMARY KEY,
  path   BLOB    NOT NULL,       -- absolute
  target BLOB    NOT NULL,       -- where in the space
  seq    INTEGER NOT NULL,
  UNIQUE (path, target)
);
CREATE TABLE source_directory (
  source INTEGER NOT NULL,
  path   BLOB    NOT NULL,       -- below the source's
  seen   BLOB    NOT NULL,
  PRIMARY KEY (source, path)
) WITHOUT ROWID;

-- The redo log: batches that somebody waited for and that are not in the other
-- tables yet, those with a sequence number beyond the space's. Each row is a page
-- of its own and written over in place; data is packed.
CREATE TABLE redo (
  id   INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);

-- An import with a manifest asks which documents are there already.
CREATE INDEX document_uuid ON document (uuid);

-- The documents whose patterns say what a sync leaves alone: ".spacefsignore".
CREATE INDEX entry_ignore ON entry (parent) WHERE name = x'2e7370616365667369676e6f7265';

-- What hangs on a chunk: so that no chain of packed chunks gets long.
CREATE INDEX chunk_base ON chunk (base) WHERE base > 0;

-- Extended attributes that are synced. A set is packed: docs/space-format.md.
-- metadata: 0 they are not, 1 they are as soon as the mirror's filesystem has
-- any, 2 they are, and base_xattr has what was agreed on.
ALTER TABLE mirror ADD COLUMN metadata INTEGER NOT NULL DEFAULT 0;

CREATE TABLE base_xattr (
  mirror INTEGER NOT NULL,
  path   BLOB    NOT NULL,
  xattrs BLOB    NOT NULL,       -- never empty
  PRIMARY KEY (mirror, path)
) WITHOUT ROWID;

-- NULL: nobody looked.
ALTER TABLE action ADD COLUMN before_xattrs BLOB;
ALTER TABLE action ADD COLUMN after_xattrs  BLOB;
ALTER TABLE action ADD COLUMN base_xattrs   BLOB;
ALTER TABLE apart  ADD COLUMN space_xattrs  BLOB;
ALTER TABLE apart  ADD COLUMN mirror_xattrs BLOB;

-- Of a conflict about one attribute, its name; else empty.
ALTER TABLE conflict ADD COLUMN attribute BLOB NOT NULL DEFAULT x'';

DROP VIEW conflicts;
CREATE VIEW conflicts AS
  SELECT id, CAST(path AS TEXT) AS path, kind, base, space, dir AS mirror, strategy, winner, run,
         strftime('%Y-%m-%dT%H:%M:%fZ', found / 1e9, 'unixepoch') AS found,
         CASE WHEN resolved > 0 THEN strftime('%Y-%m-%dT%H:%M:%fZ', resolved / 1e9, 'unixepoch') END AS resolved,
         CAST(attribute AS TEXT) AS attribute
    FROM conflict;

-- Public: the extended attributes of what is in the tree now.
CREATE VIEW attributes AS
  WITH RECURSIVE walk (node, path) AS (
    SELECT node, CAST(name AS TEXT) FROM entry WHERE parent = 1
    UNION ALL
    SELECT entry.node, walk.path || '/' || CAST(entry.name AS TEXT)
      FROM walk JOIN entry ON entry.parent = walk.node
  )
  SELECT walk.path AS path, CAST(xattr.name AS TEXT) AS name, xattr.value AS value
    FROM walk JOIN xattr ON xattr.node = walk.node;

-- How a directory of a mirror looks while all that is directly in it is as the
-- base has it. Follows from base; a missing row costs time.
CREATE TABLE glance (
  mirror INTEGER NOT NULL,
  dir    BLOB    NOT NULL,       -- its path and "/"; '' is the root
  sum    BLOB    NOT NULL,
  PRIMARY KEY (mirror, dir)
) WITHOUT ROWID;
