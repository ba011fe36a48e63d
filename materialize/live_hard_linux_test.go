package materialize

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// did counts how often the follower did something.
func (p *livePair) did(op conflict.Op) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.done {
		for _, a := range r.Plan.Actions {
			if a.Op == op {
				n++
			}
		}
	}
	return n
}

// What moves on one side moves on the other: the same file there, the same
// document here, with its history.
func TestLiveMovesTravelAsMoves(t *testing.T) {
	t.Parallel()
	for _, space := range []bool{true, false} {
		t.Run(map[bool]string{true: "made in the space", false: "made in the mirror"}[space], func(t *testing.T) {
			t.Parallel()
			p := newLivePair(t)
			p.inMirror("a", "one")
			for i := range 20 {
				p.inMirror(fmt.Sprint("d/f", i), fmt.Sprint("text ", i))
			}
			p.until("it came", p.spaceHas("a", "one"))
			p.until("they came", p.spaceHas("d/f19", "text 19"))
			p.inMirror("a", "two")
			p.until("the edit came", p.spaceHas("a", "two"))
			p.rest()
			node := func(path string) spacedb.NodeID {
				a, err := p.tree.Resolve(path)
				p.ok(err)
				return a.ID
			}
			file, inode, below, inodeBelow := node("a"), p.inode("a"), node("d/f7"), p.inode("d/f7")
			removals := p.did(conflict.Remove)

			p.mv(space, "a", "b")
			p.mv(space, "d", "n")
			for _, has := range []func(string, string) func() bool{p.spaceHas, p.mirrorHas} {
				p.until("the file moved", has("b", "two"))
				p.until("it left", has("a", ""))
				p.until("the directory moved", has("n/f19", "text 19"))
				p.until("it left, too", has("d/f19", ""))
			}
			p.rest()
			if node("b") != file || node("n/f7") != below || p.inode("b") != inode || p.inode("n/f7") != inodeBelow {
				t.Error("something was made anew instead of moved")
			}
			if moves, gone := p.did(conflict.Move), p.did(conflict.Remove)-removals; moves != 2 || gone != 0 {
				t.Errorf("%d moves, %d deletions", moves, gone)
			}
			if n := p.revisions("b"); n != 2 {
				t.Errorf("%d revisions followed", n)
			}
			// And both are followed where they are now.
			p.inMirror("n/f7", "edited after the move")
			p.until("the edit came", p.spaceHas("n/f7", "edited after the move"))
			p.rest()
			p.agree()
		})
	}
}

// The machine's clock is set back and forth while a mirror is followed: what was
// changed a moment before goes on its way all the same.
func TestLiveWhileTheClockIsSet(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // of the real clock, ns
	p := &livePair{pair: newPairWith(t, spacedb.Options{
		Quiet: 2 * time.Second, Delay: 10 * time.Millisecond,
		Now: func() time.Time { return time.Now().Round(0).Add(time.Duration(ahead.Load())) },
	})}
	p.start(SyncOptions{})
	note, err := p.tree.Mknod(spacedb.Root, "note", spacedb.TypeRegular|0o644, 0, spacedb.Cred{})
	p.ok(err)
	for i, to := range []time.Duration{-time.Hour, 0, 48 * time.Hour, -24 * 365 * time.Hour, time.Minute} {
		text := fmt.Sprintf("text %d", i)
		_, err = p.tree.WriteAt(note.ID, []byte(text), 0) // and not at rest yet
		p.ok(err)
		p.inMirror("from/mirror", text)
		ahead.Store(int64(to))
		p.until("the mirror has it", p.mirrorHas("note", text))
		p.until("the space has it", p.spaceHas("from/mirror", text))
	}
	p.rest()
	p.agree()
	for _, path := range []string{"note", "from/mirror"} {
		if n := p.revisions(path); n != 5 {
			t.Errorf("five edits of %s have %d revisions", path, n)
		}
	}
}

// A clock that was set, a program that sets times: content that has the old size
// and any time at all is seen, followed or not.
func TestContentIsSeenWhateverItsTimeSays(t *testing.T) {
	t.Parallel()
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	// stamped puts a content of the same size there, with a time that says nothing.
	stamped := func(p *pair, text string, at time.Time, rename bool) {
		name := filepath.Join(p.dir, "a")
		if rename {
			name += "~" // is junk, and not synced
		}
		p.ok(os.WriteFile(name, []byte(text), 0o644))
		p.ok(os.Chtimes(name, at, at))
		if rename {
			p.ok(os.Rename(name, filepath.Join(p.dir, "a")))
		}
	}
	times := []time.Time{old, old.Add(-time.Hour), old.AddDate(60, 0, 0), old, old}
	follow := func(p *pair, has func(string)) {
		for i, at := range times {
			for _, rename := range []bool{false, true} {
				text := fmt.Sprintf("text %d %5v", i, rename)
				stamped(p, text, at, rename)
				has(text)
			}
		}
		p.agree()
		if n := p.revisions("a"); n != 2*len(times) {
			p.Errorf("%d revisions of %d edits", n, 2*len(times))
		}
	}
	t.Run("followed", func(t *testing.T) {
		t.Parallel()
		p := newLivePair(t)
		follow(p.pair, func(text string) {
			p.until("the edit came", p.spaceHas("a", text))
			p.rest()
		})
	})
	t.Run("synced", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		follow(p, func(text string) {
			p.sync(SyncOptions{})
			if !p.spaceHas("a", text)() {
				t.Errorf("the sync did not see %q", text)
			}
		})
	})
}

// The kernel keeps so many events, and drops what comes then.
func TestLiveEventsThatWereDroppedAreMadeUpFor(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	p.inMirror("a", "one")
	p.inMirror("b", "one")
	p.until("they came", p.spaceHas("b", "one"))
	p.rest()
	limit := 0
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	p.ok(err)
	if _, err := fmt.Sscan(string(text), &limit); err != nil || limit > 200_000 {
		t.Skipf("SKIPPED: the queue is too long: %s", text)
	}
	watch := p.live.watch
	watch.mu.Lock() // the watcher hears nothing for a while
	for i := range limit + 10_000 {
		p.ok(os.Chmod(filepath.Join(p.dir, string("ab"[i%2])), 0o644))
	}
	p.inMirror("unseen/deep", "made after the queue was full")
	watch.mu.Unlock()
	p.until("it came", p.spaceHas("unseen/deep", "made after the queue was full"))
	p.inMirror("unseen/deep", "and it is watched")
	p.until("the edit came", p.spaceHas("unseen/deep", "and it is watched"))
	p.rest()
	if st := p.live.Status(); st.State != LiveOn {
		t.Errorf("it is %+v", st)
	}
	p.agree()
}
