package materialize

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// livePair is a space and a mirror that is kept in step.
type livePair struct {
	*pair
	live *Live
	mu   sync.Mutex
	done []SyncResult
	errs []error
}

func newLivePair(t *testing.T) *livePair {
	t.Helper()
	p := &livePair{pair: newPair(t)}
	p.start(SyncOptions{})
	return p
}

func (p *livePair) start(o SyncOptions) {
	p.live = NewLive(p.store, p.dir, LiveOptions{Sync: o, Quiet: 50 * time.Millisecond, Synced: func(r SyncResult, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done = append(p.done, r)
		if err != nil {
			p.errs = append(p.errs, err)
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.live.Run(ctx)
	}()
	p.Cleanup(func() {
		cancel()
		<-ended
	})
	p.until("it is live", func() bool { st := p.live.Status(); return !st.LastSync.IsZero() || st.State == LivePaused })
}

// inMirror and inSpace make one change of an edit: a document that is removed and
// made again is gone in between, and on a busy machine that is synced.
func (p *livePair) inMirror(path, text string) {
	p.Helper()
	if _, err := os.Lstat(filepath.Join(p.dir, path)); err != nil || text == "" {
		p.pair.inMirror(path, text)
		return
	}
	p.pair.inMirror(path+"~", text) // is junk
	p.ok(os.Rename(filepath.Join(p.dir, path+"~"), filepath.Join(p.dir, path)))
}

func (p *livePair) inSpace(path, text string) {
	p.Helper()
	a, err := p.tree.Resolve(path)
	if err != nil || text == "" {
		p.pair.inSpace(path, text)
		return
	}
	g := p.tree.Stage()
	_, err = io.WriteString(g, text)
	p.ok(err)
	_, err = p.tree.Place(path, spacedb.GuardOf(a), g, 0o644, time.Now().UnixNano())
	p.ok(err)
}

// rest waits until nothing waits any more.
func (p *livePair) rest() {
	p.Helper()
	p.until("nothing waits", func() bool { st := p.live.Status(); return st.Queue == 0 && st.LagMillis == 0 })
}

func (p *livePair) runs() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.done)
}

func TestLiveBothWaysAndNoEcho(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	var toMirror, toSpace []time.Duration
	for i := range 10 {
		text := fmt.Sprintf("version %d", i)
		p.inSpace("from/space", text)
		toMirror = append(toMirror, p.until("the mirror has it", p.mirrorHas("from/space", text)))
		p.inMirror("from/mirror", text)
		toSpace = append(toSpace, p.until("the space has it", p.spaceHas("from/mirror", text)))
	}
	slices.Sort(toMirror)
	slices.Sort(toSpace)
	t.Logf("to the mirror %v (median), %v (longest); to the space %v, %v", toMirror[5], toMirror[9], toSpace[5], toSpace[9])
	// What was written is noticed, looked at, and found to be known.
	p.rest()
	time.Sleep(5 * settle)
	log, err := p.store.History("from/mirror")
	p.ok(err)
	if runs := p.runs(); runs > 21 || len(log) != 10 {
		t.Errorf("20 edits made %d runs, and 10 of them %d revisions", runs, len(log))
	}
	p.agree()
}

func TestLiveDirectoriesComeGoAndMove(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	for i := range 30 {
		p.inMirror(fmt.Sprintf("a/b%d/c/file", i%5), fmt.Sprint("text ", i))
	}
	p.until("it came", p.spaceHas("a/b4/c/file", "text 29"))
	p.ok(os.Rename(filepath.Join(p.dir, "a"), filepath.Join(p.dir, "moved")))
	p.until("it moved", p.spaceHas("moved/b4/c/file", "text 29"))
	p.until("it went", p.spaceHas("a/b4/c/file", ""))
	p.inMirror("moved/b4/c/file", "after the move") // the watch has moved along
	p.until("the edit came", p.spaceHas("moved/b4/c/file", "after the move"))
	p.inSpace("moved/b3", "")
	p.until("it went from the mirror", p.mirrorHas("moved/b3/c/file", ""))
	p.ok(os.Symlink("b4/c/file", filepath.Join(p.dir, "moved", "link")))
	p.until("the link came", func() bool { a, err := p.tree.Resolve("moved/link"); return err == nil && a.IsSymlink() })
	p.rest()
	p.agree()
}

func TestLiveHalfWrittenFilesWait(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	const part = "one more part\n"
	// write says whether it paused for no longer than a writer may.
	write := func(name string) bool {
		f, err := os.Create(filepath.Join(p.dir, name))
		p.ok(err)
		defer f.Close()
		last, pause := time.Now(), creatorPause
		for range 8 { // more than the time for quiet, less than a pause
			_, err := io.WriteString(f, part)
			p.ok(err)
			if time.Since(last) >= pause {
				return false
			}
			last, pause = time.Now(), writerPause
			time.Sleep(settle)
			if _, err := p.tree.Resolve(name); err == nil {
				if time.Since(last) < pause {
					t.Fatal("half of it is in the space")
				}
				return false
			}
		}
		p.ok(f.Close())
		return time.Since(last) < pause
	}
	for try := range 20 { // a busy machine may hold us up
		name := fmt.Sprint("slow", try)
		if !write(name) {
			continue
		}
		p.until("it came whole", p.spaceHas(name, strings.Repeat(part, 8)))
		log, err := p.store.History(name)
		if err != nil || len(log) != 1 {
			t.Errorf("%d revisions, %v", len(log), err)
		}
		return
	}
	t.Error("this machine pauses all the time")
}

func TestLiveDocumentsThatAreOpenWait(t *testing.T) {
	t.Parallel()
	p := &livePair{pair: newPair(t)}
	var mu sync.Mutex
	writing := true
	p.store.SetBusy(func(spacedb.NodeID) bool {
		mu.Lock()
		defer mu.Unlock()
		return writing
	})
	p.start(SyncOptions{})
	a, err := p.tree.Mknod(spacedb.Root, "note", spacedb.TypeRegular|0o644, 0, spacedb.Cred{})
	p.ok(err)
	_, err = p.tree.WriteAt(a.ID, []byte("half"), 0)
	p.ok(err)
	runs := p.runs()
	p.inSpace("other", "at rest")
	p.until("a sync has been", func() bool { return p.runs() > runs && p.mirrorHas("other", "at rest")() })
	if !p.mirrorHas("note", "")() {
		t.Fatal("a document that is being written is in the mirror")
	}
	if st := p.live.Status(); st.Queue == 0 || st.LagMillis == 0 {
		t.Errorf("nothing seems to wait: %+v", st)
	}
	_, err = p.tree.WriteAt(a.ID, []byte("half and half"), 0)
	p.ok(err)
	mu.Lock()
	writing = false
	mu.Unlock()
	p.until("it came", p.mirrorHas("note", "half and half"))
	p.rest()
}

func TestLivePausesWhileTheMirrorIsAway(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	p.inMirror("a", "text")
	p.until("it came", p.spaceHas("a", "text"))
	away := p.dir + "-away"
	p.ok(os.Rename(p.dir, away))
	p.until("it pauses", func() bool { return p.live.Status().State == LivePaused })
	p.ok(os.Mkdir(p.dir, 0o755)) // what an unmounted disk leaves
	p.inSpace("b", "meanwhile")
	p.ok(os.WriteFile(filepath.Join(away, "c"), []byte("there"), 0o644))
	time.Sleep(2 * probeEvery)
	if st := p.live.Status(); st.State != LivePaused || st.Reason == "" || !p.spaceHas("a", "text")() {
		t.Errorf("it is %+v", st)
	}
	p.ok(os.Remove(p.dir))
	p.ok(os.Rename(away, p.dir))
	p.until("it goes on", p.mirrorHas("b", "meanwhile"))
	p.until("what happened there came", p.spaceHas("c", "there"))
	p.inMirror("a", "it is watched again")
	p.until("the edit came", p.spaceHas("a", "it is watched again"))
	p.rest()
	p.agree()
}

func TestLiveDeletionsBitByBitAreStopped(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	for i := range 40 {
		p.inMirror(fmt.Sprintf("f%02d", i), fmt.Sprint("text ", i))
	}
	p.until("they came", p.spaceHas("f39", "text 39"))
	p.rest()
	for i := range 40 {
		p.inMirror(fmt.Sprintf("f%02d", i), "")
		if i%4 == 3 {
			time.Sleep(2 * settle)
		}
	}
	p.until("it pauses", func() bool { return p.live.Status().State == LivePaused })
	left := 0
	for i := range 40 {
		if p.spaceHas(fmt.Sprintf("f%02d", i), fmt.Sprint("text ", i))() {
			left++
		}
	}
	if left < 25 {
		t.Errorf("%d of 40 are left", left)
	}
	p.sync(SyncOptions{}) // accepts them
	p.until("it goes on", func() bool { return p.live.Status().State == LiveOn })
}

func TestLiveLostHintsAreMadeUpFor(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	p.live.watch.close() // nothing is told from here on
	p.inMirror("unseen", "text")
	p.live.watch.lose("the test says so")
	p.until("it came", p.spaceHas("unseen", "text"))
}

func TestLiveWithoutWatchesLooksAgainAndSaysSo(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	p.live.watch.close()
	p.live.watch.always = "the test says so"
	p.live.watch.lose("the test says so")
	p.until("it is told", func() bool { return p.live.Status().State == LiveDegraded })
	p.inMirror("unseen", "text")
	p.until("it came", p.spaceHas("unseen", "text"))
}

func TestLiveConflictsThatAreLeftMakeNoRuns(t *testing.T) {
	t.Parallel()
	p := &livePair{pair: newPair(t)}
	p.inSpace("a", "S")
	p.inMirror("a", "M")
	p.start(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Manual}}})
	runs := p.runs()
	for i := range 3 {
		text := fmt.Sprint("text ", i)
		p.inMirror("b", text)
		p.until("it came", p.spaceHas("b", text))
	}
	p.rest()
	if now := p.runs(); now > runs+3 {
		t.Errorf("%d runs for three edits", now-runs)
	}
	open, err := p.store.Conflicts(true)
	if err != nil || len(open) != 1 {
		t.Errorf("%d conflicts, %v", len(open), err)
	}
	p.inSpace("a", "M") // resolved by hand
	p.until("it is resolved", func() bool { open, err := p.store.Conflicts(true); return err == nil && len(open) == 0 })
}

