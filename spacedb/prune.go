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
	p := &pruner{ctx: ctx, store: s, rules: k, now: s.options.now(), dryRun: dryRun, result: &result, moved: bitmap{}}
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
	moved   bitmap            // chunks whose content went on in another
	bases   map[int64]int64   // of each packed chunk
	against map[int64][]int64 // chunks that are packed against one that nobody has
	sizes   map[int64]int64   // of chunks that nobody has
}

func (p *pruner) prune() (err error) {
	if p.v, err = p.decided(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.v.Close()) }()
	for _, step := range []func() error{p.markTree, p.readChunks} {
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
				list = append(list, statement{`DELETE FROM chunk WHERE id = ?`, []any{chunk}}, statement{`DELETE FROM copied WHERE chunk = ?`, []any{chunk}})
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
