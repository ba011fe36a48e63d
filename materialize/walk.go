package materialize

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"spacefs/spacedb"
)

// A walk visits a directory tree on a goroutine of its own, in the byte order
// of paths, which is the order of the base: who compares the two needs neither
// of them in memory.
//
// Byte order is not the order of a plain descent: "a-b" comes after "a" and
// before "a/c". So a directory has two places among its siblings: its own, and
// as "a/", which stands for what it holds.
type walk struct {
	root  *os.Root
	hooks walkHooks
	sums  *spacedb.Glancing // nil: nobody asks how directories look
	out   chan []stretch
	batch []stretch
	many  int // entries in the batch
	stop  context.CancelFunc

	ahead []stretch // received and not yet taken
}

// walkHooks are called on the walk's goroutine, but for enter.
type walkHooks struct {
	// enter is called with each open directory before it is listed, on any
	// goroutine.
	enter func(path string, d directory)
	// list is called with what a directory holds, before any of it is judged. If
	// it fails, the directory could not be looked at.
	list func(path string, entries []listed) error
	// skip says that a name is nobody's business, nor what is below it.
	skip func(path string, e listed) bool
	// sums asks for the sum of how each directory looks, without what is skipped.
	sums bool
}

// A stretch is what a walk came by: entries of one directory with nothing
// between them; or, with err, a path that could not be looked at, nor what is
// below it.
type stretch struct {
	in      *visited
	entries []listed // in byte order
	after   string   // the name of the directory that was visited before it; "": it is the first
	before  string   // of the one that comes next; "": it is the last
	path    string   // with err
	err     error
}

// visited is a directory that was looked at.
type visited struct {
	path string
	sum  spacedb.GlanceSum // of what it holds; zero if nobody asked
	// same is for who compares it with the base.
	same bool
}

// found is one entry, or with err a path that could not be looked at.
type found struct {
	path string
	stat stamp
	err  error
}

// listed is an entry of a directory that is being read.
type listed struct {
	name string
	stat stamp
	err  error // of stat
}

const walkBatch = 256

// startWalk visits top, which is not the root, and everything below it; for "",
// everything below the root. Whoever starts it ends it.
func startWalk(ctx context.Context, root *os.Root, top string, hooks walkHooks) *walk {
	ctx, cancel := context.WithCancel(ctx)
	w := &walk{root: root, hooks: hooks, out: make(chan []stretch, 64), stop: cancel}
	if hooks.sums {
		w.sums = &spacedb.Glancing{}
	}
	go func() {
		defer close(w.out)
		if w.from(ctx, top) == nil {
			w.flush(ctx)
		}
	}()
	return w
}

// end waits until the walk does nothing any more.
func (w *walk) end() {
	w.stop()
	for range w.out {
	}
}

// next returns the next stretch, nil at the end.
func (w *walk) next() *stretch {
	if len(w.ahead) == 0 {
		w.ahead = <-w.out
	}
	if len(w.ahead) == 0 {
		return nil
	}
	return &w.ahead[0]
}

// pass goes on to the stretch after that.
func (w *walk) pass() { w.ahead = w.ahead[1:] }

// each calls fn for the entries one by one, or for what could not be looked at.
func (s *stretch) each(fn func(found) error) error {
	if s.err != nil {
		return fn(found{path: s.path, err: s.err})
	}
	for i := range s.entries {
		e := &s.entries[i]
		if err := fn(found{join(s.in.path, e.name), e.stat, e.err}); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) put(ctx context.Context, s stretch) error {
	w.batch = append(w.batch, s)
	if w.many += 1 + len(s.entries); w.many < walkBatch {
		return nil
	}
	return w.flush(ctx)
}

func (w *walk) failed(ctx context.Context, path string, err error) error {
	return w.put(ctx, stretch{path: path, err: err})
}

func (w *walk) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return ctx.Err()
	}
	select {
	case w.out <- w.batch:
		w.batch, w.many = make([]stretch, 0, len(w.batch)), 0
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *walk) from(ctx context.Context, top string) error {
	if top != "" {
		info, err := w.root.Lstat(top)
		switch {
		case isGone(err):
			return nil
		case err != nil:
			return w.failed(ctx, top, err)
		}
		dir, name := splitPath(top)
		it := stretch{in: &visited{path: dir}, entries: []listed{{name: name, stat: stampOf(info)}}}
		if err := w.put(ctx, it); err != nil || !info.IsDir() {
			return err
		}
	}
	d, err := openDirectory(w.root, top)
	if err != nil {
		if isGone(err) && top != "" {
			return nil
		}
		return w.failed(ctx, top, err)
	}
	defer d.close()
	return w.directory(ctx, top, d, w.listing(top, d))
}

