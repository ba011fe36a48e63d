-- Version 1 of the space file. docs/space-format.md explains it for readers.

-- One row: the space's identity, its counters, and the totals that statfs
-- tells. Every commit updates it, so no commit is ever empty.
CREATE TABLE space (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  uuid        TEXT    NOT NULL,
  created     INTEGER NOT NULL,  -- ns since 1970, as all times here
  chunk_size  INTEGER NOT NULL,  -- bytes
  seq         INTEGER NOT NULL,  -- the last operation
  node        INTEGER NOT NULL,  -- the last id given out, of each kind
  chunk       INTEGER NOT NULL,
  document    INTEGER NOT NULL,
  revision    INTEGER NOT NULL,
  nodes       INTEGER NOT NULL,  -- nodes in the tree
  bytes       INTEGER NOT NULL,  -- content bytes in the tree
  clean       INTEGER NOT NULL,  -- 1: closed with every document sealed and no orphan
  junk        TEXT              -- JSON list of patterns; NULL: the built-in list
);

CREATE TABLE node (
  id       INTEGER PRIMARY KEY,
  mode     INTEGER NOT NULL,     -- type and permission bits
  nlink    INTEGER NOT NULL,     -- 0: an orphan, still open somewhere
  uid      INTEGER NOT NULL,
  gid      INTEGER NOT NULL,
  rdev     INTEGER NOT NULL,
  size     INTEGER NOT NULL,
  atime    INTEGER NOT NULL,
  mtime    INTEGER NOT NULL,
  ctime    INTEGER NOT NULL,
  btime    INTEGER NOT NULL,
  version  INTEGER NOT NULL,     -- seq of the last change of content
  chunk    INTEGER NOT NULL,     -- content's first chunk; 0: a hole
  chunks   INTEGER NOT NULL,     -- stored chunks, the first included
  shared   INTEGER NOT NULL,     -- chunk ids up to it may be used elsewhere too: never changed, never deleted
  document INTEGER NOT NULL,     -- 0: none yet
  revision INTEGER NOT NULL,     -- the document's last revision; 0: none
  sha256   BLOB,                 -- of that revision
  sealed   INTEGER NOT NULL,     -- 1: content is that revision's
  xattrs   INTEGER NOT NULL      -- how many
);

CREATE TABLE entry (
  parent INTEGER NOT NULL,
  name   BLOB    NOT NULL,
  node   INTEGER NOT NULL,
  PRIMARY KEY (parent, name)
) WITHOUT ROWID;
CREATE INDEX entry_node ON entry (node);

-- Content, in a table of its own so that node rows stay dense.
CREATE TABLE chunk (
  id   INTEGER PRIMARY KEY,
  base INTEGER NOT NULL,         -- 0: data is the content; -1: packed; else packed against that chunk
  data BLOB NOT NULL
);

-- The chunks of a content from the second on; a missing one is a hole.
CREATE TABLE extent (
  node  INTEGER NOT NULL,
  idx   INTEGER NOT NULL,
  chunk INTEGER NOT NULL,
  PRIMARY KEY (node, idx)
) WITHOUT ROWID;

CREATE TABLE xattr (
  node  INTEGER NOT NULL,
  name  BLOB    NOT NULL,
  value BLOB    NOT NULL,
  PRIMARY KEY (node, name)
) WITHOUT ROWID;

-- A document outlives its nodes. path is where it was last while no node
-- carries it, NULL while one does.
CREATE TABLE document (
  id      INTEGER PRIMARY KEY,
  uuid    TEXT NOT NULL,
  path    BLOB,
  deleted INTEGER
);
CREATE INDEX document_path ON document (path) WHERE path IS NOT NULL;

CREATE TABLE revision (
  id       INTEGER PRIMARY KEY,
  document INTEGER NOT NULL,
  number   INTEGER NOT NULL,
  path     BLOB    NOT NULL,
  time     INTEGER NOT NULL,
  origin   INTEGER NOT NULL,
  run      INTEGER NOT NULL,
  mode     INTEGER NOT NULL,
  mtime    INTEGER NOT NULL,
  size     INTEGER NOT NULL,
  sha256   BLOB    NOT NULL,
  lost     INTEGER NOT NULL,     -- 1: lost a conflict, was never the document's content
  chunks   BLOB    NOT NULL      -- packed chunk list
);
CREATE UNIQUE INDEX revision_number ON revision (document, number);
CREATE INDEX revision_sha256 ON revision (sha256);

-- What changed, coalesced by commit. An operation that changes several names
-- has several rows.
CREATE TABLE journal (
  seq    INTEGER NOT NULL,
  time   INTEGER NOT NULL,
  origin INTEGER NOT NULL,
  run    INTEGER NOT NULL,
  node   INTEGER NOT NULL,       -- what changed, or what the entry names now (0: nothing)
  parent INTEGER NOT NULL,       -- 0: the node itself changed
  name   BLOB    NOT NULL,
  PRIMARY KEY (seq, node, parent, name)
) WITHOUT ROWID;

