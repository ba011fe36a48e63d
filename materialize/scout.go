package materialize

import (
	"context"
	"slices"
	"strings"
)

// A scout goes before a walk: it opens and lists the directories that the walk
// comes to next, on goroutines of its own, so that other processors help where
// there is most to do.
type scout struct {
	found [scouts]chan []scouted // by turns
	turn  int
	held  []scouted // received, and not asked for yet
	stop  context.CancelFunc
}

type scouted struct {
	path string
	directory
	listing
}

// listing is what a directory holds, in byte order of names.
type listing struct {
	entries []listed
	err     error
}

const (
	scouts     = 2 // goroutines
	scoutAhead = 8 // directories that each finds before it tells, once or twice
	scoutLeast = 8 // that a directory must hold to be worth one
)

func (w *walk) listing(path string, d directory) (l listing) {
	if w.hooks.enter != nil {
		w.hooks.enter(path, d)
	}
	l.entries, l.err = d.list()
	slices.SortFunc(l.entries, func(a, b listed) int { return strings.Compare(a.name, b.name) })
	return l
}

// scout sends one out into what a directory holds; nil if it is not worth it.
// The directory stays open until its end.
func (w *walk) scout(ctx context.Context, path string, parent directory, steps []step) *scout {
	var names []string
	for _, s := range steps {
		if s.descend {
			names = append(names, s.name)
		}
	}
	if len(names) < scoutLeast {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	s := &scout{stop: stop}
	for i := range s.found {
		s.found[i] = make(chan []scouted, 1)
		go w.goAhead(ctx, path, parent, names[min(i*scoutAhead, len(names)):], s.found[i])
	}
	return s
}

// goAhead is what one of the scouts does: of each round it takes the first
// directories.
func (w *walk) goAhead(ctx context.Context, path string, parent directory, names []string, out chan<- []scouted) {
	defer close(out)
	for len(names) > 0 {
		ahead := names[:min(scoutAhead, len(names))]
		names = names[min(scouts*scoutAhead, len(names)):]
		found := make([]scouted, 0, len(ahead))
		for _, name := range ahead {
			d, err := parent.open(name)
			if err != nil {
				continue // the walk sees for itself
			}
			p := join(path, name)
			found = append(found, scouted{p, d, w.listing(p, d)})
		}
		select {
		case out <- found:
		case <-ctx.Done():
			closeAll(found)
			return
		}
	}
}

// next returns what was found of a directory, which is then the caller's to
// close. Directories are asked for in their order.
func (s *scout) next(path string) (f scouted, ok bool) {
	if s == nil {
		return f, false
	}
	for len(s.held) == 0 {
		if s.held, ok = <-s.found[s.turn]; !ok {
			return f, false
		}
		s.turn = (s.turn + 1) % scouts
	}
	if s.held[0].path != path {
		return f, false // it could not open this one
	}
	f, s.held = s.held[0], s.held[1:]
	return f, true
}

// end calls it back.
func (s *scout) end() {
	if s == nil {
		return
	}
	s.stop()
	closeAll(s.held)
	for _, found := range s.found {
		for rest := range found {
			closeAll(rest)
		}
	}
}

func closeAll(list []scouted) {
	for _, f := range list {
		f.close()
	}
}
