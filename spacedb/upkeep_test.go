package spacedb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// While somebody goes on writing.
func TestCompactShrinksTheFileAndABackupIsTheSpace(t *testing.T) {
	c := newClock()
	s, path := newSpace(t, c.options())
	tr := s.Tree(mount)
	random := rand.NewChaCha8([32]byte{})
	big := make([]byte, 1<<20)
	random.Read(big)
	for i := range 8 {
		save(t, tr, fmt.Sprint("big", i), string(big))
	}
	save(t, tr, "note.md", "one")
	settle(t, s)
	c.pass(time.Hour)
	for i := range 7 {
		ok(t, tr.Unlink(Root, fmt.Sprint("big", i)))
	}
	must(s.Prune(context.Background(), KeepRules{Within: time.Minute}, false))

	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			a, err := tr.Mknod(Root, fmt.Sprint("f", i), TypeRegular|0o644, 0, Cred{})
			if err == nil {
				_, err = tr.WriteAt(a.ID, []byte("meanwhile"), 0)
			}
			if err == nil {
				err = tr.Fsync(a.ID)
			}
			if err != nil {
				stopped <- err
				return
			}
		}
	}()
	r := must(s.Compact(context.Background()))
	copied := filepath.Join(t.TempDir(), "copy.space")
	b, err := s.Backup(context.Background(), copied)
	close(stop)
	ok(t, <-stopped)
	ok(t, err)
	if r.Before < 8<<20 || r.After > 3<<20 {
		t.Errorf("%d bytes of %d are left", r.After, r.Before)
	}
	checked(t, s)
	copy := must(Open(copied, c.options()))
	checked(t, copy)
	if copy.ID() != s.ID() || b.Seq == 0 || b.Bytes == 0 {
		t.Errorf("the backup is of %s: %+v", copy.ID(), b)
	}
	if text := content(t, copy.Tree(mount), must(copy.Tree(mount).Resolve("big7")).ID); text != string(big) {
		t.Error("the backup has other content")
	}
	ok(t, copy.Close())
	if _, err := s.Backup(context.Background(), copied); err == nil {
		t.Error("a backup was overwritten")
	}
	_ = reopen(t, s, path, c.options())
}

// SQLite lets one copy the WAL at a time, and only who copies all of it cuts the
// file: who compacts comes after the checkpointer, and not in vain beside it.
func TestCompactShrinksTheFileBesideTheCheckpointer(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.checkpointAll(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for round := range 20 {
		save(t, tr, "big", string(make([]byte, 1<<20))+fmt.Sprint(round))
		settle(t, s)
		c.pass(time.Hour)
		ok(t, tr.Unlink(Root, "big"))
		must(s.Prune(context.Background(), KeepRules{Within: time.Minute}, false))
		if r := must(s.Compact(context.Background())); r.After > 1<<19 {
			t.Errorf("round %d: %d bytes of %d are left", round, r.After, r.Before)
		}
	}
	close(stop)
	<-stopped
}

// The views are an interface: docs/views.md.
func TestTheViewsAreWhatTheyWere(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	note := save(t, tr, "note.md", "one")
	settle(t, s)
	c.pass(time.Minute)
	overwrite(t, tr, note.ID, "two")
	settle(t, s)
	run := must(s.BeginRun("sync", 0))
	ok(t, s.FinishRun(run.ID, "ok", "nothing", nil))
	ok(t, s.SetConflicts(1, run.ID, []ConflictRecord{{Path: "note.md", Kind: "both edited", Strategy: "manual"}}))
	for query, want := range map[string]string{
		`SELECT path, size, modified, sha256, mode, text, length(id) FROM documents`: "note.md|3|2026-03-01T12:01:00.000Z|3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3|33188|two|36",
		`SELECT number, path, time, origin, run, size, lost FROM revisions ORDER BY number`: "1|note.md|2026-03-01T12:00:00.000Z|mount|0|3|0\n" +
			"2|note.md|2026-03-01T12:01:00.000Z|mount|0|3|0",
		`SELECT count(*) FROM documents JOIN revisions USING (id)`:                             "2",
		`SELECT id, kind, outcome, detail, started, finished FROM runs`:                        "1|sync|ok|nothing|2026-03-01T12:01:00.000Z|2026-03-01T12:01:00.000Z",
		`SELECT id, path, kind, strategy, winner, run, found, resolved IS NULL FROM conflicts`: "1|note.md|both edited|manual||1|2026-03-01T12:01:00.000Z|1",
	} {
		table, err := s.Query(context.Background(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var lines []string
		for _, row := range table.Rows {
			var cells []string
			for _, v := range row {
				cells = append(cells, fmt.Sprint(v))
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("%s\n is %s\nnot %s", query, got, want)
		}
	}
	for _, query := range []string{
		`UPDATE node SET size = 0`, `DELETE FROM revision`, `CREATE TABLE t (x)`, `CREATE TEMP TABLE t (x)`, `PRAGMA journal_mode=DELETE`,
		`ATTACH '/tmp/x' AS x`, `VACUUM INTO '/tmp/x'`, `BEGIN`, `SELECT load_extension('x')`, `SELECT 1; DELETE FROM node`, `frob`, ``,
	} {
		if table, err := s.Query(context.Background(), query); err == nil && len(table.Columns) > 0 {
			t.Errorf("%q is answered: %+v", query, table)
		}
	}
}
