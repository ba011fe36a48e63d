package materialize

import (
	"context"
	"io"
	"sync"

	"spacefs/conflict"
)

// readAheadOf reads, on a goroutine of its own, what the next actions of a plan
// bring to the mirror, while the files before are made. It does so for a stretch
// of actions during which nobody else asks the snapshot.
type readAheadOf struct {
	contents chan aheadContent
	end      int // the index of the action after the stretch
	free     sync.Pool
}

type aheadContent struct {
	path string
	data *[]byte
	err  error
}

const (
	aheadFiles = 32        // that are held in memory
	aheadLimit = 256 << 10 // a larger file is copied as it is read
	aheadLeast = 8         // actions, for less it is not worth it
)

// readAhead begins a stretch at actions[from], nil when there is none, and tells
// where it is worth while to ask again.
func (x *executor) readAhead(actions []conflict.Action, from int) (*readAheadOf, int) {
	end := from
	for end < len(actions) && x.isPlainCopy(actions[end]) {
		end++
	}
	if end-from < aheadLeast {
		return nil, end + 1
	}
	r := &readAheadOf{contents: make(chan aheadContent, aheadFiles), end: end}
	r.free.New = func() any { return new([]byte) }
	go func() {
		defer close(r.contents)
		for _, a := range actions[from:end] {
			if a.Op != conflict.Write {
				continue
			}
			if x.ctx.Err() != nil {
				return
			}
			c := aheadContent{path: a.Path, data: r.free.Get().(*[]byte)}
			c.err = x.readWhole(a.Path, c.data)
			r.contents <- c
		}
	}()
	return r, end
}

// goAhead is called before each action.
func (x *executor) goAhead(actions []conflict.Action, at int) {
	if x.ahead != nil && at == x.ahead.end {
		x.stopAhead()
	}
	if x.ahead == nil && at >= x.aheadNext {
		x.ahead, x.aheadNext = x.readAhead(actions, at)
	}
}

func (x *executor) stopAhead() {
	if x.ahead != nil {
		x.ahead.finish()
		x.ahead = nil
	}
}

// isPlainCopy says whether an action asks no more of the snapshot than a content
// that can be read ahead.
func (x *executor) isPlainCopy(a conflict.Action) bool {
	if a.Side != conflict.Mirror || a.Content != conflict.OtherSide {
		return false
	}
	switch a.Op {
	case conflict.Mkdir, conflict.Link, conflict.Chmod, conflict.Remove:
		return true
	case conflict.Write:
		_, known := x.space[a.Path]
		return known && a.Want.Size <= aheadLimit
	}
	return false
}

func (x *executor) readWhole(path string, into *[]byte) error {
	it := x.space[path]
	content, err := x.snapshot.Content(it.Ref())
	if err != nil {
		return err
	}
	if size := int(it.Attr.Size); cap(*into) < size {
		*into = make([]byte, size)
	} else {
		*into = (*into)[:size]
	}
	_, err = io.ReadFull(content, *into)
	return err
}

// of returns the content of a path; what was read for paths before it, that were
// passed over, is dropped.
func (r *readAheadOf) of(path string) (data *[]byte, err error) {
	for c := range r.contents {
		if c.path == path {
			return c.data, c.err
		}
		r.done(c.data)
	}
	return nil, context.Canceled // it was told to stop
}

// done says that a content is not needed any more.
func (r *readAheadOf) done(data *[]byte) { r.free.Put(data) }

// finish waits until the snapshot is free again.
func (r *readAheadOf) finish() {
	for range r.contents {
	}
}
