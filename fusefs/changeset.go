package fusefs

import "spacefs/spacedb"

// changeSet is what a batch of changes comes to: each place and each node once,
// in the order of their first change.
type changeSet struct {
	entries []entryChange
	nodes   []nodeChange
}

// place is a name in a directory.
type place struct {
	parent spacedb.NodeID
	name   string
}

// entryChange: the place named was, and names is now. 0 is nothing, or for was
// also "not known".
type entryChange struct {
	place
	was, is spacedb.NodeID
	from    *place // that named is before and is empty now; nil: it was not moved
}

// nodeChange: the node that a place names has other attributes, other content,
// or both.
type nodeChange struct {
	place
	node          spacedb.NodeID
	attr, content bool
}

func sum(changes []spacedb.Change) (c changeSet) {
	entries := map[place]int{}
	nodes := map[spacedb.NodeID]int{}
	added := map[spacedb.NodeID]bool{}
	for _, ch := range changes {
		at := place{ch.Parent, ch.Name}
		switch ch.What {
		case spacedb.EntryAdded, spacedb.EntryRemoved:
			i, seen := entries[at]
			if !seen {
				i = len(c.entries)
				entries[at] = i
				c.entries = append(c.entries, entryChange{place: at})
			}
			e := &c.entries[i]
			if ch.What == spacedb.EntryAdded {
				e.is = ch.Node
				added[ch.Node] = true
				break
			}
			if !seen {
				e.was = ch.Node
			}
			e.is = 0
		case spacedb.ContentChanged, spacedb.AttrChanged:
			i, seen := nodes[ch.Node]
			if !seen {
				i = len(c.nodes)
				nodes[ch.Node] = i
				c.nodes = append(c.nodes, nodeChange{node: ch.Node})
			}
			d := &c.nodes[i]
			d.content = d.content || ch.What == spacedb.ContentChanged
			d.attr = d.attr || ch.What == spacedb.AttrChanged
			if ch.Parent != 0 {
				d.place = at
			}
		}
	}
	left := map[spacedb.NodeID]*place{}
	for i := range c.entries {
		if e := &c.entries[i]; e.is == 0 && e.was != 0 {
			left[e.was] = &e.place
		}
	}
	for i := range c.entries {
		if e := &c.entries[i]; e.is != 0 {
			e.from = left[e.is]
		}
	}
	// What came with its content is told of once, as an entry.
	for i := range c.nodes {
		if added[c.nodes[i].node] {
			c.nodes[i].place = place{}
		}
	}
	return c
}
