package materialize

import (
	"os"
	"sync"
)

// writeback makes everything that was written durable. It begins before it is
// asked, so that the disk works while files are still made, and little is left to
// wait for.
type writeback struct {
	root *os.Root
	// top is open since before the first write: so it is told of each that fails,
	// whoever else asks meanwhile.
	top *os.File

	mu      sync.Mutex // guards what follows, and the opening
	waiting int64      // bytes written since the last sync began
	early   chan error // of a sync that began by itself; nil: none
	failed  error      // of earlier ones
}

// writeAhead is how much may wait until the disk begins with it.
const writeAhead = 32 << 20

func (w *writeback) open() (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.top == nil {
		w.top, err = w.root.Open(".")
	}
	return err
}

// wrote is told of each file that was written.
func (w *writeback) wrote(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting += size
	if w.waiting < writeAhead || !syncsOneFilesystem {
		return
	}
	select {
	case err := <-w.early:
		w.settle(err)
	default:
		if w.early != nil {
			return
		}
	}
	w.waiting = 0
	w.early = make(chan error, 1)
	go func() { w.early <- syncFilesystem(w.top) }()
}

func (w *writeback) settle(err error) {
	w.early = nil
	if w.failed == nil {
		w.failed = err
	}
}

// sync returns when everything is durable, or something of it failed to be.
func (w *writeback) sync() error {
	if err := w.open(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.early != nil {
		w.settle(<-w.early)
	}
	w.waiting = 0
	err := syncFilesystem(w.top)
	if w.failed != nil {
		err, w.failed = w.failed, nil
	}
	return err
}

func (w *writeback) close() {
	if w.early != nil {
		<-w.early
	}
	if w.top != nil {
		w.top.Close()
	}
	w.top, w.early = nil, nil
}
