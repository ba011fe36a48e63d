package spacedb

import (
	"fmt"
	"testing"
)

// The hot paths, without a kernel. "old" is a directory that was read from the
// file, "new" one that was made by this process.
func BenchmarkTree(b *testing.B) {
	for _, age := range []string{"new", "old"} {
		space := func(b *testing.B) (*Tree, NodeID) {
			path := b.TempDir() + "/bench.space"
			s := must(Create(path, Options{}))
			dir := must(s.Tree(mount).Mkdir(Root, "d", 0o755, Cred{})).ID
			if age == "old" {
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				s = must(Open(path, Options{}))
			}
			b.Cleanup(func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			})
			return s.Tree(mount), dir
		}
		b.Run("create-write/"+age, func(b *testing.B) {
			tr, dir := space(b)
			text := make([]byte, 4096)
			for i := range b.N {
				name := fmt.Sprint(i)
				if _, err := tr.Lookup(dir, name); err != ErrNotFound {
					b.Fatal(err)
				}
				a := must(tr.Mknod(dir, name, TypeRegular|0o644, 0, Cred{}))
				must(tr.WriteAt(a.ID, text, 0))
			}
		})
		b.Run("rename-unlink/"+age, func(b *testing.B) {
			tr, dir := space(b)
			for i := range b.N {
				must(tr.Mknod(dir, fmt.Sprint(i), TypeRegular|0o644, 0, Cred{}))
			}
			b.ResetTimer()
			for i := range b.N {
				if err := tr.Rename(dir, fmt.Sprint(i), dir, fmt.Sprint("r", i), 0); err != nil {
					b.Fatal(err)
				}
				if err := tr.Unlink(dir, fmt.Sprint("r", i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("lookup", func(b *testing.B) {
		s := must(Create(b.TempDir()+"/bench.space", Options{}))
		defer s.Close()
		tr := s.Tree(mount)
		must(tr.Mknod(Root, "f", TypeRegular|0o644, 0, Cred{}))
		for b.Loop() {
			must(tr.Lookup(Root, "f"))
		}
	})
	b.Run("write-fsync-4k", func(b *testing.B) {
		s := must(Create(b.TempDir()+"/bench.space", Options{}))
		defer s.Close()
		tr := s.Tree(mount)
		a := must(tr.Mknod(Root, "f", TypeRegular|0o644, 0, Cred{}))
		text := make([]byte, 4096)
		for b.Loop() {
			must(tr.WriteAt(a.ID, text, 0))
			if err := tr.Fsync(a.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}
