package spacedb

import (
	"fmt"
)

// What a check looks for in the tree.

type checkedNode struct {
	*node
	entries  uint32
	subdirs  uint32
	children []NodeID // of directories
}

func (c *checker) readNodes() error {
	return c.conn.query(func(r row) error {
		n, err := scanNode(r)
		if err != nil {
			c.found(fmt.Sprintf("node %d", r.int(0)), "%v", err)
			return nil
		}
		if n.id > c.last.node {
			c.found(fmt.Sprintf("node %d", n.id), "its number was never given out")
		}
		c.nodes[n.id] = &checkedNode{node: n}
		return c.ctx.Err()
	}, `SELECT `+nodeColumns+` FROM node`)
}

func (c *checker) readEntries() error {
	return c.conn.query(func(r row) error {
		parent, name, id := NodeID(r.int(0)), r.text(1), NodeID(r.int(2))
		where := fmt.Sprintf("entry %d/%q", parent, name)
		d, n := c.nodes[parent], c.nodes[id]
		if err := checkName(name); err != nil {
			c.found(where, "not a name")
		}
		if d == nil || !d.isDir() {
			c.found(where, "its directory does not exist")
			return nil
		}
		if n == nil {
			c.found(where, "its node %d does not exist", id)
			return nil
		}
		n.entries++
		d.children = append(d.children, id)
		if n.isDir() {
			d.subdirs++
		}
		return nil
	}, `SELECT parent, name, node FROM entry`)
}

// shape: from the root every linked node is reached, once if it is a directory.
func (c *checker) shape() error {
	root := c.nodes[Root]
	if root == nil || !root.isDir() {
		c.found("node 1", "there is no root directory")
		return nil
	}
	if root.entries > 0 {
		c.found("node 1", "the root is inside another directory")
	}
	reached := map[NodeID]bool{Root: true}
	for queue := []NodeID{Root}; len(queue) > 0; queue = queue[1:] {
		for _, id := range c.nodes[queue[0]].children {
			if n := c.nodes[id]; n.isDir() && reached[id] {
				c.found(fmt.Sprintf("node %d", id), "a directory with two names")
				continue
			} else if n.isDir() {
				queue = append(queue, id)
			}
			reached[id] = true
		}
	}
	for id, n := range c.nodes {
		if n.nlink > 0 && !reached[id] {
			c.found(fmt.Sprintf("node %d", id), "no path leads to it")
		}
	}
	return nil
}

func (c *checker) counts() error {
	var usage Usage
	for id, n := range c.nodes {
		where := fmt.Sprintf("node %d", id)
		want := n.entries
		if n.isDir() && (n.entries > 0 || id == Root) {
			want = 2 + n.subdirs
		}
		if n.nlink != want {
			c.found(where, "link count %d instead of %d", n.nlink, want)
		}
		stored := int64(len(n.extents))
		if n.chunk != 0 {
			stored++
		}
		if stored != n.chunks {
			c.found(where, "%d chunks instead of %d", n.chunks, stored)
		}
		for idx := range n.extents {
			if idx*chunkSize >= n.size {
				c.found(where, "chunk %d lies beyond its size", idx)
			}
		}
		if n.nlink > 0 {
			usage.Nodes++
			if n.isRegular() {
				usage.Bytes += n.size
			}
		}
	}
	if usage != c.usage {
		c.found("space", "totals %+v instead of %+v", c.usage, usage)
	}
	return nil
}