func TestTwoLiveMirrorsOfOneSpace(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	other := &livePair{pair: &pair{t, p.store, p.tree, t.TempDir()}}
	other.start(SyncOptions{})
	p.inMirror("a", "from one")
	p.until("the other has it", other.mirrorHas("a", "from one"))
	other.inMirror("a", "from the other")
	p.until("one has it", p.mirrorHas("a", "from the other"))
	p.inSpace("a", "")
	p.until("both lost it", func() bool { return p.mirrorHas("a", "")() && other.mirrorHas("a", "")() })
	p.rest()
	other.rest()
}

func TestLivePatternsTakeEffect(t *testing.T) {
	t.Parallel()
	p := newLivePair(t)
	p.inMirror(".spacefsignore", "*.log\n")
	p.until("the patterns came", p.spaceHas(".spacefsignore", "*.log\n"))
	p.inMirror("a.log", "text")
	p.inMirror("a", "text")
	p.until("it came", p.spaceHas("a", "text"))
	p.rest()
	if !p.spaceHas("a.log", "")() {
		t.Error("what is ignored came")
	}
	p.inSpace(".spacefsignore", "# nothing\n")
	p.until("what was ignored came", p.spaceHas("a.log", "text"))
	p.rest()
	p.agree()
}

// An attribute that is set on one side is on the other within a moment, and
// nothing goes back and forth.
func TestLiveAttributes(t *testing.T) {
	t.Parallel()
	p := &livePair{pair: newPair(t)}
	p.inSpace("a", "a")
	p.inSpace("d", "/")
	p.start(withMetadata())
	has := func(space bool, path, value string) func() bool {
		return func() bool {
			if !space {
				got, ok := p.attributesInMirror(path).Get("user.tag")
				return ok && got == value
			}
			a, err := p.tree.Resolve(path)
			p.ok(err)
			got, err := p.tree.GetXattr(a.ID, "user.tag")
			return err == nil && string(got) == value
		}
	}
	for i, path := range []string{"a", "d", "a", "d"} {
		fromSpace, fromMirror := fmt.Sprint("space ", i), fmt.Sprint("mirror ", i)
		p.attribute(true, path, "user.tag", fromSpace)
		p.until("the mirror has it", has(false, path, fromSpace))
		p.attribute(false, path, "user.tag", fromMirror)
		p.until("the space has it", has(true, path, fromMirror))
	}
	p.rest()
	p.agree()
	if runs := p.runs(); runs > 9 {
		t.Errorf("8 changes made %d runs", runs)
	}
}
