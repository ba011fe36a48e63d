package spacedb

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"spacefs/internal/seed"
	"testing"
)

// TestDamageIsRefusedOrFound turns bits in a space file. Whatever that hits, the
// file is refused, or Check names something, or nothing that anybody reads is
// different; and nothing crashes or hangs.
func TestDamageIsRefusedOrFound(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	path := filepath.Join(t.TempDir(), "whole.space")
	s := must(Create(path, calm))
	tr := s.Tree(mount)
	dir := must(tr.Mkdir(Root, "dir", 0o755, Cred{}))
	for i := range 20 {
		a := must(tr.Mknod(dir.ID, fmt.Sprint(i), TypeRegular|0o644, 0, Cred{}))
		overwrite(t, tr, a.ID, string(prose(rng, rng.Intn(9000))))
		orDie(t, s.Seal(context.Background()))
		overwrite(t, tr, a.ID, string(prose(rng, rng.Intn(9000))))
	}
	must(tr.Symlink(Root, "link", "dir/1", Cred{}))
	orDie(t, tr.SetXattr(dir.ID, "user.x", []byte("y"), 0))
	orDie(t, s.Close())
	whole := must(os.ReadFile(path))
	want, err := everything(path)
	orDie(t, err)
	refused, found := 0, 0
	for i := range 150 {
		damaged := append([]byte(nil), whole...)
		for range 1 + rng.Intn(3) {
			damaged[rng.Intn(len(damaged))] ^= 1 << rng.Intn(8)
		}
		path := filepath.Join(t.TempDir(), fmt.Sprint(i, ".space"))
		orDie(t, os.WriteFile(path, damaged, 0o600))
		got, err := everything(path)
		switch {
		case err != nil:
			refused++
		case got.findings > 0:
			found++
		case got.text != want.text:
			kept := filepath.Join(os.TempDir(), "damaged.space")
			orDie(t, os.WriteFile(kept, damaged, 0o600))
			t.Fatalf("round %d: it reads differently, and nobody noticed; see %s", i, kept)
		}
	}
	t.Logf("%d refused, %d found, %d without consequence", refused, found, 150-refused-found)
	if refused+found == 0 {
		t.Error("no damage did anything")
	}
}

// contents is what somebody who reads all of a space sees.
type contents struct {
	text     string
	findings int
}

func everything(path string) (c contents, err error) {
	s, err := Open(path, calm)
	if err != nil {
		return c, err
	}
	defer s.Close()
	findings, err := s.Check(context.Background())
	if err != nil {
		return c, err
	}
	c.findings = len(findings)
	v, err := s.Snapshot(context.Background())
	if err != nil {
		return c, err
	}
	defer v.Close()
	err = v.Walk(context.Background(), "", func(it Item) error {
		// A permission bit is as good as another: nothing could tell.
		c.text += fmt.Sprintf("%s %o %s\n", it.Path, it.Attr.Mode&TypeMask, it.Target)
		if !it.Attr.IsRegular() {
			return nil
		}
		r, err := v.Open(it.Attr.ID)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		c.text += string(b)
		return err
	})
	return c, err
}
