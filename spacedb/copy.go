package spacedb

// copyAtOnce is how many bytes one CopyRange copies at most; what is shared
// does not count.
const copyAtOnce = 8 << 20

// CopyRange copies a part of a document's content into another document, or to
// another place in the same one, as copy_file_range(2) does. It returns how many
// bytes it copied: fewer where the source ends, or when it is enough for once.
//
// Whole chunks that history holds are not copied but shared, so a copy of a
// document at rest costs a few rows. Each part is a step of its own.
func (t *Tree) CopyRange(from NodeID, off int64, to NodeID, at, length int64) (done int64, err error) {
	switch {
	case off < 0 || at < 0 || length < 0:
		return 0, ErrInvalid
	case off > MaxSize || at > MaxSize || length > MaxSize || at+length > MaxSize:
		return 0, ErrTooLarge
	case from == to && off < at+length && at < off+length:
		return 0, ErrInvalid
	}
	source, err := t.Attr(from)
	if err != nil {
		return 0, err
	}
	length = min(length, max(source.Size-off, 0)) // what the copy itself adds is not copied again
	if source.IsDir() {
		return 0, ErrIsDir
	}
	buf := make([]byte, min(length, 4*chunkSize))
	for copied := int64(0); done < length && copied < copyAtOnce; {
		shared, err := t.share(from, off+done, to, at+done, length-done)
		done += shared
		if err != nil || done == length {
			return done, partly(done, err)
		}
		// What cannot be shared is copied up to where sharing may go on.
		part := min(length-done, int64(len(buf)))
		if (off-at)%chunkSize == 0 {
			part = min(part, chunkSize-(off+done)%chunkSize)
		}
		n, err := t.ReadAt(from, buf[:part], off+done)
		if err == nil && n > 0 {
			n, err = t.WriteAt(to, buf[:n], at+done)
		}
		if err != nil || n == 0 {
			return done, partly(done, err)
		}
		done += int64(n)
		copied += int64(n)
	}
	return done, nil
}

// partly: who copied something says so, and fails the next time.
func partly(done int64, err error) error {
	if done > 0 {
		return nil
	}
	return err
}

// share lets document to use the whole chunks of document from that begin at
// off, as many in a row as it can, and returns how many bytes that are.
func (t *Tree) share(from NodeID, off int64, to NodeID, at, length int64) (done int64, err error) {
	if off%chunkSize != 0 || at%chunkSize != 0 || length < chunkSize {
		return 0, nil
	}
	s := t.store
	err = s.held(to, true, func(dest *node) error {
		if err := s.keepSeals(dest); err != nil {
			return err
		}
		err := t.change()
		defer s.mu.Unlock()
		if err != nil {
			return err
		}
		source, err := s.node(from)
		if err != nil {
			return err
		}
		for _, n := range []*node{source, dest} {
			if !n.isRegular() {
				return ErrInvalid
			}
			if err := s.loadExtents(n); err != nil {
				return err
			}
		}
		first, target := off/chunkSize, at/chunkSize
		ids := source.shareable(first, min(length, source.size-off)/chunkSize)
		// A void patch whose row is still stored would count again if its chunk came
		// back to its place.
		patched := dest.overlay != nil
		if highest := max(dest.shared, maxOf(ids)); len(ids) > 0 && !patched && !dest.ownsUpTo(highest) {
			now := t.step()
			for i, id := range ids {
				t.adoptChunk(dest, target+int64(i), id)
			}
			dest.shared = highest
			done = int64(len(ids)) * chunkSize
			if at+done > dest.size {
				t.resize(dest, at+done)
			}
			t.contentChanged(dest, now)
		}
		return nil
	})
	return done, err
}

// shareable lists the ids, 0 for a hole, of up to count chunks from first that
// may become another node's too: those that history holds, which therefore
// never change, and over which lies no patch and no page that was written to. One
// that a commit is just writing only its page has: elsewhere it would be looked
// for in the file.
func (n *node) shareable(first, count int64) (ids []int64) {
	for idx := first; idx < first+count; idx++ {
		id := n.chunkAt(idx)
		if pg := n.pages[idx]; id < 0 || id > n.shared || pg != nil && (pg.dirty || pg.frozen) || len(n.patches(idx)) > 0 {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

// ownsUpTo says whether n has chunks of its own with ids up to highest: they
// would pass for shared if n.shared became that, and nobody would delete them.
func (n *node) ownsUpTo(highest int64) bool {
	if n.chunk > n.shared && n.chunk <= highest {
		return true
	}
	for _, id := range n.extents {
		if id > n.shared && id <= highest {
			return true
		}
	}
	return false
}

// adoptChunk makes a chunk that exists n's idx-th; 0 makes a hole.
func (t *Tree) adoptChunk(n *node, idx, id int64) {
	t.dropChunk(n, idx)
	if id == 0 {
		return
	}
	n.setChunk(idx, id)
	n.chunks++
	if idx > 0 {
		n.copied = append(n.copied, idx)
	}
	// What is somebody's current content is not packed as another's history.
	t.store.pending.add(`INSERT OR IGNORE INTO copied (chunk) VALUES (?)`, id)
}

func maxOf(ids []int64) (highest int64) {
	for _, id := range ids {
		highest = max(highest, id)
	}
	return highest
}
