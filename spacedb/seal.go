package spacedb

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// sealing is a revision on its way into the next commit. It describes the
// content as it is in memory, which therefore does not change before.
type sealing struct {
	document int64
	revision int64
	path     string
	time     int64
	by       Actor
	sha256   Hash
	lost     bool
}

// keepSeals makes revisions that wait for the next commit durable before the
// content they describe changes. It is called with the content held alone, so
// that no new one can come between. It hardly ever has to wait: the content was
// at rest, and is being changed within the moment it takes to commit that.
func (s *Store) keepSeals(n *node) error {
	s.mu.Lock()
	waiting := len(n.seals) > 0
	s.mu.Unlock()
	if !waiting {
		return nil
	}
	return s.Sync()
}

// runSealer makes revisions of documents that came to rest, and sees buried
// nodes off.
func (s *Store) runSealer() {
	defer s.stopped.Done()
	tick := time.NewTicker(max(s.options.Quiet/4, time.Millisecond))
	defer tick.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.stop
		cancel()
	}()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			if err := s.sealRested(ctx); err != nil && !errors.Is(err, context.Canceled) {
				slog.Warn("sealing failed; it is tried again", "space", s.path, "err", err)
			}
		}
	}
}

func (s *Store) sealRested(ctx context.Context) error {
	if err := s.sweepFile(); err != nil {
		return err
	}
	s.mu.Lock()
	s.forgetVacancies()
	s.mu.Unlock()
	return errors.Join(s.sealWhere(ctx, s.rested, s.busy.Load()), s.packSuperseded(ctx))
}

// Seal makes a revision of every document that changed since its last one, at
// rest or not.
func (s *Store) Seal(ctx context.Context) error {
	if err := s.sweepFile(); err != nil {
		return err
	}
	return s.sealWhere(ctx, func(*node) bool { return true }, nil)
}

// SealRested makes a revision of every document that changed since its last one,
// was not touched for the quiet time, and that no program has open for writing.
func (s *Store) SealRested(ctx context.Context, quiet time.Duration) error {
	if err := s.sweepFile(); err != nil {
		return err
	}
	return s.sealWhere(ctx, func(n *node) bool { return s.rested(n) || s.untouched(n, quiet) }, s.busy.Load())
}

// untouched is called with mu held. A clock that was set back begins the time
// anew, instead of making it as long as it was set back.
func (s *Store) untouched(n *node, quiet time.Duration) bool {
	now := s.now()
	n.changed = min(n.changed, now)
	return now-n.changed >= int64(quiet)
}

// rested says whether nobody has touched a document for the quiet time. Between
// truncate and the write that follows lies less. What never rests (a log) is
// taken as it is once in a while.
func (s *Store) rested(n *node) bool {
	return n.gone || n.nlink == 0 || n.owed.document != 0 || s.untouched(n, s.options.Quiet) || s.restless(n)
}

// restless says whether a document changed all the time for so long that its
// revision does not wait for it to come to rest, nor for who has it open for
// writing. As who writes has to wait while it is hashed, large ones get longer.
func (s *Store) restless(n *node) bool {
	const more = 64 << 20 // bytes, for another fifth of the time
	wait := int64(s.options.Unrest)
	wait += n.size / more * (wait / 5)
	now := s.now()
	n.since = min(n.since, now) // as in untouched
	return n.since != 0 && now-n.since >= wait
}

// sealWhere seals what is ready and not busy. No operation ever waits for
// sealing, so busy may ask the mount, which asks us.
func (s *Store) sealWhere(ctx context.Context, ready func(*node) bool, busy *func(NodeID) bool) error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	s.mu.Lock()
	var todo, gone []NodeID
	restless := map[NodeID]bool{}
	for id, n := range s.unsealed {
		if ready(n) {
			if n.nlink == 0 || n.owed.document != 0 {
				gone = append(gone, id)
			} else {
				todo = append(todo, id)
			}
			if s.restless(n) {
				restless[id] = true
			}
		}
	}
	s.mu.Unlock()
	// What a document held before comes into its history before what it holds now.
	slices.Sort(gone)
	slices.Sort(todo)
	todo = append(gone, todo...)
	var failed error // the first of many is enough
	for _, id := range todo {
		if err := ctx.Err(); err != nil {
			return err
		}
		if busy != nil && !restless[id] && (*busy)(id) {
			continue
		}
		if err := s.sealNode(id, ready); err != nil && !errors.Is(err, ErrNotFound) {
			if failed == nil {
				failed = err
			}
		}
		if err := s.waitRoom(); err != nil {
			return err
		}
	}
	return failed
}

// sealNode hashes a content and lets the next commit write its revision,
// unless it changes first: then it is left for the next time.
func (s *Store) sealNode(id NodeID, ready func(*node) bool) error {
	if err := s.fold(id); err != nil {
		return err
	}
	return s.held(id, false, func(n *node) error {
		s.mu.Lock()
		path, worth, err := s.worthSealing(n)
		version, size := n.version, n.size
		worth = worth && len(n.unfolded(1)) == 0
		s.mu.Unlock()
		if err != nil || !worth {
			return err
		}
		sum, err := s.hashContent(n, size)
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		// While it was hashed it may have been written to, moved, or removed before
		// anything of it was durable: then there is nothing to seal, and not here. Or
		// a commit has stored what was written last as a patch.
		still, worth, err := s.worthSealing(n)
		if err != nil || !worth || still != path || n.version != version || !ready(n) || len(n.unfolded(1)) > 0 {
			return err
		}
		t := s.Tree(n.wroteBy)
		if n.owed.document != 0 {
			return t.settleDebt(n, sum)
		}
		return t.seal(n, path, sum)
	})
}

