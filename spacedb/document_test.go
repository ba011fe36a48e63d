package spacedb

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"spacefs/internal/seed"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// dance is a sequence of operations as programs make them, and the histories
// that it must leave: for each path what its revisions hold, oldest first, or
// "" for none. Every operation is a word and its arguments:
//
//	new PATH TEXT    make a document and write into it
//	set PATH TEXT    truncate and write
//	mv FROM TO       rename(2)
//	xchg A B         renameat2(2) with RENAME_EXCHANGE
//	ln FROM TO       link(2)
//	sym TARGET PATH  symlink(2)
//	rm PATH          unlink(2)
//	mkdir PATH
//	place PATH TEXT  what a sync brings
//	rest             time passes until everything has come to rest
//	seal             everything is sealed, as before a mirror that is followed is synced
//	soon             time passes, and if it passes twice it was more than the quiet time
//	later            so much time passes, but nothing is sealed
type dance struct {
	name string
	do   string
	want map[string]string
}

var dances = []dance{
	{"in place, as nano, vim with backupcopy=yes and VS Code do",
		"new f 1, rest, set f 2, rest, set f 3",
		map[string]string{"f": "1 2 3"}},
	{"the backup is a copy, as with nano -B",
		"new f 1, rest, new f~ 1, set f 2, rest, set f~ 2, set f 3",
		map[string]string{"f": "1 2 3", "f~": ""}},
	{"vim with backupcopy=no removes its backup",
		"new f 1, rest, new 4913 x, rm 4913, mv f f~, new f 2, rm f~, rest, mv f f~, new f 3, rm f~",
		map[string]string{"f": "1 2 3", "4913": "", "f~": ""}},
	{"vim with backupcopy=no and backup, over the backup of the last save",
		"new f 1, rest, mv f f~, new f 2, rest, mv f f~, new f 3, rest, mv f f~, new f 4",
		map[string]string{"f": "1 2 3 4", "f~": ""}},
	{"emacs saves again over what it made",
		"new f 1, rest, mv f f~, new f 2, rest, set f 3, rest, mv f f~, new f 4",
		map[string]string{"f": "1 2 3 4"}},
	{"emacs numbers its backups",
		"new f 1, rest, mv f f.~1~, new f 2, rest, mv f f.~2~, new f 3",
		map[string]string{"f": "1 2 3", "f.~1~": ""}},
	{"a backup that links, and a temporary renamed over",
		"new f 1, rest, ln f f~, new t 2, mv t f, rest, rm f~, ln f f~, new t 3, mv t f",
		map[string]string{"f": "1 2 3", "t": ""}},
	{"sed -i, git, LibreOffice and gedit rename a temporary over",
		"new f 1, rest, new sedX 2, mv sedX f, rest, new sedY 3, mv sedY f",
		map[string]string{"f": "1 2 3", "sedX": "", "sedY": ""}},
	{"rsync's temporary looks like a document",
		"new f 1, rest, new .f.a1B2c3 2, mv .f.a1B2c3 f, rest, new .f.d4E5f6 3, mv .f.d4E5f6 f",
		map[string]string{"f": "1 2 3", ".f.a1B2c3": ""}},
	{"a temporary that took so long that it was sealed",
		"new f 1, rest, new t 2, rest, mv t f",
		map[string]string{"f": "1 2"}},
	{"atomically exchanged, and the old one removed",
		"new f 1, rest, new t 2, xchg t f, rm t, rest, new t 3, xchg t f, rm t",
		map[string]string{"f": "1 2 3", "t": ""}},
	{"removed and written again, as git checkout does",
		"new f 1, rest, rm f, new f 2, rest, rm f, rest, new f 3",
		map[string]string{"f": "1 2 3"}},
	{"removed, and a temporary linked into place",
		"new f 1, rest, new t 2, rm f, ln t f, rm t, rest, new t 3, rm f, ln t f, rm t",
		map[string]string{"f": "1 2 3", "t": ""}},
	{"a temporary that was sealed at once, renamed to where the target was removed",
		"new f 1, rest, new t 2, seal, rm f, mv t f, rest, new t 3, seal, rm f, mv t f",
		map[string]string{"f": "1 2 3"}},
	{"a temporary that was sealed at once, linked to where the target was removed",
		"new f 1, rest, new t 2, seal, rm f, ln t f, rm t, rest, new t 3, seal, rm f, ln t f, rm t",
		map[string]string{"f": "1 2 3"}},
	{"a temporary that was sealed at once, renamed to where the target was moved away",
		"new f 1, rest, new t 2, seal, mv f f.old, seal, mv t f, seal, rm f.old, rest, new t 3, seal, mv f f.old, mv t f, rm f.old",
		map[string]string{"f": "1 2 3"}},
	{"a temporary that was sealed at once, linked to where the target was moved away",
		"new f 1, rest, new t 2, seal, mv f f.bak, ln t f, rm t, rest, new t 3, seal, mv f f.bak, ln t f, rm t",
		map[string]string{"f": "1 2 3", "f.bak": "1 2"}},
	{"a temporary is sealed between its link and its unlink",
		"new f 1, rest, new t 2, rm f, ln t f, seal, rm t, rest, new t 3, rm f, ln t f, seal, rm t",
		map[string]string{"f": "1 2 3", "t": ""}},
	{"the same, without a pause between two saves",
		"new f 1, rest, new t 2, rm f, ln t f, seal, rm t, new t 3, rm f, ln t f, seal, rm t, new t 4, rm f, ln t f, seal, rm t",
		map[string]string{"f": "1 2 3 4", "t": ""}},
	{"a temporary is sealed before its link, and after it, without a pause between two saves",
		"new f 1, rest, new t 2, seal, rm f, ln t f, seal, rm t, new t 3, seal, rm f, ln t f, seal, rm t",
		map[string]string{"f": "1 2 3"}},
	{"a temporary is sealed between its link to where the target was moved away and its unlink",
		"new f 1, rest, new t 2, mv f f.bak, ln t f, seal, rm t",
		map[string]string{"f": "1 2", "f.bak": "1", "t": ""}},
	{"a temporary that was linked long after the target was removed is sealed before its unlink",
		"new f 1, rest, rm f, later, new t 2, ln t f, seal, rm t",
		map[string]string{"f": "1 2", "t": ""}},
	{"a temporary that took so long that it was sealed, linked to where the target was removed",
		"new f 1, rest, new t 2, rest, rm f, ln t f, rm t, rest, new t 3, rest, rm f, ln t f, seal, rm t",
		map[string]string{"f": "1 2 3", "t": "2 3"}},
	{"the same, slowly",
		"new f 1, rest, new t 2, rest, rm f, soon, ln t f, soon, rm t",
		map[string]string{"f": "1 2"}},
	{"a link to a temporary is renamed over, as ln -f does, and sealed before the temporary's name goes",
		"new f 1, rest, new t 2, ln t u, mv u f, seal, rm t, new t 3, ln t u, mv u f, seal, rm t",
		map[string]string{"f": "1 2 3", "t": "", "u": ""}},
	{"a link to a temporary is renamed over, and another temporary begins",
		"new f 1, rest, new t 2, ln t u, mv u f, seal, rm t, new t 3",
		map[string]string{"f": "1 2", "t": "3", "u": ""}},
	{"a link to a temporary is renamed to where the target was removed, and sealed before the temporary's name goes",
		"new f 1, rest, new t 2, ln t u, rm f, mv u f, seal, rm t",
		map[string]string{"f": "1 2", "t": "", "u": ""}},
	{"an old document is linked to where another was removed: two names share its history",
		"new f 1, new g a, rest, rm f, ln g f, rest, set g b, rest, set f c",
		map[string]string{"f": "a b c", "g": "a b c"}},
	{"an old document was linked to where another was removed, and loses its first name long after",
		"new f 1, new g a, rest, rm f, ln g f, later, rm g, rest, set f b",
		map[string]string{"f": "a b"}},
	{"a link of an old document to where another was removed is taken back",
		"new f 1, new g a, rest, rm f, ln g f, rm f, set g b, rest, new f 2",
		map[string]string{"f": "1 2", "g": "a b"}},
	{"a temporary that was sealed at once, renamed to where the target was removed long before",
		"new f 1, rest, rm f, later, new t 2, seal, mv t f, rest, rm f, later, new t 3, seal, mv t f",
		map[string]string{"f": "1 2 3"}},
	{"a temporary that was sealed at once, linked to where the target was removed long before",
		"new f 1, rest, rm f, later, new t 2, seal, ln t f, seal, rm t",
		map[string]string{"f": "1 2"}},
	{"an old document comes long after another was removed",
		"new f 1, new t 2, rest, rm f, later, mv t f",
		map[string]string{"f": "2"}},
	{"patch keeps f.orig",
		"new f 1, rest, mv f f.orig, new t 2, mv t f, rest, mv f f.orig, new t 3, mv t f",
		map[string]string{"f": "1 2 3", "f.orig": "1 2", "t": ""}},
	{"perl -i.bak renames, then writes a new one",
		"new f 1, rest, mv f f.bak, new f 2, rest, mv f f.bak, new f 3",
		map[string]string{"f": "1 2 3", "f.bak": "1 2"}},
	{"the new one is linked into the place of the backup",
		"new f 1, rest, mv f f.bak, new t 2, ln t f, rm t",
		map[string]string{"f": "1 2", "f.bak": "1", "t": ""}},
	{"moved, and long after another is made",
		"new f 1, rest, mv f g, later, new f x, rest, set g 2",
		map[string]string{"f": "x", "g": "1 2"}},
	{"moved and written to, then another is made: no backup",
		"new f 1, rest, mv f g, set g 2, new f x",
		map[string]string{"f": "x", "g": "1 2"}},
	{"moved, with a symlink left in its place",
		"new f 1, rest, mv f g, sym g f, rest, set g 2",
		map[string]string{"f": "g", "g": "1 2"}},
	{"moved about",
		"new f 1, rest, mv f g, rest, set g 2, rest, mkdir d, mv g d/h, rest, set d/h 3",
		map[string]string{"d/h": "1 2 3", "f": "", "g": ""}},
	{"renumbered by a script",
		"new 1 a, new 2 b, rest, mv 2 3, mv 1 2, new 1 c, rest, set 2 a2, set 3 b2",
		map[string]string{"1": "a c", "2": "a a2", "3": "b b2"}},
	{"swapped through a third name",
		"new f 1, new g a, rest, mv f t, mv g f, mv t g, rest, set f b, set g 2",
		map[string]string{"f": "a b", "g": "1 2"}},
	{"moved over another document",
		"new f 1, new g a, rest, mv g f, rest, new g b",
		map[string]string{"f": "1 a", "g": "a b"}},
	{"its directory is renamed",
		"mkdir d, new d/f 1, rest, mv d e, rest, set e/f 2, rest, mv e/f e/f~, new e/f 3",
		map[string]string{"e/f": "1 2 3", "d/f": ""}},
	{"moved to another directory",
		"mkdir a, mkdir b, new a/x 1, rest, mv a/x b/x, rest, set b/x 2",
		map[string]string{"b/x": "1 2", "a/x": ""}},
	{"into the trash, and out again",
		"mkdir .Trash-0, new f 1, rest, mv f .Trash-0/f, rest, mv .Trash-0/f f, set f 2",
		map[string]string{"f": "1 2", ".Trash-0/f": ""}},
	{"two names share one history",
		"new f 1, rest, ln f g, set g 2, rest, set f 3",
		map[string]string{"f": "1 2 3", "g": "1 2 3"}},
	{"one of two names is replaced: the document stays with the name it had first",
		"new f 1, rest, ln f g, rest, new t x, mv t g, rest, set f 2, set g y",
		map[string]string{"f": "1 2", "g": "x y"}},
	{"the first of two names is replaced",
		"new f 1, rest, ln f g, rest, new t 2, mv t f, rest, set g y",
		map[string]string{"f": "1 2", "g": "1 y"}},
	{"the first of two names is removed",
		"new f 1, rest, ln f g, later, rm f, later, set g 2",
		map[string]string{"g": "1 2"}},
	{"a sync brings another content",
		"new f 1, rest, place f 2, rest, place f 3",
		map[string]string{"f": "1 2 3"}},
	{"a log that grows on the other side",
		"new f 1, rest, place f 12, rest, place f 123, place f 1234",
		map[string]string{"f": "1 12 123 1234"}},
	{"the other side kept a backup",
		"new f 1, rest, mv f f.orig, place f 2",
		map[string]string{"f": "1 2", "f.orig": "1"}},
}

