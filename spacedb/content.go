package spacedb

// Content is kept in chunks of chunkSize bytes: the first belongs to the node
// row, so that a small document is one row more, the others are extents. A
// chunk that is not stored is a hole; a stored one may be shorter than
// chunkSize and then ends in zeros.

// chunkAt returns the id of the stored chunk idx, 0 for a hole. The extents
// must be loaded when idx > 0.
func (n *node) chunkAt(idx int64) int64 {
	if idx == 0 {
		return n.chunk
	}
	return n.extents[idx]
}

func (n *node) setChunk(idx, id int64) {
	if idx == 0 {
		n.chunk = id
	} else {
		n.extents[idx] = id
	}
}

// loadExtents reads a content's map; one of a single chunk needs no query.
func (s *Store) loadExtents(n *node) error {
	if n.extents != nil {
		return nil
	}
	extents := map[int64]int64{}
	stored := n.chunks
	if n.chunk != 0 {
		stored--
	}
	if stored > 0 {
		err := s.meta.query(func(r row) error {
			idx, id := r.int(0), r.int(1)
			if idx <= 0 || idx > MaxSize/chunkSize || id <= 0 {
				return damaged("extent %d of node %d", idx, n.id)
			}
			extents[idx] = id
			return nil
		}, `SELECT idx, chunk FROM extent WHERE node = ?`, n.id)
		if err != nil {
			return err
		}
		if int64(len(extents)) != stored {
			return damaged("node %d has %d extents instead of %d", n.id, len(extents), stored)
		}
	}
	n.extents = extents
	if len(extents) > 0 {
		if err := s.loadOverlay(n); err != nil {
			n.extents = nil
			return err
		}
	}
	return nil
}

// held runs fn with a node pinned and its content locked, shared or alone. fn
// runs without mu.
func (s *Store) held(id NodeID, alone bool, fn func(*node) error) error {
	s.lockTree()
	n, err := s.node(id)
	if err == nil {
		n.pins++
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		s.unpin(n)
		s.mu.Unlock()
	}()
	if alone {
		n.content.Lock()
		defer n.content.Unlock()
	} else {
		n.content.RLock()
		defer n.content.RUnlock()
	}
	return fn(n)
}

func (s *Store) unpin(n *node) {
	n.pins--
	(&Tree{store: s, by: n.by}).release(n)
}

// ReadAt fills p from off; it is short only where the content ends.
func (t *Tree) ReadAt(id NodeID, p []byte, off int64) (count int, err error) {
	err = t.store.held(id, false, func(n *node) error {
		count, err = t.store.readContent(n, p, off)
		return err
	})
	return count, err
}

// missing is a part of a read that memory does not have.
type missing struct {
	dest    []byte
	chunk   int64
	from    int64 // within the chunk
	patches []patch
}

// readContent reads with the content held. What a page in memory covers comes
// from there; the rest is on disk and stays there as long as the content is
// held, so it is read without mu.
func (s *Store) readContent(n *node, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, ErrInvalid
	}
	var todo []missing
	s.mu.Lock()
	if n.mode&TypeMask == TypeDir {
		s.mu.Unlock()
		return 0, ErrIsDir
	}
	if err := s.loadExtents(n); err != nil {
		s.mu.Unlock()
		return 0, err
	}
	if off >= n.size {
		s.mu.Unlock()
		return 0, nil
	}
	p = p[:min(int64(len(p)), n.size-off)]
	for done := int64(0); done < int64(len(p)); {
		idx, from := (off+done)/chunkSize, (off+done)%chunkSize
		dest := p[done:min(done+chunkSize-from, int64(len(p)))]
		if pg := n.pages[idx]; pg != nil {
			copyZeroed(dest, pg.data, from)
		} else if id := n.chunkAt(idx); id != 0 {
			todo = append(todo, missing{dest, id, from, values(n.patches(idx))})
		} else {
			clear(dest)
		}
		done += int64(len(dest))
	}
	s.mu.Unlock()
	if len(todo) == 0 {
		return len(p), nil
	}
	c, err := s.readers.get()
	if err != nil {
		return 0, err
	}
	defer s.readers.put(c)
	for _, m := range todo {
		err := c.copyChunk(m.dest, m.chunk, m.from)
		if err == nil {
			err = c.overlay(m.dest, m.from, m.patches)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// copyChunk fills dest with what a chunk has from offset from on, and then zeros.
func (c *conn) copyChunk(dest []byte, id, from int64) error {
	if c.chunks == nil {
		var err error
		if c.chunks, err = newChunkReader(c.db); err != nil {
			return err
		}
	}
	base, size, found, err := c.chunks.read(dest, id, from)
	switch {
	case err != nil:
		return err
	case !found:
		return damaged("chunk %d is missing", id)
	case base != baseNone:
		content, _, err := c.chunk(id, 0)
		copyZeroed(dest, content, from)
		return err
	case size > chunkSize:
		return damaged("chunk %d has %d bytes", id, size)
	}
	clear(dest[min(max(size-from, 0), int64(len(dest))):])
	return nil
}

// readChunk hands fn a stored chunk; it is valid during the call only.
func (c *conn) readChunk(id int64, fn func([]byte)) error {
	packed := false
	found, err := c.one(func(r row) error {
		if packed = r.int(0) != baseNone; packed {
			return nil
		}
		data := r.bytes(1)
		if len(data) > chunkSize {
			return damaged("chunk %d has %d bytes", id, len(data))
		}
		fn(data)
		return nil
	}, `SELECT base, data FROM chunk WHERE id = ?`, id)
	if err == nil && !found {
		err = damaged("chunk %d is missing", id)
	}
	if err == nil && packed {
		var content []byte
		if content, _, err = c.chunk(id, 0); err == nil {
			fn(content)
		}
	}
	return err
}

// copyZeroed copies data[from:] to dest; what data does not have is zeros.
func copyZeroed(dest, data []byte, from int64) {
	n := 0
	if from < int64(len(data)) {
		n = copy(dest, data[from:])
	}
	clear(dest[n:])
}

// WriteAt writes p at off. The content is as if written at once; it is durable
// after the next Fsync or, unasked, within a second.
func (t *Tree) WriteAt(id NodeID, p []byte, off int64) (int, error) {
	switch {
	case off < 0:
		return 0, ErrInvalid
	case off+int64(len(p)) > MaxSize:
		return 0, ErrTooLarge
	case len(p) == 0:
		return 0, nil
	}
	if err := t.store.waitRoom(); err != nil {
		return 0, err
	}
	err := t.store.held(id, true, func(n *node) error { return t.write(n, p, off) })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// write changes content that is held alone.
func (t *Tree) write(n *node, p []byte, off int64) error {
	s := t.store
	if err := s.keepSeals(n); err != nil {
		return err
	}
	err := t.changeContent(n, off, off+int64(len(p)), true)
	defer s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case n.isDir():
		return ErrIsDir
	case !n.isRegular():
		return ErrInvalid
	}
	t.put(n, p, off)
	return nil
}

// put is write once nothing can go wrong any more.
func (t *Tree) put(n *node, p []byte, off int64) {
	s := t.store
	now := t.step()
	for done := int64(0); done < int64(len(p)); {
		idx, from := (off+done)/chunkSize, (off+done)%chunkSize
		part := p[done:min(done+chunkSize-from, int64(len(p)))]
		done += int64(len(part))
		if n.pages[idx] == nil && n.patchable(idx, int64(len(part))) {
			s.patch(n, idx, from, part)
			continue
		}
		s.put(s.writable(n, idx), from, part)
	}
	if end := off + int64(len(p)); end > n.size {
		t.resize(n, end)
	}
	t.contentChanged(n, now)
}

func (t *Tree) contentChanged(n *node, now int64) {
	s := t.store
	n.mtime, n.ctime = now, now
	n.version = s.seq
	n.wroteBy = t.by
	n.kept, n.owed = false, debt{path: n.owed.path}
	t.unseal(n, now)
	t.touch(n, dirtyRow|dirtyContent|dirtyJournal)
	s.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: n.id, Parent: n.parent, Name: n.name, What: ContentChanged})
}