func (w *walk) directory(ctx context.Context, path string, d directory, l listing) error {
	entries, err := l.entries, l.err
	if err == nil && w.hooks.list != nil {
		err = w.hooks.list(path, entries)
	}
	if err != nil {
		return w.failed(ctx, path, err)
	}
	kept, inner := entries[:0], 0
	for _, e := range entries {
		if w.hooks.skip(path, e) {
			continue
		}
		kept = append(kept, e)
		if e.isDir() {
			inner++
		}
	}
	in := &visited{path: path, sum: w.sum(kept)}
	if inner == 0 {
		return w.put(ctx, stretch{in: in, entries: kept})
	}
	return w.branch(ctx, in, d, kept, inner)
}

// sum is how a directory looks.
func (w *walk) sum(entries []listed) (sum spacedb.GlanceSum) {
	if w.sums == nil {
		return sum
	}
	for _, e := range entries {
		w.sums.Add(e.name, e.stat.mode, e.stat.size, e.stat.mtime, e.stat.ctime, e.stat.inode)
	}
	return w.sums.Sum()
}

// step is one of a directory's places in byte order.
type step struct {
	listed
	descend bool
}

// branch goes through a directory that holds others.
func (w *walk) branch(ctx context.Context, in *visited, d directory, entries []listed, inner int) (err error) {
	steps := make([]step, 0, len(entries)+inner)
	for _, e := range entries {
		steps = append(steps, step{e, false})
		if e.isDir() {
			steps = append(steps, step{e, true})
		}
	}
	slices.SortFunc(steps, compareSteps)
	scout := w.scout(ctx, in.path, d, steps)
	defer scout.end()
	rest := stretch{in: in, entries: entries[:0]} // the steps are a copy
	for _, s := range steps {
		if !s.descend {
			rest.entries = append(rest.entries, s.listed)
			continue
		}
		rest.before = s.name
		if err = w.put(ctx, rest); err == nil {
			err = w.descend(ctx, join(in.path, s.name), d, s.name, scout)
		}
		if err != nil {
			return err
		}
		rest = stretch{in: in, entries: rest.entries[len(rest.entries):], after: s.name}
	}
	return w.put(ctx, rest)
}

func (w *walk) descend(ctx context.Context, path string, parent directory, name string, s *scout) error {
	if found, ok := s.next(path); ok {
		defer found.close()
		return w.directory(ctx, path, found.directory, found.listing)
	}
	d, err := parent.open(name)
	if isGone(err) {
		return nil // it went while we looked
	}
	if err != nil {
		return w.failed(ctx, path, err)
	}
	defer d.close()
	return w.directory(ctx, path, d, w.listing(path, d))
}

// compareSteps orders by name, where what a directory holds counts as "name/".
func compareSteps(a, b step) int {
	n := min(len(a.name), len(b.name))
	if c := strings.Compare(a.name[:n], b.name[:n]); c != 0 {
		return c
	}
	return a.at(n) - b.at(n)
}

func (s step) at(i int) int {
	switch {
	case i < len(s.name):
		return int(s.name[i])
	case s.descend:
		return '/'
	}
	return -1
}

// isGone also says so of what is below something that is no directory any more.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func (s stamp) isDir() bool { return s.kind() == spacedb.TypeDir }

func (s stamp) kind() uint32 { return s.mode & spacedb.TypeMask }

func (s stamp) perm() uint32 { return s.mode & spacedb.PermMask }

func (e *listed) isDir() bool { return e.err == nil && e.stat.isDir() }