// worthSealing finds the path a document would be sealed under. Junk, what has
// no path and what is hollow are passed over and left alone from then on.
func (s *Store) worthSealing(n *node) (path string, worth bool, err error) {
	if n.sealed {
		delete(s.unsealed, n.id)
		return "", false, nil
	}
	if n.owed.document != 0 {
		return n.owed.path, true, nil
	}
	if n.nlink == 0 {
		return "", n.mourned && n.document != 0 && !n.hollow(), nil
	}
	if n.hollow() {
		delete(s.unsealed, n.id)
		return "", false, nil
	}
	path, err = s.pathNotJunk(n)
	if err != nil {
		return "", false, err
	}
	if s.Junk(path) {
		delete(s.unsealed, n.id)
		return "", false, nil
	}
	return path, true, nil
}

func (s *Store) hashContent(n *node, size int64) (sum Hash, err error) {
	h := sha256.New()
	buf := make([]byte, min(size, 16*chunkSize))
	for off := int64(0); off < size; {
		count, err := s.readContent(n, buf, off)
		if err != nil {
			return sum, err
		}
		if count == 0 {
			break
		}
		h.Write(buf[:count])
		off += int64(count)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// seal says that n's content is at rest and hashes to sum. The same bytes as
// the last revision's make no new one.
func (t *Tree) seal(n *node, path string, sum Hash) error {
	s := t.store
	if err := s.loadExtents(n); err != nil {
		return err
	}
	if err := t.identify(n, path); err != nil {
		return err
	}
	n.sealed, n.since = true, 0
	delete(s.unsealed, n.id)
	s.seq++
	t.touch(n, dirtyRow)
	last, overtaken := s.overtaken[n.document]
	delete(s.overtaken, n.document)
	if n.revision != 0 && n.sha256 == sum && (!overtaken || last == n.revision) {
		return nil
	}
	s.last.revision++
	if path == "" { // an orphan: its identity remembers where it was
		path = s.epitaph(n)
		s.overtaken[n.document] = s.last.revision
	}
	if n.revision != 0 {
		s.superseded = append(s.superseded, supersession{n.revision, s.last.revision})
	}
	n.history = history{document: n.document, revision: s.last.revision, sha256: sum}
	n.seals = append(n.seals, sealing{
		document: n.document, revision: n.revision, path: path, time: n.changed, by: n.wroteBy, sha256: sum,
	})
	return nil
}

// settleDebt records n's content for the document that it left.
func (t *Tree) settleDebt(n *node, sum Hash) error {
	s := t.store
	if err := s.loadExtents(n); err != nil {
		return err
	}
	owed := n.owed
	n.owed, n.kept = debt{}, true
	s.seq++
	t.touch(n, dirtyRow)
	if owed.revision == 0 || owed.sha256 != sum {
		s.last.revision++
		s.overtaken[owed.document] = s.last.revision
		if owed.revision != 0 {
			s.superseded = append(s.superseded, supersession{owed.revision, s.last.revision})
		}
		n.seals = append(n.seals, sealing{
			document: owed.document, revision: s.last.revision, path: owed.path, time: n.changed, by: owed.by, sha256: sum,
		})
		if d, waits := s.detached.at(owed.path); waits && d.document == owed.document {
			d.revision, d.sha256 = s.last.revision, sum
			s.detached.put(owed.path, d)
		}
	}
	t.release(n)
	return nil
}

// epitaph is the path that the revision of an orphan names: where its document
// waits, or else where the orphan was last.
func (s *Store) epitaph(n *node) string {
	if path, waits := s.detached.where[n.document]; waits {
		return path
	}
	return n.owed.path
}

// release lets go of an orphan that nobody holds any more. It is called with
// mu held whenever a reference, pin or name went.
func (t *Tree) release(n *node) {
	s := t.store
	if n.gone || n.nlink > 0 || n.refs > 0 || n.pins > 0 || n.staged {
		return
	}
	if n.mourned && !n.sealed && !n.hollow() || n.owed.document != 0 {
		return // the sealer comes by and releases it again
	}
	if err := s.loadExtents(n); err != nil {
		slog.Error("an orphan's chunks cannot be listed; it stays until the next open", "node", n.id, "err", err)
		return
	}
	n.gone = true
	delete(s.unsealed, n.id)
	if !n.stored && len(n.seals) == 0 { // it never was; what it held need not wait for the next cut
		s.freePages(n)
	}
	s.seq++
	t.touch(n, dirtyContent)
}

// sweepFile brings into memory what only the file knows after it was not closed
// properly: documents that were not sealed, and orphans, which now go.
func (s *Store) sweepFile() error {
	s.mu.Lock()
	needed := s.sweep
	s.mu.Unlock()
	if !needed {
		return nil
	}
	if err := s.Sync(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.Tree(Actor{Origin: OriginCLI})
	err := s.meta.query(func(r row) error {
		read, err := scanNode(r)
		if err != nil {
			return err
		}
		known := s.nodes[read.id] != nil
		n := s.adopt(read)
		switch {
		case n.gone:
		case n.nlink == 0 && !known:
			n.mourned = !n.sealed && n.document != 0
			if n.mourned {
				s.unsealed[n.id] = n
			}
			t.release(n)
		case n.holdsContent() && !n.sealed && n.nlink > 0:
			s.unsealed[n.id] = n
		}
		return nil
	}, `SELECT `+nodeColumns+` FROM node WHERE nlink = 0 OR NOT sealed AND mode & 61440 IN (32768, 40960)`)
	if err == nil {
		s.sweep = false
	}
	return err
}
