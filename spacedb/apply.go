package spacedb

// apply writes batches as one transaction. When it returns without an error they
// survive power loss: the connection commits with synchronous=FULL, and the space
// row makes sure that there is something to sync.
func apply(c *conn, batches []*batch) error {
	return c.inTx(func() error { return carryOut(c, batches) })
}

func carryOut(c *conn, batches []*batch) error {
	for _, b := range batches {
		for _, step := range []func(*conn) error{
			b.applyPast, b.applyContent, b.applyPatches, b.applyNodes, b.applyEntries, b.applyRecords, b.applySeals, b.applyJournal,
		} {
			if err := step(c); err != nil {
				return err
			}
		}
	}
	if len(batches) == 0 {
		return nil
	}
	b := batches[len(batches)-1]
	return c.exec(`UPDATE space SET seq = ?, node = ?, chunk = ?, document = ?, revision = ?, nodes = ?, bytes = ?, clean = ?`,
		b.seq, b.last.node, b.last.chunk, b.last.document, b.last.revision, b.usage.Nodes, b.usage.Bytes, b.clean)
}

func (b *batch) applyContent(c *conn) error {
	for _, id := range b.unchunks {
		if err := c.exec(`DELETE FROM chunk WHERE id = ?`, id); err != nil {
			return err
		}
	}
	for _, r := range b.holes {
		if err := c.exec(`DELETE FROM extent WHERE node = ? AND idx = ?`, r.node, r.idx); err != nil {
			return err
		}
	}
	for _, r := range b.chunks {
		if r.part {
			if err := r.complete(c); err != nil {
				return err
			}
		}
		if err := c.exec(`REPLACE INTO chunk (id, base, data) VALUES (?, 0, ?)`, r.id, nonNil(r.data)); err != nil {
			return err
		}
	}
	for _, r := range b.extents {
		if err := c.exec(`REPLACE INTO extent (node, idx, chunk) VALUES (?, ?, ?)`, r.node, r.idx, r.chunk); err != nil {
			return err
		}
	}
	return nil
}

// nonNil: the driver binds a nil slice as NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (b *batch) applyNodes(c *conn) error {
	for i := range b.nodes {
		r := &b.nodes[i]
		var sha any
		if r.history.revision != 0 {
			sha = r.history.sha256[:]
		}
		err := c.exec(`REPLACE INTO node VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.mode, r.nlink, r.uid, r.gid, r.rdev, r.size, r.atime, r.mtime, r.ctime, r.btime, r.version,
			r.chunk, r.chunks, r.shared, r.history.document, r.history.revision, sha, r.sealed, r.xattrs)
		if err != nil {
			return err
		}
	}
	for _, id := range b.gone {
		for _, q := range []string{
			`DELETE FROM node WHERE id = ?`, `DELETE FROM extent WHERE node = ?`, `DELETE FROM xattr WHERE node = ?`,
		} {
			if err := c.exec(q, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *batch) applyEntries(c *conn) error {
	for i := range b.entries {
		r := &b.entries[i]
		var err error
		if r.node == 0 {
			err = c.exec(`DELETE FROM entry WHERE parent = ? AND name = ?`, r.parent, []byte(r.name))
		} else {
			err = c.exec(`REPLACE INTO entry (parent, name, node, since) VALUES (?, ?, ?, ?)`,
				r.parent, []byte(r.name), r.node, r.since)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) applyRecords(c *conn) error {
	for k, v := range b.records.xattrs {
		var err error
		if v == nil {
			err = c.exec(`DELETE FROM xattr WHERE node = ? AND name = ?`, k.node, []byte(k.name))
		} else {
			err = c.exec(`REPLACE INTO xattr (node, name, value) VALUES (?, ?, ?)`, k.node, []byte(k.name), v)
		}
		if err != nil {
			return err
		}
	}
	for _, st := range b.records.statements {
		if err := c.exec(st.query, st.args...); err != nil {
			return err
		}
	}
	return nil
}

const insertRevision = `INSERT INTO revision (id, document, number, path, time, origin, run, mode, mtime, size, sha256, lost, chunks)
	VALUES (?1, ?2, (SELECT 1 + coalesce(max(number), 0) FROM revision WHERE document = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)`

func (b *batch) applySeals(c *conn) error {
	for i := range b.seals {
		r := &b.seals[i]
		err := c.exec(insertRevision, r.revision, r.document, []byte(r.path), r.time, r.by.Origin, r.by.Run,
			r.mode, r.mtime, r.size, r.sha256, r.lost, nonNil(r.chunks))
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) applyJournal(c *conn) error {
	for i := range b.journal {
		r := &b.journal[i]
		err := c.exec(`REPLACE INTO journal (seq, time, origin, run, node, parent, name) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			r.seq, r.time, r.by.Origin, r.by.Run, r.node, r.parent, []byte(r.name))
		if err != nil {
			return err
		}
	}
	return nil
}
