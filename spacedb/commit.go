package spacedb

import (
	"fmt"
	"time"
)

// commit returns when every operation up to seq is durable. It runs on the
// goroutine that needs it: whoever gets the lock commits for all who wait, and
// they find their work done.
func (s *Store) commit(seq uint64) error {
	if sabotage == "no commit" {
		return nil
	}
	for s.durable.Load() < seq {
		s.committing.Lock()
		if s.durable.Load() >= seq {
			s.committing.Unlock()
			return nil
		}
		err := s.commitOnce()
		s.committing.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// commitOnce writes one batch; it is called with committing held. A batch that
// could not be written stays what it is, and is what the next commit tries:
// nothing in it is dropped, and nothing newer overtakes it.
func (s *Store) commitOnce() error {
	if s.readOnly {
		return s.trouble
	}
	if s.running == nil {
		s.mu.Lock()
		s.running = s.cut()
		s.mu.Unlock()
	}
	err := s.running.apply(s.write)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.trouble = fmt.Errorf("commit to %s: %w", s.path, err)
		return s.trouble
	}
	s.settle(s.running)
	s.checkpointIfLong(s.running)
	s.running = nil
	s.trouble = nil
	return nil
}

// settle takes note that a batch is durable.
func (s *Store) settle(b *batch) {
	s.inFlight = nil
	for _, pg := range b.pages {
		pg.frozen = false
		if pg.node.pages[pg.idx] == pg {
			s.queueClean(pg)
		}
	}
	for _, p := range b.patches {
		p.data = nil // it is read from its row from now on
	}
	s.dirtyBytes.Add(-b.bytes)
	for _, n := range b.owner {
		n.inFlight = false
		if n.gone && n.dirty == 0 {
			s.freePages(n)
			delete(s.nodes, n.id)
		}
	}
	s.detached.settle(b.seq)
	s.commits.Add(1)
	s.durable.Store(b.seq)
}

// waitRoom keeps dirty memory bounded: past the limit a writer commits first.
func (s *Store) waitRoom() error {
	if s.dirtyBytes.Load() < s.options.Dirty {
		return nil
	}
	return s.Sync()
}

// Sync returns when everything done before it is durable.
func (s *Store) Sync() error {
	s.mu.Lock()
	seq := s.seq
	s.mu.Unlock()
	return s.commit(seq)
}

// Fsync returns when the node's changes, and every change before them, are
// durable. A node with nothing to write costs nothing.
func (t *Tree) Fsync(id NodeID) error {
	s := t.store
	s.mu.Lock()
	seq := s.seq
	if n := s.nodes[id]; n == nil || n.dirty == 0 && !n.inFlight {
		seq = 0
	}
	s.mu.Unlock()
	if seq > 0 && !s.waited.Swap(true) {
		signal(s.asked)
	}
	return s.commit(seq)
}

// record adds rows that belong to no node to the log.
func (s *Store) record(statements ...statement) error {
	t := s.Tree(Actor{Origin: OriginCLI})
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	s.recordLocked(statements...)
	return nil
}

func (s *Store) recordLocked(statements ...statement) {
	s.seq++
	s.pending.statements = append(s.pending.statements, statements...)
	signal(s.wake)
}

// runCommitter makes idle data durable without being asked: a change waits
// at most Delay for company, or until there is enough. While commits fail it tries again each second.
func (s *Store) runCommitter() {
	defer s.stopped.Done()
	var due <-chan time.Time // nil while nothing waits
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
			if due == nil {
				due = time.After(s.options.Delay)
			}
			continue
		case <-s.enough:
		case <-due:
		}
		due = nil
		if err := s.Sync(); err != nil {
			due = time.After(time.Second)
		}
	}
}
