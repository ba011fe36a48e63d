package materialize

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"spacefs/materialize/manifest"
)

// exportName is everything known of one name of an export.
type exportName struct {
	name   string
	want   int // index in the plan; -1: nothing
	had    []*manifest.Entry
	act    exportAct
	disk   diskState
	stamp  stamp // of what is there, when it was read
	failed bool  // it is as before
}

// update brings an earlier export up to date. When nothing changed it reads
// neither the space nor a file.
func (x *exporter) update(had *exportState) error {
	same := asWritten(x.root, had.done)
	unchanged, err := x.v.Unchanged(had.done.Seq)
	if err != nil {
		return err
	}
	unchanged = unchanged && had.next == nil && sameHeader(had.done.Header, x.header())
	if unchanged && !slices.Contains(same, false) {
		x.result.Unchanged = len(had.done.Entries)
		return nil
	}
	for _, m := range []*manifest.Manifest{had.done, had.next} {
		if m != nil {
			if err := m.Check(); err != nil {
				return fmt.Errorf("%s: %w; export to a new directory", path.Join(x.dir, manifest.Name), err)
			}
		}
	}
	plan, err := x.plan()
	if err != nil {
		return err
	}
	if err := x.hashUnsealed(plan); err != nil {
		return err
	}
	todo := x.decide(plan, had, same)
	if x.options.DryRun {
		for _, n := range todo {
			x.tellAct(plan, n)
		}
		return nil
	}
	next := nextOf(plan, todo)
	if had.next != nil || slices.ContainsFunc(todo, (*exportName).acts) {
		return x.recorded(func() error { return x.carryOut(plan, todo, next) })
	}
	for _, n := range todo {
		x.tellAct(plan, n)
	}
	return x.replaceManifest(next) // the next time the journal tells that nothing changed
}

// acts: something is done, and not only said.
func (n *exportName) acts() bool { return n.act == actWrite || n.act == actTouch || n.act == actRemove }

// sameHeader: what was asked for is the same.
func sameHeader(a, b manifest.Header) bool {
	return a.Variant == b.Variant && a.At == b.At && slices.Equal(a.Include, b.Include) && slices.Equal(a.Exclude, b.Exclude) &&
		a.Metadata == b.Metadata && a.Index == b.Index
}

// decide returns the names at which there is something to do or to say, sorted.
func (x *exporter) decide(p *exportPlan, had *exportState, same []bool) []*exportName {
	names := make(map[string]*exportName, len(p.entries))
	at := func(name string) *exportName {
		n := names[name]
		if n == nil {
			n = &exportName{name: name, want: -1}
			names[name] = n
		}
		return n
	}
	looks := make(map[string]bool, len(same))
	for i := range had.done.Entries {
		if e := &had.done.Entries[i]; e.Name != "" {
			at(e.Name).had = append(at(e.Name).had, e)
			looks[e.Name] = same[i]
		}
	}
	if had.next != nil {
		for i := range had.next.Entries {
			if e := &had.next.Entries[i]; e.Name != "" {
				at(e.Name).had = append(at(e.Name).had, e)
			}
		}
	}
	for i := range p.entries {
		if name := p.entries[i].Name; name != "" {
			at(name).want = i
		}
	}
	sorted := slices.SortedFunc(maps.Values(names), func(a, b *exportName) int { return strings.Compare(a.name, b.name) })
	var todo []*exportName
	var blocked pathSet // what should be a directory and is not
	for _, n := range sorted {
		want := n.entry(p)
		if want != nil && len(n.had) == 1 && looks[n.name] && sameExport(want, n.had[0]) && sameLooks(want, n.had) {
			x.result.Unchanged++
			continue
		}
		err := error(nil)
		if blocked.cover(n.name) {
			err = errors.New("what should be its directory is something else")
		} else {
			n.disk, n.stamp, err = lookAt(x.root, n.name)
		}
		if err != nil {
			n.failed = true
			x.fail(n.name, err)
			todo = append(todo, n)
			continue
		}
		if n.isDirectory(p) && n.disk.kind != "" && n.disk.kind != manifest.Directory {
			blocked.put(n.name)
		}
		n.act = decideExport(want, n.had, n.disk)
		switch {
		case n.act != actNothing:
			todo = append(todo, n)
		case want != nil:
			x.result.Unchanged++
		}
	}
	return todo
}

