package materialize

import (
	"sync"
	"time"
)

// hints are what a watcher noticed in a mirror. They are only that: a sync looks
// at what they name, and when there were too many of them, at everything.
type hints struct {
	ready  chan struct{} // something is to be taken, or was lost
	always string        // why never everything is watched

	mu    sync.Mutex // a leaf
	paths map[string]hint
	lost  string // why everything must be looked at, once
	blind string // why not everything is watched
}

// hint is of one path.
type hint struct {
	deep bool      // what is below it may have changed too
	due  time.Time // when it may be looked at
}

// A file that is being written is looked at when it is closed, or when its
// writer pauses for so long: a log would otherwise never be synced. What was
// created may be a link to something; then nobody will close it.
const (
	writerPause  = 2 * time.Second
	creatorPause = 300 * time.Millisecond
)

func newHints() *hints {
	return &hints{ready: make(chan struct{}, 1), paths: map[string]hint{}}
}

func (h *hints) signal() {
	select {
	case h.ready <- struct{}{}:
	default:
	}
}

// put notes that something happened at a path, which is then left alone for a
// while.
func (h *hints) put(path string, deep bool, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paths[path] = hint{deep: deep || h.paths[path].deep, due: time.Now().Add(pause)}
	h.signal()
}

// touch notes a change that says nothing about who writes.
func (h *hints) touch(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.paths[path]; !known {
		h.paths[path] = hint{due: time.Now()}
	}
	h.signal()
}

// lose says that hints were lost.
func (h *hints) lose(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = why
	h.signal()
}

// missing says that not everything is watched.
func (h *hints) missing(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blind = why
}

func (h *hints) state() (lost, blind string, queued int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost, h.blind, len(h.paths)
}

// forget drops what is known: everything is about to be looked at, and watched.
func (h *hints) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paths, h.lost, h.blind = map[string]hint{}, "", h.always
}

// take returns what can be looked at now, and when more of it can: zero when
// there is no more.
func (h *hints) take() (paths map[string]bool, more time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	paths = map[string]bool{}
	for p, hint := range h.paths {
		if now.Before(hint.due) {
			if more.IsZero() || hint.due.Before(more) {
				more = hint.due
			}
			continue
		}
		paths[p] = hint.deep
		delete(h.paths, p)
	}
	return paths, more
}
