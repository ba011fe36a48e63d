package materialize

import (
	"bytes"
	"context"
	"sync"

	"spacefs/conflict"
)

// readAheadOf reads, on a goroutine of its own, what the next actions of a plan
// bring to the mirror, while the files before are made. It does so for a stretch
// of actions during which nobody else asks the snapshot.
type readAheadOf struct {
	parcels chan *parcel
	end     int     // the index of the action after the stretch
	at      *parcel // from which contents are taken
	free    sync.Pool
}

// parcel is several small contents that travel together: to hand on each by
// itself costs about what it does to write it.
type parcel struct {
	contents []contentAhead // not asked for yet
	files    []toMake       // of those that were, to be made
	room     []byte         // that the contents are in
}

type contentAhead struct {
	path string
	data []byte
	err  error
}

// toMake is a file to be staged, and its content.
type toMake struct {
	*stagedFile
	content []byte
}

const (
	parcelFiles = 32
	parcelBytes = 256 << 10
	aheadLimit  = 256 << 10 // a larger file is copied as it is read
	aheadLeast  = 8         // actions, for less it is not worth it
)

// readAhead begins a stretch at actions[from], nil when there is none, and tells
// where it is worth while to ask again.
func (x *executor) readAhead(actions []conflict.Action, from int) (*readAheadOf, int) {
	end := from
	for end < len(actions) && x.isPlainCopy(actions[end]) && !(end > from && followsWrite(actions, end)) {
		end++
	}
	if end-from < aheadLeast {
		return nil, end + 1
	}
	r := &readAheadOf{parcels: make(chan *parcel, 1), end: end, at: &parcel{}}
	r.free.New = func() any { return &parcel{room: make([]byte, 0, parcelBytes+aheadLimit)} }
	go x.fill(r, actions[from:end])
	return r, end
}

// followsWrite: of an action at the path of a write before it, it must be known
// how that went.
func followsWrite(actions []conflict.Action, at int) bool {
	return actions[at-1].Op == conflict.Write && actions[at-1].Path == actions[at].Path
}

func (x *executor) fill(r *readAheadOf, actions []conflict.Action) {
	defer close(r.parcels)
	p := r.empty()
	for i := range actions {
		a := &actions[i]
		if a.Op != conflict.Write {
			continue
		}
		if x.ctx.Err() != nil {
			return
		}
		p.contents = append(p.contents, x.readWhole(a.Path, p))
		if len(p.contents) == parcelFiles || len(p.room) >= parcelBytes {
			r.parcels <- p
			p = r.empty()
		}
	}
	if len(p.contents) > 0 {
		r.parcels <- p
	}
}

func (r *readAheadOf) empty() *parcel {
	p := r.free.Get().(*parcel)
	p.contents, p.files, p.room = make([]contentAhead, 0, parcelFiles), make([]toMake, 0, parcelFiles), p.room[:0]
	return p
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

// stopAhead ends a stretch: the snapshot is free again, and of each file it is
// known how it went.
func (x *executor) stopAhead() {
	if x.ahead == nil {
		return
	}
	x.handOver()
	for range x.ahead.parcels {
	}
	x.ahead = nil
	x.gather()
}

// isPlainCopy says whether an action asks no more of the snapshot than a content
// that can be read ahead, and may be done beside the making of files.
func (x *executor) isPlainCopy(a conflict.Action) bool {
	if a.Side != conflict.Mirror || a.Content != conflict.OtherSide {
		return false
	}
	switch a.Op {
	case conflict.Mkdir, conflict.Link, conflict.Remove:
		return true
	case conflict.Chmod:
		return a.Want.Kind == conflict.File // a directory's may forbid making files in it
	case conflict.Write:
		_, known := x.space[a.Path]
		return known && a.Want.Size <= aheadLimit
	}
	return false
}

// readWhole adds a document to a parcel, in which there is room for it.
func (x *executor) readWhole(path string, p *parcel) contentAhead {
	it := x.space[path]
	c := contentAhead{path: path}
	from := len(p.room)
	p.room = p.room[:from+int(it.Attr.Size)]
	c.data = p.room[from:]
	c.err = x.snapshot.ReadContent(it.Ref(), c.data)
	return c
}

// next returns the content of a path; what was read for paths before it, that
// were passed over, is dropped.
func (x *executor) next(path string) ([]byte, error) {
	for {
		if len(x.ahead.at.contents) == 0 {
			x.handOver()
			p, more := <-x.ahead.parcels
			if !more {
				return nil, context.Canceled // it was told to stop
			}
			x.ahead.at = p
			continue
		}
		c := x.ahead.at.contents[0]
		x.ahead.at.contents = x.ahead.at.contents[1:]
		if c.path == path {
			return c.data, c.err
		}
	}
}

// handOver gives the crew those files to make whose contents have come so far.
func (x *executor) handOver() {
	r, p := x.ahead, x.ahead.at
	files := p.files
	if len(files) == 0 {
		return
	}
	p.files = nil
	last := len(p.contents) == 0
	if last {
		r.at = &parcel{} // and this one is theirs
	}
	x.crew.do(func(m member) {
		for _, f := range files {
			x.make(m.disk, f.stagedFile, bytes.NewReader(f.content))
		}
		if last { // what it had before was waited for, see gather
			r.free.Put(p)
		}
	})
}