func TestEditorsDancesAreOneHistory(t *testing.T) {
	for _, d := range dances {
		for _, committed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, each step committed %v", d.name, committed), func(t *testing.T) {
				f := newFloor(t)
				for step := range strings.SplitSeq(d.do, ", ") {
					f.step(step)
					if committed {
						ok(t, f.store.Sync())
					}
				}
				f.step("rest")
				for path, want := range d.want {
					f.expect(path, want)
				}
			})
		}
	}
}

// Two saves within the quiet time are two revisions when the disk had the first.
func TestContentThatLeavesForABackupUnsealedIsRecorded(t *testing.T) {
	f := newFloor(t)
	for _, step := range []string{"new f 1", "rest", "mv f f~", "new f 2"} {
		f.step(step)
	}
	ok(t, f.store.Sync())
	for _, step := range []string{"mv f f~", "new f 3", "rm f~", "rest"} {
		f.step(step)
	}
	f.expect("f", "1 2 3")
}

// A log that is written to all the time and never closed.
func TestDocumentsThatNeverRestHaveRevisions(t *testing.T) {
	f := newFloor(t)
	f.store.SetBusy(func(NodeID) bool { return true })
	f.step("new f 0")
	for i := range 12 {
		f.pass(time.Hour / 2)
		f.step(fmt.Sprintf("set f %d", i+1))
		ok(t, f.store.sealWhere(context.Background(), f.store.rested, f.store.busy.Load()))
		ok(t, f.store.Sync())
	}
	f.expect("f", "5 11")
}