// isDirectory: it is one in the space, and was one in the export.
func (n *exportName) isDirectory(p *exportPlan) bool {
	e := n.entry(p)
	if e == nil || e.Kind != manifest.Directory {
		return false
	}
	for _, h := range n.had {
		if h.Kind != manifest.Directory {
			return false // then what is there goes first
		}
	}
	return true
}

func (n *exportName) entry(p *exportPlan) *manifest.Entry {
	if n.want < 0 {
		return nil
	}
	return &p.entries[n.want]
}

// changesKind: a directory comes in place of something else, or the other way.
func (n *exportName) changesKind(p *exportPlan) bool {
	return n.disk.kind != "" && (n.disk.kind == manifest.Directory) != (n.entry(p).Kind == manifest.Directory)
}

// nextOf is what the manifest says when everything is done. Where something else
// is than the space has, it goes on saying what was exported last, so that it is
// known what was edited; and that it saw nothing, so that the next export looks
// again.
func nextOf(p *exportPlan, todo []*exportName) *manifest.Manifest {
	m := &manifest.Manifest{Header: p.header, Entries: make([]manifest.Entry, 0, len(p.entries))}
	stays := map[int]*exportName{}
	for _, n := range todo {
		switch {
		case n.act != actEdited && n.act != actForeign && !n.failed:
			continue
		case n.want >= 0:
			stays[n.want] = n
		case len(n.had) > 0: // could not be removed
			m.Entries = append(m.Entries, *n.had[0])
		}
		m.Seq = 0
	}
	for i := range p.entries {
		n := stays[i]
		switch {
		case n == nil:
			m.Entries = append(m.Entries, p.entries[i])
		case len(n.had) > 0:
			m.Entries = append(m.Entries, *n.had[0])
		}
	}
	return m
}

// tellAct says what is done at a name, or would be.
func (x *exporter) tellAct(p *exportPlan, n *exportName) {
	want := n.entry(p)
	switch n.act {
	case actWrite:
		reason := "changed in the space"
		if n.disk.kind == "" {
			reason = "new"
			if len(n.had) > 0 {
				reason = "missing"
			}
		}
		x.tell(exportOp(want), n.name, reason)
		x.count(want)
	case actTouch:
		x.tell("chmod", n.name, "changed in the space")
	case actRemove:
		x.tell("remove", n.name, "gone from the space")
		x.result.Removed++
	case actLeave:
		x.result.Left++
		x.result.Notices = append(x.result.Notices, n.name+": edited since it was exported; left alone")
		x.tell("leave", n.name, "edited since it was exported")
	case actEdited:
		x.result.Left++
		x.fail(n.name, errors.New("it changed in the space, and was edited here since it was exported; left alone. Import the edit, or remove the file"))
	case actForeign:
		x.fail(n.name, errors.New("something that the export did not write is in the way"))
	}
}

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
	disk := newDisk(x.root, &reach{root: x.root})
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
			do(n, func() error { return disk.mkdir(n.name, e.Mode) })
			dirs[n.name] = true
		case n.act == actWrite:
			do(n, func() error { return x.putInPlace(staged, n) })
		case n.act == actTouch:
			do(n, func() error { return x.touchExported(e) })
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

// stage writes every content that is to come; the result says where.
func (x *exporter) stage(p *exportPlan, todo []*exportName) (map[*exportName]string, error) {
	part := &exportPlan{}
	staged := map[*exportName]string{}
	index := map[int]*exportName{}
	for _, n := range todo {
		if n.act != actWrite || p.entries[n.want].Kind == manifest.Directory {
			continue
		}
		e := p.entries[n.want]
		e.Name = stagedDir + "/" + strconv.Itoa(len(part.entries))
		index[len(part.entries)] = n
		staged[n] = e.Name
		part.entries, part.sources = append(part.entries, e), append(part.sources, p.sources[n.want])
	}
	w := newTreeWriter(part, x.root)
	x.options.Reporter.Tell(Event{Event: Progress, Phase: "export", Total: len(part.entries)})
	if err := x.writeFiles(w); err != nil {
		return nil, x.nothingDone(err)
	}
	for i, err := range w.failed {
		n := index[i]
		n.act, n.failed = actNothing, true
		x.fail(n.name, err)
	}
	return staged, nil
}

func (x *exporter) stageManifest(m *manifest.Manifest) error {
	if err := x.root.Remove(nextManifest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeManifest(x.root, nextManifest, m)
}

func (x *exporter) replaceManifest(m *manifest.Manifest) error {
	if err := x.stageManifest(m); err != nil {
		return err
	}
	if err := syncFile(x.root, nextManifest); err != nil {
		return err
	}
	return x.publish()
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
