package spacedb

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Prune is the only thing that ever removes history. It never takes what a
// node holds or is to go on from, what a mirror's base names (a merge needs
// it), or a side of a conflict that is not resolved.

// PruneResult is what a prune took; of a dry run, what one would take.
type PruneResult struct {
	Run       int64            `json:"run,omitempty"`
	Revisions int              `json:"revisions"` // removed
	Kept      int              `json:"kept"`
	Gone      int              `json:"gone"`  // deleted documents of which nothing is left
	Bytes     int64            `json:"bytes"` // of the file that are free now; compact gives them back
	Documents []PrunedDocument `json:"documents"`
}

// PrunedDocument is a document that lost revisions.
type PrunedDocument struct {
	Path    string `json:"path"` // where it was at its last revision
	Removed []int  `json:"removed"`
	Kept    int    `json:"kept"`
}

// pruning is one document and what goes of it.
type pruning struct {
	document int64
	path     string // at its newest revision
	numbers  []int
	removed  []int64  // revision ids
	chunks   [][]byte // their chunk lists
	kept     int
}

func pruneDetail(r PruneResult) string {
	return fmt.Sprintf("%d revisions of %d documents removed, %d kept", r.Revisions, len(r.Documents), r.Kept)
}

// pruneBatch is how many revisions go in one transaction.
const pruneBatch = 2000

// Prune removes the revisions that no rule keeps, document by document; each
// transaction leaves the space sound.
func (s *Store) Prune(ctx context.Context, k KeepRules, dryRun bool) (result PruneResult, err error) {
	if err := k.Check(); err != nil {
		return result, err
	}
	// Nothing is packed against what is about to go.
	s.packing.Lock()
	defer s.packing.Unlock()
	// Nodes that change from here on stay in memory, where they are asked.
	s.mu.Lock()
	s.keepNodes = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.keepNodes = false
		s.mu.Unlock()
	}()
	var run Run
	if !dryRun {
		if run, err = s.BeginRun("prune", 0); err != nil {
			return result, err
		}
		result.Run = run.ID
	}
	v, err := s.Snapshot(ctx)
	if err != nil {
		return result, err
	}
	defer v.Close()
	p := &pruner{ctx: ctx, store: s, v: v, rules: k, now: s.options.now(), dryRun: dryRun, result: &result, used: bitmap{}, dropped: bitmap{}}
	p.result.Documents = []PrunedDocument{}
	err = p.prune()
	if dryRun {
		return result, err
	}
	outcome, detail := "ok", pruneDetail(result)
	if err != nil {
		outcome, detail = "failed", err.Error()
	}
	return result, errors.Join(err, s.FinishRun(run.ID, outcome, detail, nil), s.Sync())
}

type pruner struct {
	ctx     context.Context
	store   *Store
	v       *Snapshot
	rules   KeepRules
	now     time.Time
	dryRun  bool
	result  *PruneResult
	todo    []pruning
	used    bitmap            // chunks that something else has
	dropped bitmap            // chunks that went
	bases   map[int64]int64   // of each packed chunk
	against map[int64][]int64 // chunks that are packed against one that nobody has
	sizes   map[int64]int64   // of chunks that nobody has
}