// floor is a space to dance in, with a clock of its own.
type floor struct {
	*testing.T
	store *Store
	tree  *Tree
	clock atomic.Int64 // ns
}

func newFloor(t *testing.T) *floor {
	f := &floor{T: t}
	f.store, _ = newSpace(t, Options{
		Quiet: time.Hour, Delay: time.Hour, Unrest: 5 * time.Hour / 2, Now: func() time.Time { return time.Unix(1e9, f.clock.Load()) },
	})
	f.tree = f.store.Tree(mount)
	return f
}

func (f *floor) pass(d time.Duration) { f.clock.Add(int64(d)) }

func (f *floor) step(step string) {
	f.Helper()
	word := strings.Fields(step)
	from, to := "", ""
	if len(word) > 1 {
		from = word[1]
	}
	if len(word) > 2 {
		to = word[2]
	}
	fd, fn := f.at(from)
	switch word[0] {
	case "new":
		save(f.T, f.tree, from, to)
	case "set":
		overwrite(f.T, f.tree, must(f.tree.Resolve(from)).ID, to)
	case "mv", "xchg":
		flags := uint32(0)
		if word[0] == "xchg" {
			flags = RenameExchange
		}
		td, tn := f.at(to)
		ok(f.T, f.tree.Rename(fd, fn, td, tn, flags))
	case "ln":
		td, tn := f.at(to)
		must(f.tree.Link(must(f.tree.Resolve(from)).ID, td, tn))
	case "sym":
		td, tn := f.at(to)
		must(f.tree.Symlink(td, tn, from, Cred{}))
	case "rm":
		ok(f.T, f.tree.Unlink(fd, fn))
	case "mkdir":
		must(f.tree.Mkdir(fd, fn, 0o755, Cred{}))
	case "place":
		tree := f.store.Tree(Actor{Origin: OriginSync})
		st := tree.Stage()
		defer st.Discard()
		must(st.Write([]byte(to)))
		guard := Guard{Absent: true}
		if a, err := tree.Resolve(from); err == nil {
			guard = GuardOf(a)
		}
		must(tree.Place(from, guard, st, 0o644, 1))
	case "rest":
		f.pass(2 * time.Hour)
		ok(f.T, f.store.Seal(context.Background()))
		ok(f.T, f.store.Sync())
	case "seal":
		ok(f.T, f.store.Seal(context.Background()))
	case "soon":
		f.pass(40 * time.Minute)
	case "later":
		f.pass(2 * time.Hour)
	default:
		f.Fatalf("no such step: %s", step)
	}
}

