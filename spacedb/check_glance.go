package spacedb

// glances checks that each one is what the base says: a sync believes it instead
// of the base.
func (c *checker) glances() error {
	type place struct {
		mirror int64
		dir    string
	}
	want, sums := map[place]GlanceSum{}, map[place]*Glancing{}
	err := c.conn.query(func(r row) error {
		p := place{r.int(0), r.text(1)}
		want[p], sums[p] = glanceSum(r.bytes(2)), &Glancing{}
		return nil
	}, `SELECT mirror, dir, sum FROM glance`)
	if err != nil || len(want) == 0 {
		return err
	}
	err = c.conn.query(func(r row) error {
		dir, name := splitPath(r.text(1))
		if g := sums[place{r.int(0), GlanceKey(dir)}]; g != nil {
			g.Add(name, uint32(r.int(2)), r.int(3), r.int(4), r.int(5), uint64(r.int(6)))
		}
		return c.ctx.Err()
	}, `SELECT mirror, path, m_mode, m_size, m_mtime, m_ctime, m_inode FROM base ORDER BY mirror, path`)
	if err != nil {
		return err
	}
	for p, sum := range want {
		if sums[p].Sum() != sum {
			c.found("glance", "directory %q of mirror %d: it is not what the base says", p.dir, p.mirror)
		}
	}
	return nil
}