func (p *pruner) prune() error {
	for _, step := range []func() error{p.decide, p.markTree, p.readChunks} {
		if err := step(); err != nil {
			return err
		}
	}
	for len(p.todo) > 0 {
		count, revisions := 0, 0
		for count < len(p.todo) && revisions < pruneBatch {
			revisions += len(p.todo[count].removed)
			count++
		}
		if err := p.batch(p.todo[:count]); err != nil {
			return err
		}
		p.todo = p.todo[count:]
	}
	return nil
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

// batch takes the revisions of some documents, with the chunks that were theirs
// alone.
func (p *pruner) batch(batch []pruning) error {
	s := p.store
	for !p.dryRun {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		free := s.prunableNow(batch)
		s.mu.Unlock()
		if len(free) < len(batch) {
			batch = free
			continue
		}
		statements, err := p.statements(batch)
		if err != nil {
			return err
		}
		waits, err := p.waits(batch)
		if err != nil {
			return err
		}
		s.mu.Lock()
		if len(s.prunableNow(batch)) < len(batch) { // meanwhile; once more without
			s.mu.Unlock()
			continue
		}
		s.recordLocked(statements...)
		for _, path := range waits { // nobody takes up there what goes with this commit
			s.detached.put(path, detached{at: s.seq})
		}
		s.mu.Unlock()
		if err := s.Sync(); err != nil {
			return err
		}
		break
	}
	for _, d := range batch {
		for _, packed := range d.chunks {
			if err := p.drop(packed); err != nil {
				return err
			}
		}
		p.result.Revisions += len(d.removed)
		if d.kept == 0 {
			p.result.Gone++
		}
		p.result.Documents = append(p.result.Documents, PrunedDocument{d.path, d.numbers, d.kept})
	}
	return nil
}

// statements are the rows of one transaction.
func (p *pruner) statements(batch []pruning) (list []statement, err error) {
	going := bitmap{}
	for _, d := range batch {
		for i, id := range d.removed {
			list = append(list, statement{`DELETE FROM revision WHERE id = ?`, []any{id}})
			chunks, err := unpackChunks(d.chunks[i])
			if err != nil {
				return nil, err
			}
			for _, chunk := range chunks {
				if p.used.has(chunk) || p.dropped.has(chunk) || going.has(chunk) {
					continue
				}
				going.put(chunk)
				repacked, err := p.repack(chunk)
				if err != nil {
					return nil, err
				}
				list = append(list, repacked...)
				list = append(list, statement{`DELETE FROM chunk WHERE id = ?`, []any{chunk}})
			}
		}
		if d.kept == 0 {
			list = append(list,
				statement{`DELETE FROM document WHERE id = ?1 AND path IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revision WHERE document = ?1)`, []any{d.document}},
				statement{`DELETE FROM past WHERE document = ?1 AND NOT EXISTS (SELECT 1 FROM document WHERE id = ?1)`, []any{d.document}})
		}
	}
	return list, nil
}

// waits are the paths where documents wait of which nothing will be left.
func (p *pruner) waits(batch []pruning) (paths []string, err error) {
	for _, d := range batch {
		if d.kept > 0 {
			continue
		}
		_, err := p.v.conn.one(func(r row) error { paths = append(paths, r.text(0)); return nil },
			`SELECT path FROM document WHERE id = ? AND path IS NOT NULL`, d.document)
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// repack gives what stays and is packed against a chunk that goes another base:
// the next one of its chain that stays.
func (p *pruner) repack(going int64) (list []statement, err error) {
	for _, id := range p.against[going] {
		if !p.used.has(id) {
			continue // it goes itself
		}
		base := p.bases[going]
		for base > 0 && !p.used.has(base) {
			base = p.bases[base]
		}
		if base <= 0 {
			base = baseAlone
		}
		content, _, err := p.v.conn.chunk(id, 0)
		if err != nil {
			return nil, err
		}
		packed, with, err := p.v.conn.encodeAgainst(content, base)
		if err != nil {
			return nil, err
		}
		list = append(list,
			statement{`DELETE FROM chunk WHERE id = ?`, []any{id}},
			statement{`INSERT INTO chunk (id, base, data) VALUES (?, ?, ?)`, []any{id, with, packed}})
	}
	return list, nil
}

// use marks a revision's chunks as needed.
func (p *pruner) use(packed []byte) error {
	chunks, err := unpackChunks(packed)
	for _, id := range chunks {
		p.used.put(id)
	}
	return err
}

func (p *pruner) drop(packed []byte) error {
	chunks, err := unpackChunks(packed)
	for _, id := range chunks {
		if !p.used.has(id) && !p.dropped.has(id) {
			p.dropped.put(id)
			p.result.Bytes += p.sizes[id]
		}
	}
	return err
}

// markTree marks the chunks of what is in the tree.
func (p *pruner) markTree() error {
	mark := func(r row) error { p.used.put(r.int(0)); return nil }
	if err := p.v.conn.query(mark, `SELECT chunk FROM node WHERE chunk > 0`); err != nil {
		return err
	}
	return p.v.conn.query(mark, `SELECT chunk FROM extent`)
}

// readChunks learns which chunks are packed against which.
func (p *pruner) readChunks() error {
	p.bases, p.against, p.sizes = map[int64]int64{}, map[int64][]int64{}, map[int64]int64{}
	err := p.v.conn.query(func(r row) error {
		id, base := r.int(0), r.int(1)
		if base != baseNone {
			p.bases[id] = base
		}
		if base > 0 && !p.used.has(base) {
			p.against[base] = append(p.against[base], id)
		}
		if !p.used.has(id) {
			p.sizes[id] = r.int(2)
		}
		return p.ctx.Err()
	}, `SELECT id, base, length(data) FROM chunk`)
	return err
}

// bitmap is a set of chunk ids, which are dense.
type bitmap map[int64]uint64

func (b bitmap) put(id int64)      { b[id>>6] |= 1 << (id & 63) }
func (b bitmap) has(id int64) bool { return b[id>>6]&(1<<(id&63)) != 0 }
