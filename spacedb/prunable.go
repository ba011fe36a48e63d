package spacedb

import (
	"errors"
	"time"
)

// decided decides on a snapshot in which what goes has no chunk that a node needs:
// see ownChunks.
func (p *pruner) decided() (v *Snapshot, err error) {
	for {
		p.used, p.dropped, p.todo, *p.result = bitmap{}, bitmap{}, nil, PruneResult{Run: p.result.Run, Documents: []PrunedDocument{}}
		if v, err = p.store.Snapshot(p.ctx); err != nil {
			return nil, err
		}
		p.v = v
		var borrowed []borrowing
		if err = p.decide(); err == nil && !p.dryRun {
			borrowed, err = p.borrowed()
		}
		if err == nil && len(borrowed) == 0 {
			return v, nil
		}
		if err = errors.Join(err, v.Close()); err != nil {
			return nil, err
		}
		if err = p.ownChunks(borrowed); err != nil {
			return nil, err
		}
	}
}

// decide reads every revision and applies the rules, one document at a time.
func (p *pruner) decide() error {
	needed, err := p.v.neededHashes()
	if err != nil {
		return err
	}
	held := map[int64]bool{} // revisions that nodes go on from
	err = p.v.conn.query(func(r row) error { held[r.int(0)] = true; return nil }, `SELECT revision FROM node WHERE revision > 0`)
	if err != nil {
		return err
	}
	var of []prunable
	finish := func() error {
		if len(of) > 0 {
			p.todo = append(p.todo, p.choose(of)...)
			for _, r := range of {
				if r.keep {
					if err := p.use(r.chunks); err != nil {
						return err
					}
				}
			}
		}
		of = of[:0]
		return p.ctx.Err()
	}
	err = p.v.conn.query(func(r row) error {
		rev := prunable{
			id: r.int(0), document: r.int(1), number: int(r.int(2)), path: r.text(3), time: time.Unix(0, r.int(4)),
			lost: r.int(5) == 1, chunks: append([]byte(nil), r.bytes(7)...),
		}
		rev.keep = held[rev.id] || needed[r.hash(6)]
		if len(of) > 0 && of[0].document != rev.document {
			if err := finish(); err != nil {
				return err
			}
		}
		of = append(of, rev)
		return nil
	}, `SELECT id, document, number, path, time, lost, sha256, chunks FROM revision ORDER BY document, number DESC`)
	if err != nil {
		return err
	}
	return finish()
}

// prunable is a revision and whether it stays.
type prunable struct {
	id, document int64
	number       int
	path         string
	time         time.Time
	lost, keep   bool
	chunks       []byte
}

// choose marks what stays of a document. What lost a conflict was never the
// document's content, and is counted by itself.
func (p *pruner) choose(of []prunable) []pruning {
	for _, lost := range []bool{false, true} {
		var times []time.Time
		var which []int
		for i, r := range of {
			if r.lost == lost {
				times, which = append(times, r.time), append(which, i)
			}
		}
		for i, keep := range p.rules.Keep(times, p.now) {
			if keep {
				of[which[i]].keep = true
			}
		}
	}
	d := pruning{document: of[0].document, path: of[0].path}
	for _, r := range of {
		if r.keep {
			d.kept++
			continue
		}
		d.removed, d.numbers, d.chunks = append(d.removed, r.id), append(d.numbers, r.number), append(d.chunks, r.chunks)
	}
	p.result.Kept += d.kept
	if len(d.removed) == 0 {
		return nil
	}
	return []pruning{d}
}

// neededHashes are the contents that a merge or a person still asks for.
func (v *Snapshot) neededHashes() (map[Hash]bool, error) {
	needed := map[Hash]bool{}
	err := v.conn.query(func(r row) error { needed[r.hash(0)] = true; return nil }, `SELECT sha256 FROM base WHERE sha256 IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	return needed, v.conn.query(func(r row) error {
		for i := range 3 {
			var h Hash
			if h.UnmarshalText([]byte(r.text(i))) == nil {
				needed[h] = true
			}
		}
		return nil
	}, `SELECT base, space, dir FROM conflict WHERE resolved = 0`)
}

// prunableNow, with mu held, returns the documents of a batch that nobody has
// come to need since the snapshot.
func (s *Store) prunableNow(batch []pruning) []pruning {
	taken := map[int64]bool{}
	for _, n := range s.nodes {
		taken[n.revision], taken[n.owed.revision] = true, true
	}
	for _, d := range s.detached.byPath {
		taken[d.revision] = true
	}
	var free []pruning
	for _, d := range batch {
		ok := true
		for _, id := range d.removed {
			ok = ok && !taken[id]
		}
		if ok {
			free = append(free, d)
		}
	}
	return free
}
