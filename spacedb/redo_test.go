package spacedb

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"spacefs/internal/seed"
)

// crashed opens the space as a crash at this moment would leave it.
func crashed(t *testing.T, s *Store, path string) *Store {
	t.Helper()
	image := copied(t, s, path)
	after, err := Open(image, calm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { after.Close() })
	return after
}

// copied copies the files while nobody commits. Another process does it: closing
// them in this one would cost SQLite its locks.
func copied(t *testing.T, s *Store, path string) string {
	t.Helper()
	s.committing.Lock()
	defer s.committing.Unlock()
	image := filepath.Join(t.TempDir(), "image.space")
	for _, suffix := range []string{"", "-wal"} {
		if out, err := exec.Command("cp", path+suffix, image+suffix).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return image
}

// records is how many batches wait in the redo log.
func (s *Store) records() int {
	s.committing.Lock()
	defer s.committing.Unlock()
	return len(s.redo.waiting)
}

// allRows is a table as text, its blobs by their hash where they are long.
func (s *Store) allRows(t *testing.T, table string) string {
	t.Helper()
	var text strings.Builder
	ok(t, s.reading(func(c *conn) error {
		return c.query(func(r row) error {
			for _, v := range r.values {
				if b, is := v.([]byte); is && len(b) > MaxName {
					v = sha256.Sum256(b)
				}
				fmt.Fprintf(&text, "%v ", v)
			}
			text.WriteByte('\n')
			return nil
		}, `SELECT * FROM `+table+` ORDER BY 1, 2, 3`)
	}))
	return text.String()
}

// scribbler does what programs do, at random.
type scribbler struct {
	*rand.Rand
	t    *testing.T
	tree *Tree
}

func (w scribbler) name() string { return fmt.Sprint("f", w.IntN(8)) }

// step changes something and returns what is to be synced.
func (w scribbler) step() NodeID {
	name := w.name()
	a, err := w.tree.Lookup(Root, name)
	if err != nil {
		a = must(w.tree.Mknod(Root, name, TypeRegular|0o644, 0, Cred{}))
	}
	switch w.IntN(8) {
	case 0:
		ok(w.t, w.tree.Rename(Root, name, Root, w.name(), 0))
	case 1:
		ok(w.t, w.tree.Unlink(Root, name))
		return Root
	case 2:
		size := w.Int64N(3 * chunkSize)
		must(w.tree.SetAttr(a.ID, AttrChange{Size: &size}))
	case 3:
		mode := uint32(w.IntN(0o777))
		must(w.tree.SetAttr(a.ID, AttrChange{Mode: &mode}))
	case 4:
		ok(w.t, w.tree.SetXattr(a.ID, "user.x", []byte(fmt.Sprint(w.Int())), 0))
	case 5:
		must(w.tree.WriteAt(a.ID, noise(5000), w.Int64N(3*chunkSize)))
	default:
		must(w.tree.WriteAt(a.ID, noise(1+w.IntN(9000)), a.Size))
	}
	return a.ID
}

// Whatever was done before an fsync returned is there after a crash, whether it is
// in the tables yet or in the redo log only.
func TestWhatAnFsyncWaitedForSurvivesACrash(t *testing.T) {
	s, path := newSpace(t, Options{Quiet: time.Hour, Delay: time.Hour, Nodes: 4})
	rng := rand.New(rand.NewPCG(uint64(seed.Of(t)), 0))
	w := scribbler{rng, t, s.Tree(mount)}
	logged := 0
	for round := range 16 {
		for range 1 + rng.IntN(60) {
			id := w.step()
			if rng.IntN(3) > 0 {
				ok(t, w.tree.Fsync(id))
			}
			switch rng.IntN(12) {
			case 0:
				ok(t, s.Sync())
			case 1:
				ok(t, s.Seal(t.Context()))
			}
		}
		ok(t, w.tree.Fsync(w.step()))
		logged += s.records()
		after := crashed(t, s, path)
		checked(t, after)
		if want, got := now(t, s), now(t, after); !maps.Equal(want, got) {
			t.Fatalf("round %d: after the crash there is\n%v\ninstead of\n%v", round, got, want)
		}
		for _, table := range []string{"node", "entry", "past", "document", "extent", "patch", "chunk"} {
			if want, got := s.allRows(t, table), after.allRows(t, table); want != got {
				t.Fatalf("round %d: after the crash table %s has\n%s\ninstead of\n%s", round, table, got, want)
			}
		}
		ok(t, after.Close())
	}
	if logged < 16 {
		t.Errorf("%d records in all: the redo log was hardly used", logged)
	}
}

// A log that is full is carried out, and begun anew.
func TestTheRedoLogGoesRoundAndRound(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	a := must(tr.Mknod(Root, "log~", TypeRegular|0o644, 0, Cred{}))
	for i := range 3 * redoRows {
		must(tr.WriteAt(a.ID, fmt.Appendf(nil, "line %d\n", i), int64(i)*10))
		ok(t, tr.Fsync(a.ID))
	}
	if s.records() == 0 {
		t.Error("nothing is in the log")
	}
	if rows := s.countRows(t, "redo"); rows > redoRows {
		t.Errorf("the log has %d rows", rows)
	}
	after := crashed(t, s, path)
	if want, got := content(t, tr, a.ID), content(t, after.Tree(mount), a.ID); want != got {
		t.Errorf("after the crash it ends in %q", got[max(0, len(got)-40):])
	}
	checked(t, after)
	must(s.Compact(t.Context()))
	if rows := s.countRows(t, "redo"); rows != 0 {
		t.Errorf("%d rows of the log are left by compact", rows)
	}
	must(tr.WriteAt(a.ID, []byte("and on"), 0))
	ok(t, tr.Fsync(a.ID))
}

// sampleBatch has something of everything that a record can hold.
func sampleBatch(t *testing.T) *batch {
	t.Helper()
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	big := save(t, tr, "big", string(noise(3*chunkSize)))
	gone, over := save(t, tr, "gone", "x"), save(t, tr, "over", "y")
	ok(t, s.Sync())
	must(tr.WriteAt(big.ID, []byte("patch"), chunkSize+1))
	must(tr.WriteAt(big.ID, []byte("part"), 1))
	ok(t, tr.Unlink(Root, "gone"))
	ok(t, tr.Rename(Root, "over", Root, "big2", 0))
	must(tr.Mkdir(Root, "dir", 0o755, Cred{}))
	_, _ = gone, over
	s.committing.Lock()
	s.mu.Lock()
	b := s.cut()
	s.running = b
	s.mu.Unlock()
	s.committing.Unlock()
	return b
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	b := sampleBatch(t)
	if !b.redoable() || len(b.past) == 0 || len(b.records.statements) == 0 || len(b.chunks)+len(b.patchRows) < 2 {
		t.Fatalf("the sample lacks something: %+v", b)
	}
	record := b.encode()
	got := must(decodeBatch(record))
	if again := got.reencoded(); !bytes.Equal(again, record) {
		t.Errorf("read and written again, %d bytes are %d", len(record), len(again))
	}
	if !reflect.DeepEqual(got.nodes, b.nodes) || !reflect.DeepEqual(got.entries, b.entries) || !reflect.DeepEqual(got.past, b.past) ||
		!reflect.DeepEqual(got.journal, b.journal) || got.seq != b.seq || got.last != b.last || got.usage != b.usage || got.moment != b.moment {
		t.Errorf("read %+v\nof %+v", got, b)
	}
}

// reencoded is a batch that was read as the record that it was.
func (b *batch) reencoded() []byte {
	for i := range b.chunks {
		if r := &b.chunks[i]; r.part {
			r.to = r.from + int64(len(r.data))
			r.data = append(make([]byte, r.from), r.data...)
		}
	}
	return b.encode()
}

// The file is somebody else's input: whatever is in its log, nothing worse
// happens than that it is refused.
func TestARecordThatIsNoneIsRefused(t *testing.T) {
	record := sampleBatch(t).encode()
	for size := range record {
		if _, err := decodeBatch(record[:size]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("its first %d bytes: %v", size, err)
		}
	}
	rng := rand.New(rand.NewPCG(uint64(seed.Of(t)), 0))
	for range 2000 {
		flipped := bytes.Clone(record)
		for range 1 + rng.IntN(4) {
			flipped[rng.IntN(len(flipped))] = byte(rng.Uint32())
		}
		decodeBatch(flipped) // to return is enough
	}
}

func TestADamagedRedoLogIsRefusedAndRepaired(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "f", "in the tables")
	ok(t, s.Sync())
	must(tr.WriteAt(a.ID, []byte("only in the log"), 0))
	ok(t, tr.Fsync(a.ID))
	image := copied(t, s, path)
	c := must(openConn(image, modeWrite))
	ok(t, c.exec(`UPDATE redo SET data = CAST(substr(data, 1, 20) || zeroblob(?) AS BLOB) WHERE id = 0`, redoRow-20))
	ok(t, c.close())
	if after, err := Open(image, calm); !errors.Is(err, ErrDamaged) {
		after.Close()
		t.Fatalf("opened: %v", err)
	}
	r := must(Repair(t.Context(), image))
	if len(r.Mended) == 0 || r.Mended[0].Where != "redo" || len(r.Left) > 0 {
		t.Errorf("repaired: %+v", r)
	}
	after := must(Open(image, calm))
	defer after.Close()
	if text := content(t, after.Tree(mount), a.ID); text != "in the tables" {
		t.Errorf("it holds %q", text)
	}
}

