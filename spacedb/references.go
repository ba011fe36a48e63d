package spacedb

// references counts the kernel's references to nodes that are not in memory.
// After a walk over a tree the kernel has one to each of its nodes, a million of
// them; so those are bits, by the dense numbers that nodes have, and only more
// than one is a number. Guarded by Store.mu.
type references struct {
	single map[NodeID]*referenceBlock // by id / blockNodes
	more   map[NodeID]uint64
}

const blockNodes = 4096

type referenceBlock struct {
	bits  [blockNodes / 64]uint64
	count int
}

// put notes the references of a node that has none here.
func (r *references) put(id NodeID, count uint64) {
	if r.single == nil {
		r.single, r.more = map[NodeID]*referenceBlock{}, map[NodeID]uint64{}
	}
	switch count {
	case 0:
	case 1:
		b := r.single[id/blockNodes]
		if b == nil {
			b = &referenceBlock{}
			r.single[id/blockNodes] = b
		}
		b.bits[id%blockNodes/64] |= 1 << (id % 64)
		b.count++
	default:
		r.more[id] = count
	}
}

// take returns a node's references and has none of it any more.
func (r *references) take(id NodeID) uint64 {
	b := r.single[id/blockNodes]
	if b == nil || b.bits[id%blockNodes/64]&(1<<(id%64)) == 0 {
		count := r.more[id]
		delete(r.more, id)
		return count
	}
	b.bits[id%blockNodes/64] &^= 1 << (id % 64)
	if b.count--; b.count == 0 {
		delete(r.single, id/blockNodes)
	}
	return 1
}

// forget gives some back.
func (r *references) forget(id NodeID, count uint64) {
	have := r.take(id)
	r.put(id, have-min(count, have))
}