CREATE TABLE mirror (
  id        INTEGER PRIMARY KEY,
  uuid      TEXT    NOT NULL UNIQUE,
  path      BLOB    NOT NULL,
  seq       INTEGER NOT NULL,
  last_sync INTEGER NOT NULL     -- 0: never
);

CREATE TABLE base (
  mirror  INTEGER NOT NULL,
  path    BLOB    NOT NULL,
  mode    INTEGER NOT NULL,
  sha256  BLOB,
  target  BLOB,
  size    INTEGER NOT NULL,
  node    INTEGER NOT NULL,
  version INTEGER NOT NULL,
  m_mode  INTEGER NOT NULL,
  m_size  INTEGER NOT NULL,
  m_mtime INTEGER NOT NULL,
  m_ctime INTEGER NOT NULL,
  m_inode INTEGER NOT NULL,
  PRIMARY KEY (mirror, path)
) WITHOUT ROWID;

CREATE TABLE run (
  id       INTEGER PRIMARY KEY,
  kind     TEXT    NOT NULL,
  mirror   INTEGER NOT NULL,
  started  INTEGER NOT NULL,
  finished INTEGER NOT NULL,     -- 0: it runs, or was killed
  outcome  TEXT    NOT NULL,
  detail   TEXT    NOT NULL
);

CREATE TABLE action (
  run   INTEGER NOT NULL,
  idx   INTEGER NOT NULL,
  path  BLOB    NOT NULL,
  op    TEXT    NOT NULL,
  side  TEXT    NOT NULL,
  error TEXT    NOT NULL,
  PRIMARY KEY (run, idx)
) WITHOUT ROWID;

CREATE TABLE conflict (
  id       INTEGER PRIMARY KEY,
  mirror   INTEGER NOT NULL,
  run      INTEGER NOT NULL,
  path     BLOB    NOT NULL,
  kind     TEXT    NOT NULL,
  base     TEXT    NOT NULL,
  space    TEXT    NOT NULL,
  dir      TEXT    NOT NULL,
  strategy TEXT    NOT NULL,
  winner   TEXT    NOT NULL,
  found    INTEGER NOT NULL,
  resolved INTEGER NOT NULL      -- 0: unresolved
);
CREATE INDEX conflict_path ON conflict (mirror, path);

-- The public, stable, read-only views. Times are RFC 3339 text in UTC.
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
              ELSE (SELECT CAST(data AS TEXT) FROM chunk WHERE chunk.id = node.chunk AND base = 0)
                || coalesce((SELECT group_concat(CAST(data AS TEXT), '') FROM
                     (SELECT data FROM extent JOIN chunk ON chunk.id = extent.chunk
                       WHERE extent.node = node.id ORDER BY extent.idx)), '')
         END AS text
    FROM walk JOIN node ON node.id = walk.node LEFT JOIN document ON document.id = node.document
   WHERE node.mode & 61440 = 32768;

CREATE VIEW revisions AS
  SELECT document.uuid AS id,
         revision.number AS number,
         CAST(revision.path AS TEXT) AS path,
         strftime('%Y-%m-%dT%H:%M:%fZ', revision.time / 1e9, 'unixepoch') AS time,
         CASE revision.origin WHEN 1 THEN 'mount' WHEN 2 THEN 'sync' WHEN 3 THEN 'import'
              WHEN 4 THEN 'restore' WHEN 5 THEN 'undo' WHEN 6 THEN 'cli' END AS origin,
         revision.run AS run,
         revision.size AS size,
         lower(hex(revision.sha256)) AS sha256,
         revision.lost AS lost
    FROM revision JOIN document ON document.id = revision.document;

CREATE VIEW conflicts AS
  SELECT id, CAST(path AS TEXT) AS path, kind, base, space, dir AS mirror, strategy, winner, run,
         strftime('%Y-%m-%dT%H:%M:%fZ', found / 1e9, 'unixepoch') AS found,
         CASE WHEN resolved > 0 THEN strftime('%Y-%m-%dT%H:%M:%fZ', resolved / 1e9, 'unixepoch') END AS resolved
    FROM conflict;

CREATE VIEW runs AS
  SELECT id, kind, outcome, detail,
         strftime('%Y-%m-%dT%H:%M:%fZ', started / 1e9, 'unixepoch') AS started,
         CASE WHEN finished > 0 THEN strftime('%Y-%m-%dT%H:%M:%fZ', finished / 1e9, 'unixepoch') END AS finished
    FROM run;