func (f *floor) at(path string) (NodeID, string) {
	dir, name := splitPath(path)
	return must(f.tree.Resolve(dir)).ID, name
}

// expect: the revisions of the document at path hold this, oldest first.
func (f *floor) expect(path, want string) {
	f.Helper()
	list, err := f.store.History(path)
	if err != nil && (want != "" || err != ErrNotFound) {
		f.Fatalf("%s: %v", path, err)
	}
	var got []string
	for i := range list {
		got = append(got, revisionText(f.T, f.store, path, fmt.Sprint(i+1)))
	}
	if strings.Join(got, " ") != want {
		f.Errorf("%s holds %q, want %q", path, got, want)
	}
	for i := 1; i < len(list); i++ {
		if list[i].Document != list[0].Document {
			f.Errorf("%s has two documents", path)
		}
	}
}

// Who follows a log that grows in the mirror has it open: it is the same file.
func TestWhatGrowsFromBehindStaysTheSameFile(t *testing.T) {
	f := newFloor(t)
	long := strings.Repeat("line\n", 50_000)
	for _, step := range []string{"new f 1", "rest"} {
		f.step(step)
	}
	before := must(f.tree.Resolve("f"))
	f.step("place f 1" + strings.ReplaceAll(long, "\n", "."))
	after := must(f.tree.Resolve("f"))
	if after.ID != before.ID || after.Version == before.Version || after.Mtime != 1 {
		t.Errorf("it was %+v and is %+v", before, after)
	}
	f.step("place f 2")
	if replaced := must(f.tree.Resolve("f")); replaced.ID == before.ID {
		t.Error("other content is the same file")
	}
	// An edit that nobody recorded yet is not built upon.
	f.step("set f 3")
	unsealed := must(f.tree.Resolve("f"))
	f.step("place f 34")
	if replaced := must(f.tree.Resolve("f")); replaced.ID == unsealed.ID {
		t.Error("content that is in no history was overwritten")
	}
}

