package materialize

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// mv renames on one side, making the directories it needs, if there is something
// to rename and nothing in its way.
func (p *pair) mv(space bool, from, to string) {
	p.Helper()
	if !space {
		source, target := filepath.Join(p.dir, from), filepath.Join(p.dir, to)
		_, missing := os.Lstat(source)
		_, free := os.Lstat(target)
		if missing == nil && os.IsNotExist(free) && !strings.HasPrefix(to, from+"/") && os.MkdirAll(filepath.Dir(target), 0o755) == nil {
			p.ok(os.Rename(source, target))
		}
		return
	}
	_, missing := p.tree.Resolve(from)
	_, free := p.tree.Resolve(to)
	for dir, _ := splitPath(to); dir != ""; dir, _ = splitPath(dir) {
		if a, err := p.tree.Resolve(dir); err == nil && !a.IsDir() {
			return
		}
	}
	if dir, _ := splitPath(to); dir != "" && missing == nil {
		if _, err := p.tree.Resolve(dir); err != nil {
			p.inSpace(dir, "/")
		}
	}
	if missing == nil && free == spacedb.ErrNotFound && !strings.HasPrefix(to, from+"/") {
		_, err := p.tree.MoveAt(from, spacedb.Guard{}, to)
		p.ok(err)
	}
}

func (p *pair) inode(path string) uint64 {
	p.Helper()
	info, err := os.Lstat(filepath.Join(p.dir, path))
	p.ok(err)
	_, inode := changeTime(info)
	return inode
}

func (p *pair) revisions(path string) int {
	p.Helper()
	list, err := p.store.History(path)
	p.ok(err)
	return len(list)
}

func TestMovesTravelAsMoves(t *testing.T) {
	for _, space := range []bool{true, false} {
		t.Run(map[bool]string{true: "made in the space", false: "made in the mirror"}[space], func(t *testing.T) {
			p := newPair(t)
			for i := range 20 {
				p.inSpace(fmt.Sprint("d/f", i), fmt.Sprint("text ", i))
			}
			p.inSpace("a", "text of a")
			p.inSpace("e/x", "text of x")
			p.inSpace("e/y", "text of y")
			p.sync(SyncOptions{})
			p.inSpace("a", "second text of a")
			p.sync(SyncOptions{})
			p.sync(SyncOptions{}) // what was fresh is trusted now
			a, f0 := p.inode("a"), p.inode("d/f0")

			p.mv(space, "a", "new/deep/a")
			p.mv(space, "d", "n")
			p.mv(space, "e", "n/e")
			p.change(space, "n/e/x", "edited and moved")
			p.change(!space, "d/f1", "edited there meanwhile")
			p.change(!space, "d/more", "made there meanwhile")

			r, err := Sync(context.Background(), p.store, p.dir, SyncOptions{}) // no guard stops it
			p.ok(err)
			if len(r.Failed) > 0 || len(r.Plan.Conflicts) > 0 {
				t.Errorf("failed %v, conflicts %v", r.Failed, r.Plan.Conflicts)
			}
			moves := 0
			for _, a := range r.Plan.Actions {
				if a.Op == conflict.Move {
					moves++
				}
			}
			if moves != 3 {
				t.Errorf("%d moves in %+v", moves, r.Plan.Actions)
			}
			p.agree()
			for _, want := range []string{"new/deep/a=second text of a 644", "n/f0=text 0 644", "n/f1=edited there meanwhile 644", "n/more=made there meanwhile 644", "n/e/x=edited and moved 644"} {
				if !strings.Contains(p.spaceTree(), want) {
					t.Errorf("no %q in\n%s", want, p.spaceTree())
				}
			}
			if p.inode("new/deep/a") != a || p.inode("n/f0") != f0 {
				t.Error("the mirror's files are other files now")
			}
			if n := p.revisions("new/deep/a"); n != 2 {
				t.Errorf("%d revisions followed a", n)
			}
			if n := p.revisions("n/f1"); n != 2 {
				t.Errorf("%d revisions of what was edited there meanwhile", n)
			}
			if r := p.sync(SyncOptions{}); len(r.Plan.Actions) != 0 {
				t.Errorf("another sync does %+v", r.Plan.Actions)
			}
			undone := p.undo(r.Run)
			if len(undone.Failed) > 0 {
				t.Errorf("undo left %v", undone.Failed)
			}
		})
	}
}

// The number of a removed file's inode is soon given to a new one, which is not
// that file.
func TestANewFileWithAnOldInodeIsNoMove(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "text of a")
	p.sync(SyncOptions{})
	p.sync(SyncOptions{})
	was := p.inode("a")
	p.inMirror("a", "")
	for i := range 100 {
		name := fmt.Sprint("b", i)
		p.inMirror(name, "text of another")
		if p.inode(name) == was {
			p.sync(SyncOptions{})
			p.agree()
			if n := p.revisions(name); n != 1 {
				t.Errorf("it has %d revisions", n)
			}
			return
		}
	}
	t.Skip("this filesystem does not use a number again at once")
}

type otherFilesystem struct{ disk }

func (otherFilesystem) move(from, _ string, _ bool) error {
	return &os.LinkError{Op: "rename", Old: from, Err: syscall.EXDEV}
}

func TestWhatCannotBeMovedIsCopied(t *testing.T) {
	p := newPair(t)
	p.inSpace("d/a", "text of a")
	p.sync(SyncOptions{})
	p.mv(true, "d", "n")
	p.sync(SyncOptions{wrap: func(d disk) disk { return otherFilesystem{d} }})
	p.agree()
	if !strings.Contains(p.mirrorTree(), "n/a=text of a") {
		t.Errorf("the mirror holds\n%s", p.mirrorTree())
	}
}

// Two people: one moves a note, the other edits it and so does the first.
func TestATextThatWasMovedIsMerged(t *testing.T) {
	for _, space := range []bool{true, false} {
		p := newPair(t)
		p.inSpace("n.md", "one\ntwo\nthree\n")
		p.sync(SyncOptions{})
		p.mv(space, "n.md", "notes/n.md")
		if space {
			a, err := p.tree.Resolve("notes/n.md")
			p.ok(err)
			_, err = p.tree.WriteAt(a.ID, []byte("ONE"), 0)
			p.ok(err)
			p.inMirror("n.md", "one\ntwo\nTHREE\n")
		} else {
			p.inMirror("notes/n.md", "one\ntwo\nthree\nfour\n")
			p.ok(os.Remove(filepath.Join(p.dir, "notes/n.md")))
			p.inMirror("notes/n.md", "one\ntwo\nthree\n")
			p.inSpace("n.md", "ONE\ntwo\nTHREE\n")
		}
		p.sync(SyncOptions{})
		p.agree()
		if want := "notes/ 755\nnotes/n.md=ONE\ntwo\nTHREE\n 644"; p.spaceTree() != sorted(want) {
			t.Errorf("the tree is\n%s", p.spaceTree())
		}
	}
}
