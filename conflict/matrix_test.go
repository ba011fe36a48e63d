package conflict

import (
	"fmt"
	"strings"
	"testing"
)

// The matrix: everything that can have happened to a path on either side, under
// every strategy and direction, against an oracle that knows only the design's
// table and works on whole states instead of trees.

// state is what a side holds at the path: "" nothing; "text" a file; "/" an empty
// directory; "/text" a directory that holds one file, c.
type state string

func (s state) isDir() bool { return strings.HasPrefix(string(s), "/") }

// put makes tree t hold a state at path p.
func (s state) put(t Tree, p string, mtime int64) {
	switch {
	case s == "":
	case s.isDir():
		t[p] = directory(mtime)
		if s != "/" {
			t[p+"/c"] = file(string(s[1:]), mtime)
		}
	default:
		t[p] = file(string(s), mtime)
	}
}

// histories are what can happen to a path, by what the base holds there. The
// last letter tells contents apart: two sides that end with the same did the
// same.
var histories = map[string]struct {
	base  state
	after map[string]state
}{
	"nothing": {"", map[string]state{
		"unchanged": "", "created": "new-1", "created otherwise": "new-2", "created as directory": "/new-1", "created as other directory": "/new-2", "created as empty directory": "/",
	}},
	"file": {"old", map[string]state{
		"unchanged": "old", "edited": "edit-1", "edited otherwise": "edit-2", "deleted": "", "file→dir": "/old", "file→other dir": "/new", "file→empty dir": "/",
	}},
	"directory": {"/old", map[string]state{
		"unchanged": "/old", "edited": "/edit-1", "edited otherwise": "/edit-2", "emptied": "/", "deleted": "", "dir→file": "old", "dir→other file": "new",
	}},
}

// question is one cell of the matrix.
type question struct {
	base, space, mirror state
	direction           Direction
	strategy            Strategy
	orphans             bool
	newer               Side
}

// answer is what both sides hold in the end, and what keep_both keeps beside it:
// by what follows the path in the copy's name.
type answer struct {
	space, mirror state
	copies        map[string]state
}

// inDirectory is the answer for a directory that holds c, of which it is.
func (a answer) inDirectory() answer {
	in := answer{"/" + a.space, "/" + a.mirror, map[string]state{}}
	for name, s := range a.copies {
		in.copies["/c"+name] = s
	}
	return in
}

// oracle is the design's section 7 in other words.
func (q question) oracle() answer {
	stay := answer{space: q.space, mirror: q.mirror}
	if q.space == q.mirror {
		return stay
	}
	if q.space.isDir() && q.mirror.isDir() {
		// Directories do not conflict; what is in them is decided for itself.
		in := q
		in.base, in.space, in.mirror = "", q.space[1:], q.mirror[1:]
		if q.base.isDir() {
			in.base = q.base[1:]
		}
		return in.oracle().inDirectory()
	}
	if q.base.isDir() && (q.space == "" || q.mirror == "") && (q.space + q.mirror).isDir() {
		return q.deletedDirectory()
	}
	source := map[Direction]state{SpaceToDirectory: q.space, DirectoryToSpace: q.mirror}[q.direction]
	var winner state
	var copies map[string]state
	switch spaceChanged, mirrorChanged := q.space != q.base, q.mirror != q.base; {
	case spaceChanged && mirrorChanged:
		won, ended := q.contest()
		if !ended {
			return stay
		}
		winner, copies = won, q.copies(won)
	case q.direction == Bidirectional && spaceChanged:
		winner = q.space
	case q.direction == Bidirectional:
		winner = q.mirror
	default:
		won, ended := q.oneWay(spaceChanged, source)
		if !ended {
			return stay
		}
		winner = won
	}
	if q.direction != Bidirectional && winner != source {
		return stay // the source is never written
	}
	return answer{winner, winner, copies}
}

// copies is what keep_both keeps of a contest.
func (q question) copies(won state) map[string]state {
	loser, side := q.space, "space"
	if won == q.space {
		loser, side = q.mirror, "mirror"
	}
	if q.strategy != KeepBoth || loser == "" || loser.isDir() {
		return nil
	}
	return map[string]state{" (conflict from " + side + " today)": loser}
}

// deletedDirectory: what is in it is decided for itself. The directory stays
// where that survives, and is otherwise the side's that deleted it, or the
// source's.
func (q question) deletedDirectory() answer {
	in := q
	in.base, in.space, in.mirror = q.base[1:], strip(q.space), strip(q.mirror)
	a := in.oracle()
	comesBack := q.direction == SpaceToDirectory && q.mirror == "" || q.direction == DirectoryToSpace && q.space == ""
	switch {
	case a.space != a.mirror:
		return answer{space: q.space, mirror: q.mirror}
	case a.space != "" || comesBack:
		return a.inDirectory()
	}
	return answer{}
}

func strip(s state) state {
	if s.isDir() {
		return s[1:]
	}
	return s
}

