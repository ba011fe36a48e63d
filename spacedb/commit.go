package spacedb

import (
	"fmt"
	"sync/atomic"
	"time"
)

// commit returns when every operation up to seq is durable, and in the tables.
func (s *Store) commit(seq uint64) error { return s.reach(&s.committed, seq, s.commitOnce) }

// makeDurable returns when every operation up to seq is durable.
func (s *Store) makeDurable(seq uint64) error { return s.reach(&s.durable, seq, s.logOnce) }

// reach works, once, until seq is reached. It runs on the goroutine that needs
// it: whoever gets the lock works for all who wait, and they find their work done.
func (s *Store) reach(reached *atomic.Uint64, seq uint64, once func() error) error {
	if sabotage == "no commit" {
		return nil
	}
	for reached.Load() < seq {
		s.committing.Lock()
		if reached.Load() >= seq {
			s.committing.Unlock()
			return nil
		}
		err := once()
		s.committing.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// commitOnce writes one batch, and those in the redo log before it; it is called
// with committing held. A batch that could not be written stays what it is, and
// is what the next commit tries: nothing in it is dropped, and nothing newer
// overtakes it.
func (s *Store) commitOnce() error {
	if s.readOnly {
		return s.trouble
	}
	s.cutOnce()
	batches := append(s.redo.waiting, s.running)
	spare(batches)
	stop := s.writeBack(batches)
	err := apply(s.write, batches)
	stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return s.failed(err)
	}
	for _, b := range batches {
		s.settle(b)
		s.checkpointIfLong(b.walBytes())
	}
	s.commits.Add(1)
	s.redo = redoLog{}
	s.running, s.inFlight = nil, nil
	s.trouble = nil
	return nil
}

// logOnce makes one batch durable; it is called with committing held.
func (s *Store) logOnce() error {
	if s.inTrouble() {
		return s.commitOnce() // what could not be written is to be seen through first
	}
	s.cutOnce()
	rows, err := s.log(s.running)
	if err == nil && rows == 0 {
		return s.commitOnce()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return s.failed(err)
	}
	s.commits.Add(1)
	s.durable.Store(s.running.seq)
	s.checkpointIfLong(int64(rows) * pageSize)
	s.running, s.inFlight = nil, nil
	return nil
}

// cutOnce begins a batch, unless one is to be written still.
func (s *Store) cutOnce() {
	if s.running == nil {
		s.mu.Lock()
		s.running = s.cut()
		s.mu.Unlock()
	}
}

func (s *Store) inTrouble() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble != nil
}

func (s *Store) failed(err error) error {
	s.trouble = fmt.Errorf("commit to %s: %w", s.path, err)
	return s.trouble
}

// settle takes note that a batch is durable and in the tables.
func (s *Store) settle(b *batch) {
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
		n.inFlight--
		if n.gone && n.dirty == 0 && n.inFlight == 0 {
			s.freePages(n)
			delete(s.nodes, n.id)
		}
	}
	s.detached.settle(b.seq)
	s.durable.Store(max(s.durable.Load(), b.seq))
	s.committed.Store(b.seq)
}

// waitRoom keeps dirty memory bounded: past the limit a writer commits first.
func (s *Store) waitRoom() error {
	if s.dirtyBytes.Load() < s.options.Dirty {
		return nil
	}
	return s.Sync()
}

// Sync returns when everything done before it is durable, and can be read from
// the tables.
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
	if n := s.nodes[id]; n == nil || n.dirty == 0 && n.at <= s.durable.Load() {
		seq = 0
	}
	s.mu.Unlock()
	if seq > 0 && !s.waited.Swap(true) {
		signal(s.asked)
	}
	return s.makeDurable(seq)
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