// A space that may only be read is not shown without what is in its log.
func TestARedoLogThatCannotBeCarriedOutIsTold(t *testing.T) {
	s, path := newSpace(t, calm)
	a := save(t, s.Tree(mount), "f", "x")
	ok(t, s.Tree(mount).Fsync(a.ID))
	image := copied(t, s, path)
	ok(t, must(openConn(image, modeWrite)).close()) // checkpoints, and removes the WAL
	if after, err := openReadOnly(image, schemaVersion, calm); !errors.Is(err, ErrReadOnly) {
		after.Close()
		t.Errorf("opened: %v", err)
	}
}

// Of a chunk that got shorter the log has all of it: what was cut off must not
// come back when the document grows again.
func TestWhatWasCutOffIsNotBackAfterACrash(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "f", string(noise(10_000)))
	ok(t, s.Sync())
	size := int64(100)
	must(tr.SetAttr(a.ID, AttrChange{Size: &size}))
	must(tr.WriteAt(a.ID, []byte("x"), 50))
	ok(t, tr.Fsync(a.ID))
	after := crashed(t, s, path)
	size = 200
	must(after.Tree(mount).SetAttr(a.ID, AttrChange{Size: &size}))
	must(tr.SetAttr(a.ID, AttrChange{Size: &size}))
	if content(t, after.Tree(mount), a.ID) != content(t, tr, a.ID) {
		t.Error("old bytes are back")
	}
}