// resize sets the size and keeps the space's total.
func (t *Tree) resize(n *node, size int64) {
	if n.nlink > 0 && n.isRegular() {
		t.store.usageBytes.Add(size - n.size)
	}
	n.size = size
}

// changeContent begins a change of [from, to) of a content that is held alone. It
// is change, and sees to it that the stored chunks which the range covers only in
// part are in memory, or, where patching is allowed, can be patched. The lock is
// held in any case.
func (t *Tree) changeContent(n *node, from, to int64, patching bool) error {
	s := t.store
	for {
		if err := t.change(); err != nil {
			return err
		}
		if err := s.loadExtents(n); err != nil {
			return err
		}
		idx, found := n.missingEdge(from, to, patching)
		if !found {
			return nil
		}
		s.mu.Unlock()
		err := s.loadPage(n, idx)
		if err != nil {
			s.mu.Lock()
			return err
		}
	}
}

// missingEdge finds a chunk that [from, to) covers in part and that is not there
// to be changed.
func (n *node) missingEdge(from, to int64, patching bool) (idx int64, found bool) {
	first, last := from/chunkSize, (to-1)/chunkSize
	missing := func(idx int64) bool {
		begin, end := max(from, idx*chunkSize), min(to, (idx+1)*chunkSize)
		return end-begin < chunkSize && n.pages[idx] == nil && n.chunkAt(idx) != 0 &&
			!(patching && n.patchable(idx, end-begin))
	}
	if missing(first) {
		return first, true
	}
	return last, last != first && missing(last)
}

// loadPage brings a chunk into memory; the content is held alone.
func (s *Store) loadPage(n *node, idx int64) error {
	s.mu.Lock()
	err := s.loadExtents(n)
	id := n.chunkAt(idx)
	present := n.pages[idx] != nil
	patches := values(n.patches(idx))
	s.mu.Unlock()
	if err != nil || id == 0 || present {
		return err
	}
	c, err := s.readers.get()
	if err != nil {
		return err
	}
	defer s.readers.put(c)
	var data []byte
	if err := c.readChunk(id, func(b []byte) { data = append(data, b...) }); err != nil {
		return err
	}
	for _, p := range patches {
		if grow := p.from + p.size - int64(len(data)); grow > 0 {
			data = append(data, make([]byte, grow)...)
		}
	}
	if err := c.overlay(data, 0, patches); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pg := s.putPage(n, idx)
	pg.data = data
	s.queueClean(pg)
	return nil
}

// setTarget gives a new symlink its target.
func (t *Tree) setTarget(n *node, target string) {
	t.store.put(t.store.writable(n, 0), 0, []byte(target))
	n.size = int64(len(target))
	t.touch(n, dirtyRow|dirtyContent)
}

// Readlink returns a symlink's target.
func (t *Tree) Readlink(id NodeID) (target string, err error) {
	err = t.store.held(id, false, func(n *node) error {
		if n.mode&TypeMask != TypeSymlink {
			return ErrInvalid
		}
		p := make([]byte, MaxTarget)
		count, err := t.store.readContent(n, p, 0)
		target = string(p[:count])
		return err
	})
	return target, err
}
