package spacedb

// foldAtOnce is how many chunks are folded with the content held alone.
const foldAtOnce = 64

// fold stores a content's patched chunks anew. Others may read and write between
// two steps of it.
func (s *Store) fold(id NodeID) error {
	for {
		more := false
		err := s.held(id, true, func(n *node) (err error) {
			more, err = s.foldSome(n)
			return err
		})
		if err == nil && more {
			err = s.waitRoom()
		}
		if err != nil || !more {
			return err
		}
	}
}

// foldSome holds the content alone: readers rely on what they found stored.
func (s *Store) foldSome(n *node) (more bool, err error) {
	s.mu.Lock()
	err = s.loadExtents(n)
	todo := n.unfolded(foldAtOnce)
	s.mu.Unlock()
	if err != nil || len(todo) == 0 {
		return false, err
	}
	for _, idx := range todo {
		if err := s.rewrite(n, idx); err != nil {
			return false, err
		}
	}
	return true, nil
}

// storeAnew gives a node a chunk of its own for one that it shares, if it still
// does.
func (s *Store) storeAnew(id NodeID, idx, chunk int64) error {
	return s.held(id, true, func(n *node) error {
		s.mu.Lock()
		err := s.loadExtents(n)
		shares := n.chunkAt(idx) == chunk
		s.mu.Unlock()
		if err != nil || !shares {
			return err
		}
		return s.rewrite(n, idx)
	})
}

// rewrite lets the next commit store a chunk of a content that is held alone,
// as it is.
func (s *Store) rewrite(n *node, idx int64) error {
	if err := s.loadPage(n, idx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.pages[idx] != nil { // not thrown out again in between
		s.writable(n, idx).whole = true
		t := s.Tree(n.by)
		t.step()
		t.touch(n, dirtyContent)
	}
	return nil
}

// unfolded lists up to limit chunks whose patches the next commit leaves.
func (n *node) unfolded(limit int) (list []int64) {
	if n.overlay == nil {
		return nil
	}
	for idx := range n.overlay.chunks {
		if pg := n.pages[idx]; pg == nil || !pg.dirty || !pg.whole {
			if list = append(list, idx); len(list) == limit {
				break
			}
		}
	}
	return list
}
