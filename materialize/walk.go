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
	out   chan []found
	batch []found
	stop  context.CancelFunc

	ahead []found // received and not yet taken
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
}

// found is what a walk came by: an entry, or with err a path that could not be
// looked at, nor what is below it.
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

// key is where it stands in byte order; a directory that cannot be listed stands
// for what is in it.
func (f *found) key() string {
	if f.err != nil {
		return f.path + "/"
	}
	return f.path
}

const walkBatch = 256

// startWalk visits top, which is not the root, and everything below it; for "",
// everything below the root. Whoever starts it ends it.
func startWalk(ctx context.Context, root *os.Root, top string, hooks walkHooks) *walk {
	ctx, cancel := context.WithCancel(ctx)
	w := &walk{root: root, hooks: hooks, out: make(chan []found, 64), stop: cancel}
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

// peek returns what comes next; nil at the end.
func (w *walk) peek() *found {
	if len(w.ahead) == 0 {
		w.ahead = <-w.out
	}
	if len(w.ahead) == 0 {
		return nil
	}
	return &w.ahead[0]
}

func (w *walk) take() { w.ahead = w.ahead[1:] }

func (w *walk) put(ctx context.Context, f found) error {
	w.batch = append(w.batch, f)
	if len(w.batch) < walkBatch {
		return nil
	}
	return w.flush(ctx)
}

func (w *walk) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return ctx.Err()
	}
	select {
	case w.out <- w.batch:
		w.batch = make([]found, 0, walkBatch)
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
			return w.put(ctx, found{path: top, err: err})
		}
		if err := w.put(ctx, found{path: top, stat: stampOf(info)}); err != nil || !info.IsDir() {
			return err
		}
	}
	d, err := openDirectory(w.root, top)
	if err != nil {
		if isGone(err) && top != "" {
			return nil
		}
		return w.put(ctx, found{path: top, err: err})
	}
	defer d.close()
	return w.directory(ctx, top, d, w.listing(top, d))
}

// step is one of a directory's places in byte order.
type step struct {
	listed
	descend bool
}

func (w *walk) directory(ctx context.Context, path string, d directory, l listing) error {
	entries, err := l.entries, l.err
	if err == nil && w.hooks.list != nil {
		err = w.hooks.list(path, entries)
	}
	if err != nil {
		return w.put(ctx, found{path: path, err: err})
	}
	steps := make([]step, 0, len(entries)+4)
	for _, e := range entries {
		if w.hooks.skip(path, e) {
			continue
		}
		steps = append(steps, step{e, false})
		if e.err == nil && e.stat.isDir() {
			steps = append(steps, step{e, true})
		}
	}
	slices.SortFunc(steps, compareSteps)
	scout := w.scout(ctx, path, d, steps)
	defer scout.end()
	for _, s := range steps {
		p := join(path, s.name)
		if s.descend {
			err = w.descend(ctx, p, d, s.name, scout)
		} else {
			err = w.put(ctx, found{p, s.stat, s.err})
		}
		if err != nil {
			return err
		}
	}
	return nil
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
		return w.put(ctx, found{path: path, err: err})
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