// oneWay: only one side changed.
func (q question) oneWay(spaceChanged bool, source state) (state, bool) {
	destination, sourceChanged := q.mirror, spaceChanged
	if q.direction == DirectoryToSpace {
		destination, sourceChanged = q.space, !spaceChanged
	}
	switch {
	case sourceChanged, destination == "":
		return source, true
	case source == "":
		return source, q.orphans
	}
	return q.contest()
}

func (q question) contest() (state, bool) {
	switch q.strategy {
	case SpaceWins:
		return q.space, true
	case DirectoryWins:
		return q.mirror, true
	case Merge:
		isFile := func(s state) bool { return s != "" && !s.isDir() }
		return "merged", q.direction == Bidirectional && isFile(q.base) && isFile(q.space) && isFile(q.mirror)
	case KeepBoth, NewerWins:
		switch {
		case q.strategy == KeepBoth && q.direction != Bidirectional:
			return "", false
		case q.strategy == KeepBoth && q.space.isDir():
			return q.space, true
		case q.strategy == KeepBoth && q.mirror.isDir():
			return q.mirror, true
		case q.space == "" || q.mirror != "" && q.newer == Mirror:
			return q.mirror, true
		}
		return q.space, true
	}
	return "", false
}

func (q question) rules() Rules {
	return Rules{Direction: q.direction, Strategies: []Strategy{q.strategy}, DeleteOrphans: q.orphans, Stamp: "today",
		Merge: func(_ string, base, _, _ Entry) (Entry, bool) { return file("merged", 0), base.Kind == File },
	}
}

// trees are the question below dir, which may be "".
func (q question) trees(dir string) (b, s, m Tree, path string) {
	b, s, m, path = Tree{}, Tree{}, Tree{}, "p"
	for _, t := range []Tree{b, s, m} {
		t["beside"] = file("beside", 1)
		if dir != "" {
			t[dir] = directory(1)
			path = dir + "/p"
		}
	}
	spaceTime, mirrorTime := int64(20), int64(10)
	if q.newer == Mirror {
		mirrorTime = 30
	}
	q.base.put(b, path, 1)
	q.space.put(s, path, spaceTime)
	q.mirror.put(m, path, mirrorTime)
	return b, s, m, path
}

func TestMatrix(t *testing.T) {
	cells := 0
	for what, h := range histories {
		for spaceDid, space := range h.after {
			for mirrorDid, mirror := range h.after {
				t.Run(fmt.Sprintf("%s/space %s/mirror %s", what, spaceDid, mirrorDid), func(t *testing.T) {
					for _, q := range questions(h.base, space, mirror) {
						cells++
						q.ask(t, "")
						q.ask(t, "dir")
					}
				})
			}
		}
	}
	t.Logf("%d cells, each at the root and in a directory", cells)
}

func questions(base, space, mirror state) (all []question) {
	for direction := range directions {
		for strategy := range strategies {
			for _, orphans := range []bool{false, true} {
				for _, newer := range []Side{Space, Mirror} {
					if orphans && Direction(direction) == Bidirectional {
						continue
					}
					all = append(all, question{base, space, mirror, Direction(direction), Strategy(strategy), orphans, newer})
				}
			}
		}
	}
	return all
}

func (q question) ask(t *testing.T, dir string) {
	t.Helper()
	b, s, m, path := q.trees(dir)
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s, %s, orphans %v, %s newer, in %q: %s", q.direction, q.strategy, q.orphans, q.newer, dir, fmt.Sprintf(format, args...))
	}
	plan := Reconcile(b, s, m, q.rules())
	w := newWorld(b, s, m)
	if err := w.apply(plan); err != nil {
		fail("%v", err)
		return
	}
	want := q.oracle()
	for _, side := range []struct {
		side      Side
		want, was state
		got       Tree
	}{{Space, want.space, q.space, w.space}, {Mirror, want.mirror, q.mirror, w.mirror}} {
		expect := Tree{"beside": file("beside", 1)}
		if dir != "" {
			expect[dir] = directory(1)
		}
		side.want.put(expect, path, 1)
		for name, held := range want.copies {
			held.put(expect, path+name, 1)
		}
		if side.got.text() != expect.text() {
			fail("the %s ends as\n%s\nand not as\n%s", side.side, side.got.text(), expect.text())
		}
	}
	if lost := w.vanished(b, s, m); len(lost) > 0 {
		fail("contents vanished: %v", lost)
	}
	again := Reconcile(w.base, w.space, w.mirror, q.rules())
	if len(again.Actions) > 0 {
		fail("another sync would do %v", again.Actions)
	}
	if want.space == want.mirror && !again.Empty() {
		fail("the sides agree, and another sync says %v %v", again.Conflicts, again.Left)
	}
	if want.space != want.mirror && (len(plan.Left) == 0 || len(again.Left) == 0) {
		fail("the sides differ, and nobody is told")
	}
}
