package spacedb

import "math/bits"

// A chunk's row is in a leaf page of its table with as much of it as the file
// format allows; the rest of a long one fills pages of its own. A row that is
// added at the end and does not fit into the last leaf begins another, and what
// was free stays free: a tenth of all that many small documents take. Rows come
// in the order of their ids, so whoever gives ids out decides how full leaves get.

const (
	leafRoom = pageSize - 8 // the page header
	leafStep = 16           // bytes; sizes are rounded up to it
)

// inLeaf is how many bytes of a leaf the row of a chunk takes
// (https://www.sqlite.org/fileformat2.html#b_tree_pages).
func inLeaf(size int) int {
	const (
		cell   = 2 + 3 + 4 // its pointer, its length, its id: at most, mostly
		header = 6         // of the record
		most   = pageSize - 35
		least  = (pageSize-12)*32/255 - 23
		rest   = 4 // number of the page where it goes on
	)
	payload := size + header
	if payload <= most {
		return cell + payload
	}
	local := least + (payload-least)%(pageSize-4)
	if local > most {
		local = least
	}
	return cell + local + rest
}

// byLeaves puts small documents into an order in which their chunks fill leaves:
// always the largest that still fits is next. What is something else comes first,
// and otherwise everything stays in order.
func byLeaves(nodes []*node) []*node {
	var waiting [leafRoom/leafStep + 2][]*node
	var any [len(waiting)/64 + 1]uint64 // a bit for each size that waits
	order := make([]*node, 0, len(nodes))
	for _, n := range nodes {
		pg := n.pages[0]
		if len(n.pages) != 1 || pg == nil || !pg.dirty {
			order = append(order, n)
			continue
		}
		steps := (inLeaf(len(pg.data)) + leafStep - 1) / leafStep
		waiting[steps] = append(waiting[steps], n)
		any[steps/64] |= 1 << (steps % 64)
	}
	largest := func(most int) int { // 0: none
		for word, mask := most/64, ^uint64(0)>>(63-most%64); word >= 0; word, mask = word-1, ^uint64(0) {
			if found := any[word] & mask; found != 0 {
				return word*64 + bits.Len64(found) - 1
			}
		}
		return 0
	}
	for free := 0; len(order) < len(nodes); {
		steps := largest(free / leafStep)
		if steps == 0 {
			free, steps = leafRoom, largest(len(waiting)-1)
		}
		order = append(order, waiting[steps][0])
		if waiting[steps] = waiting[steps][1:]; len(waiting[steps]) == 0 {
			any[steps/64] &^= 1 << (steps % 64)
		}
		free -= steps * leafStep
	}
	return order
}
