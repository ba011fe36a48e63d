package materialize

import (
	"context"
	"slices"
)

// A scout goes before a walk: it opens and lists the directories that the walk
// comes to next, on a goroutine of its own, so that a second processor helps
// where there is most to do.
type scout struct {
	found chan []scouted
	held  []scouted // received, and not asked for yet
	stop  context.CancelFunc
}

type scouted struct {
	path string
	directory
	listing
}

// listing is what a directory holds.
type listing struct {
	entries []listed
	err     error
}

const (
	scoutAhead = 8 // directories that it finds before it tells, once or twice
	scoutLeast = 8 // that a directory must hold to be worth one
)

func (w *walk) listing(path string, d directory) (l listing) {
	if w.hooks.enter != nil {
		w.hooks.enter(path, d)
	}
	l.entries, l.err = d.list()
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
	s := &scout{found: make(chan []scouted, 1), stop: stop}
	go func() {
		defer close(s.found)
		for ahead := range slices.Chunk(names, scoutAhead) {
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
			case s.found <- found:
			case <-ctx.Done():
				closeAll(found)
				return
			}
		}
	}()
	return s
}

// next returns what was found of a directory, which is then the caller's to
// close. Directories are asked for in their order.
func (s *scout) next(path string) (f scouted, ok bool) {
	if s == nil {
		return f, false
	}
	for len(s.held) == 0 {
		if s.held, ok = <-s.found; !ok {
			return f, false
		}
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
	for found := range s.found {
		closeAll(found)
	}
}

func closeAll(list []scouted) {
	for _, f := range list {
		f.close()
	}
}
