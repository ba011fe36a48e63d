package materialize

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"syscall"

	"spacefs/materialize/manifest"
)

// carryOut does it. Contents are staged and durable before a name changes; then
// the next manifest is, so that after an interruption the old and the new files
// are both known for ours.
func (x *exporter) carryOut(p *exportPlan, todo []*exportName, next *manifest.Manifest) error {
	if err := x.root.RemoveAll(stagedDir); err != nil {
		return x.nothingDone(err)
	}
	if err := x.root.Mkdir(stagedDir, 0o700); err != nil {
		return x.nothingDone(err)
	}
	defer x.root.RemoveAll(stagedDir)
	staged, err := x.stage(p, todo)
	if err != nil {
		return err
	}
	if err := x.stageManifest(next); err != nil {
		return err
	}
	disk := newDisk(x.root, &reach{root: x.root}, &writeback{root: x.root})
	defer disk.close()
	if err := disk.syncAll(); err != nil {
		return err
	}
	dirs := map[string]bool{} // in which something changed
	do := func(n *exportName, act func() error) {
		if err := act(); err != nil {
			n.failed = true
			x.fail(n.name, err)
			return
		}
		dir, _ := splitPath(n.name)
		dirs[dir] = true
		x.tellAct(p, n)
	}
	for i := len(todo) - 1; i >= 0; i-- { // what is in a directory before it
		n := todo[i]
		switch {
		case n.act == actRemove:
			err := x.removeExported(n)
			if isNotEmpty(err) {
				x.result.Notices = append(x.result.Notices, n.name+": the directory stays, it holds what the export did not write")
				continue
			}
			do(n, func() error { return err })
		case n.act == actWrite && n.changesKind(p) && x.removeExported(n) == nil:
			n.disk, n.stamp = diskState{}, stamp{} // what failed to go, putInPlace finds
		}
	}
	for _, n := range todo {
		switch e := n.entry(p); {
		case n.act == actWrite && e.Kind == manifest.Directory:
			do(n, func() error {
				if err := disk.mkdir(n.name, e.Mode); err != nil {
					return err
				}
				if !x.readsAttributes {
					return nil
				}
				return x.attributeExported(disk, &exportName{name: n.name}, e.Attributes)
			})
			dirs[n.name] = true
		case n.act == actWrite:
			do(n, func() error { return x.putInPlace(staged, n) })
		case n.act == actTouch:
			do(n, func() error {
				if x.readsAttributes {
					if err := x.attributeExported(disk, n, e.Attributes); err != nil {
						return err
					}
				}
				return x.touchExported(e)
			})
		case n.act != actRemove:
			x.tellAct(p, n)
		}
	}
	x.restoreTimes(p, dirs)
	if slices.ContainsFunc(todo, func(n *exportName) bool { return n.failed }) {
		if err := x.stageManifest(nextOf(p, todo)); err != nil {
			return err
		}
	}
	if err := disk.syncAll(); err != nil {
		return err
	}
	return x.publish()
}

// stage writes every content that is to come, durably; the result says where.
func (x *exporter) stage(p *exportPlan, todo []*exportName) (map[*exportName]string, error) {
	part := &exportPlan{}
	staged := map[*exportName]string{}
	index := map[int]*exportName{}
	for _, n := range todo {
		if n.act != actWrite || p.entries[n.want].Kind == manifest.Directory {
			continue
		}
		e := p.entries[n.want]
		if x.readsAttributes {
			e.Attributes = n.attributesToBe(e.Attributes)
		}
		e.Name = stagedDir + "/" + strconv.Itoa(len(part.entries))
		index[len(part.entries)] = n
		staged[n] = e.Name
		part.entries, part.sources = append(part.entries, e), append(part.sources, p.sources[n.want])
	}
	w := newTreeWriter(part, x.root)
	defer w.durable.close()
	x.options.Reporter.Tell(Event{Event: Progress, Phase: "export", Total: len(part.entries)})
	if err := x.writeFiles(w); err != nil {
		return nil, x.nothingDone(err)
	}
	if err := w.durable.sync(); err != nil {
		return nil, x.nothingDone(err)
	}
	for i, not := range w.refused {
		x.failAttributes(index[i].name, not)
	}
	for i, err := range w.failed {
		n := index[i]
		n.act, n.failed = actNothing, true
		x.fail(n.name, err)
	}
	return staged, nil
}

// expected looks again, just before something is done at a name.
func (x *exporter) expected(n *exportName) error {
	info, err := x.root.Lstat(n.name)
	switch {
	case isGone(err):
		if n.disk.kind == "" {
			return nil
		}
		return errMoved
	case err != nil:
		return err
	}
	if n.disk.kind == "" || n.disk.kind != manifest.Directory && stampOf(info) != n.stamp {
		return errMoved
	}
	return nil
}

func (x *exporter) removeExported(n *exportName) error {
	if err := x.expected(n); err != nil {
		return err
	}
	return x.root.Remove(n.name)
}

func (x *exporter) putInPlace(staged map[*exportName]string, n *exportName) error {
	if err := x.expected(n); err != nil {
		return err
	}
	return x.root.Rename(staged[n], n.name)
}

func (x *exporter) touchExported(e *manifest.Entry) error {
	if e.Kind != manifest.Symlink {
		if err := x.root.Chmod(e.Name, os.FileMode(e.Mode&permMask)); err != nil {
			return err
		}
	}
	return withDir(x.root, e.Name, func(d *os.File, name string) error { return setTime(d, name, e.Mtime) })
}

// restoreTimes gives directories that changed the times they have in the space.
func (x *exporter) restoreTimes(p *exportPlan, dirs map[string]bool) {
	for i := len(p.entries) - 1; i >= 0; i-- {
		if e := &p.entries[i]; e.Kind == manifest.Directory && e.Name != "" && dirs[e.Name] {
			if err := x.touchExported(e); err != nil && !isGone(err) {
				x.fail(e.Name, err)
			}
		}
	}
}

func isNotEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST)
}
