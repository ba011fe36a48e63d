package spacedb

import "time"

// The past of the tree is kept by its entries: when an entry ends, because it
// is removed, replaced, renamed or given another mode, what it named is
// written down with since when and until when. What still stands costs
// nothing but the number since when it does. Junk has no past.
//
// An entry that came and went between two commits was never in the file, and
// is not in the past either.

// pastRow is an entry that ends with this batch. The rest of what it was the
// file still knows: see applyPast.
type pastRow struct {
	parent   NodeID
	name     string
	until    uint64
	by       Actor
	document int64
}

// lapse notes that the entry name of d, which names n, is about to end. Of
// several changes between two commits the first counts: it ends what the file
// has. document is what n carried until now, should it be sealed only in the
// commit that ends the entry.
func (d *node) lapse(name string, n *node, document int64) {
	c := d.dir.changed[name]
	if c.lapsed || !n.stored {
		return
	}
	c.lapsed, c.document = true, document
	d.setChange(name, c)
}

// renew ends n's entry and begins it anew, because n gets another mode or
// document where it is. Of several names, the one it was last reached by.
func (t *Tree) renew(n *node) {
	if n.parent == 0 || n.nlink == 0 {
		return
	}
	d, err := t.store.node(n.parent)
	if err != nil || !d.isDir() {
		return
	}
	d.dir.entries[n.name] = n.id
	d.lapse(n.name, n, n.document)
	t.entryChanged(d, n.name)
}

// applyPast comes before everything that changes nodes and entries: it copies
// what they were.
func (b *batch) applyPast(c *conn) error {
	for i := range b.past {
		r := &b.past[i]
		err := c.exec(`INSERT INTO past (parent, name, node, since, until, mode, mtime, document, origin, run)
			SELECT entry.parent, entry.name, node.id, entry.since, ?3, node.mode, node.mtime,
				CASE node.document WHEN 0 THEN ?4 ELSE node.document END, ?5, ?6
			FROM entry JOIN node ON node.id = entry.node
			WHERE entry.parent = ?1 AND entry.name = ?2 AND node.mode & 61440 IN (16384, 32768, 40960)`,
			r.parent, []byte(r.name), r.until, r.document, r.by.Origin, r.by.Run)
		if err != nil {
			return err
		}
	}
	if m := b.moment; m.seq != 0 {
		if err := c.exec(`DELETE FROM moment WHERE seq = ?`, m.instead); err != nil {
			return err
		}
		return c.exec(`INSERT INTO moment (seq, time) VALUES (?, ?)`, m.seq, m.time)
	}
	return nil
}

// moments decides which commits can be found by their time.
type moments struct {
	kept int64  // time of the row before the last
	time int64  // of the last
	seq  uint64 // of the last; 0: none was written since open
}

// momentRow says that everything up to seq was done by time; seq 0 is no row.
type momentRow struct {
	seq     uint64
	time    int64
	instead uint64 // of which row
}

// momentApart is how far every other row is from the next. So there is never
// more than two rows a second, and always one for the last commit.
const momentApart = int64(time.Second)

func (m *moments) next(seq uint64, now int64) momentRow {
	row := momentRow{seq: seq, time: now}
	if since := now - m.kept; m.seq != 0 && m.kept != 0 && since >= 0 && since < momentApart {
		row.instead = m.seq
	} else {
		m.kept = m.time
	}
	m.time, m.seq = now, seq
	return row
}