// What a killed process had not sealed is sealed by the next one, as what it was.
func TestContentThatACrashLeftUnsealedIsTheMounts(t *testing.T) {
	f := newFloor(t)
	f.step("new f 1")
	ok(t, f.store.Sync())
	written := f.clock.Load()
	f.pass(5 * time.Hour)
	crashed := filepath.Join(t.TempDir(), "crashed.space")
	for _, suffix := range []string{"", "-wal"} {
		ok(t, os.WriteFile(crashed+suffix, must(os.ReadFile(f.store.File()+suffix)), 0o600))
	}
	s := must(Open(crashed, calm))
	defer s.Close()
	ok(t, s.Seal(context.Background()))
	list := must(s.History("f"))
	if len(list) != 1 || list[0].Origin != OriginMount || !list[0].Time.Equal(time.Unix(1e9, written)) {
		t.Errorf("it is recorded as %+v", list)
	}
	checked(t, s)
}

// However names change, every content that came to rest is in history, no
// document is in two places, and Check, which ends every test, agrees.
func TestRandomDancesLoseNothing(t *testing.T) {
	rounds, steps := 25, 60
	if n, err := strconv.Atoi(os.Getenv("SPACEFS_DANCE_ROUNDS")); err == nil {
		rounds = n
	}
	first := seed.Of(t)
	for round := range int64(rounds) {
		seed := first + round
		passed := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			f := newFloor(t)
			f.step("mkdir d")
			rng := rand.New(rand.NewPCG(uint64(seed), 0))
			var done []string
			defer func() {
				if t.Failed() {
					t.Logf("SPACEFS_SEED=%d: %s", seed, strings.Join(done, ", "))
				}
			}()
			rested := map[string]bool{}
			for i := range steps {
				step := randomStep(rng, i)
				done = append(done, step)
				f.try(step)
				if rng.IntN(3) == 0 {
					ok(t, f.store.Sync())
				}
				if step == "rest" {
					for _, text := range f.texts() {
						rested[text] = true
					}
				}
			}
			f.step("rest")
			for text := range rested {
				if known := must(f.store.HasContent(sha256.Sum256([]byte(text)))); !known {
					t.Errorf("%q came to rest and is in no history", text)
				}
			}
		})
		if !passed {
			return
		}
	}
}

var danceNames = []string{"f", "g", "f~", "f.orig", "d/f", "d/g"}

func randomStep(rng *rand.Rand, i int) string {
	name := func() string { return danceNames[rng.IntN(len(danceNames))] }
	word := strings.Fields("new new set set mv mv mv mv xchg ln ln rm rm place rest rest later seal")
	switch w := word[rng.IntN(len(word))]; w {
	case "new", "set", "place":
		return fmt.Sprintf("%s %s text%d", w, name(), i)
	case "mv", "xchg", "ln":
		return fmt.Sprintf("%s %s %s", w, name(), name())
	case "rm":
		return "rm " + name()
	default:
		return w
	}
}

// try is a step that may be one of those that cannot be done.
func (f *floor) try(step string) {
	word := strings.Fields(step)
	there := func(path string) bool { _, err := f.tree.Resolve(path); return err == nil }
	switch word[0] {
	case "new":
		if there(word[1]) {
			return
		}
	case "set", "rm", "mv":
		if !there(word[1]) {
			return
		}
	case "xchg":
		if !there(word[1]) || !there(word[2]) {
			return
		}
	case "ln":
		if !there(word[1]) || there(word[2]) {
			return
		}
	}
	f.step(step)
}

// texts is what the documents hold that have a history.
func (f *floor) texts() (all []string) {
	for _, path := range danceNames {
		if a, err := f.tree.Resolve(path); err == nil && !f.store.Junk(path) {
			all = append(all, content(f.T, f.tree, a.ID))
		}
	}
	return all
}
