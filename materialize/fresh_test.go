package materialize

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"spacefs/conflict"
)

// peeking looks whether a directory is there when a file is made.
type peeking struct {
	disk
	dir        string
	made, seen *atomic.Int64
}

func (d peeking) create(path string, content io.Reader, as conflict.Entry, mtime int64) (stamp, []refused, error) {
	d.made.Add(1)
	if _, err := os.Lstat(d.dir); err == nil {
		d.seen.Add(1)
	}
	return d.disk.create(path, content, as, mtime)
}

func TestANewDirectoryComesToItsPlaceWhole(t *testing.T) {
	p := newPair(t)
	for i := range aheadLeast {
		p.inSpace(fmt.Sprintf("new/deep/%d", i), fmt.Sprint("text ", i))
	}
	p.inSpace("new/deep/link", "@0")
	var made, seen atomic.Int64
	p.sync(SyncOptions{wrap: func(d disk) disk { return peeking{d, filepath.Join(p.dir, "new"), &made, &seen} }})
	p.agree()
	if made.Load() != aheadLeast || seen.Load() != 0 {
		t.Errorf("%d files were made, of which %d while the directory was there", made.Load(), seen.Load())
	}
	p.quiet("after the first sync")
}

// What came to the place of a new directory meanwhile stays, and so does all that
// was to come with it.
func TestADirectoryThatSomebodyElseMadeMeanwhileIsJoined(t *testing.T) {
	p := newPair(t)
	for i := range aheadLeast {
		p.inSpace(fmt.Sprintf("new/%d", i), fmt.Sprint("text ", i))
	}
	p.inSpace("beside/0", "beside")
	var once atomic.Bool
	p.sync(SyncOptions{wrap: func(d disk) disk {
		return interrupting{d, func() {
			if once.CompareAndSwap(false, true) {
				p.inMirror("new/0", "somebody's")
			}
		}}
	}})
	p.agree()
	p.quiet("afterwards")
	p.inHistory("somebody's", "text 0", "text 7", "beside")
}

// interrupting has somebody else do something just before a content is durable.
type interrupting struct {
	disk
	do func()
}

func (d interrupting) syncFile(path string) error {
	d.do()
	return d.disk.syncFile(path)
}
