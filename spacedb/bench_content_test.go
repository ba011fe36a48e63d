package spacedb

import (
	"fmt"
	"testing"
)

// Content, without a kernel: what a write, a read and a commit cost.
func BenchmarkContent(b *testing.B) {
	space := func(b *testing.B, size int64) (*Store, *Tree, NodeID) {
		s := must(Create(b.TempDir()+"/bench.space", Options{Quiet: calm.Quiet}))
		b.Cleanup(func() {
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
		tr := s.Tree(mount)
		// Junk: what the benchmark leaves is not sealed while it ends.
		a := must(tr.Mknod(Root, "content~", TypeRegular|0o644, 0, Cred{}))
		block := make([]byte, 1<<20)
		for off := int64(0); off < size; off += int64(len(block)) {
			must(tr.WriteAt(a.ID, block, off))
		}
		if err := tr.Fsync(a.ID); err != nil {
			b.Fatal(err)
		}
		return s, tr, a.ID
	}
	const size = 64 << 20
	b.Run("append-256", func(b *testing.B) {
		_, tr, id := space(b, 0)
		line := make([]byte, 256)
		for i := 0; b.Loop(); i++ {
			must(tr.WriteAt(id, line, int64(i)*256))
		}
	})
	b.Run("write-1m", func(b *testing.B) {
		_, tr, id := space(b, 0)
		block := make([]byte, 1<<20)
		b.SetBytes(int64(len(block)))
		for i := 0; b.Loop(); i++ {
			must(tr.WriteAt(id, block, int64(i%64)<<20))
		}
	})
	b.Run("write-64m-fsync", func(b *testing.B) {
		_, tr, id := space(b, 0)
		block := make([]byte, 1<<20)
		b.SetBytes(size)
		for b.Loop() {
			for off := int64(0); off < size; off += int64(len(block)) {
				must(tr.WriteAt(id, block, off))
			}
			if err := tr.Fsync(id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("random-4k-fsync", func(b *testing.B) {
		_, tr, id := space(b, size)
		text := make([]byte, 4096)
		for i := 0; b.Loop(); i++ {
			must(tr.WriteAt(id, text, int64(i)*7919%(size/4096)*4096))
			if err := tr.Fsync(id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read-4k-stored", func(b *testing.B) {
		s, tr, id := space(b, size)
		s.forget()
		text := make([]byte, 4096)
		for i := 0; b.Loop(); i++ {
			must(tr.ReadAt(id, text, int64(i)*7919%(size/4096)*4096))
		}
	})
	b.Run("read-1m-stored", func(b *testing.B) {
		s, tr, id := space(b, size)
		s.forget()
		block := make([]byte, 1<<20)
		b.SetBytes(int64(len(block)))
		for i := 0; b.Loop(); i++ {
			must(tr.ReadAt(id, block, int64(i%64)<<20))
		}
	})
	b.Run("seal-4k", func(b *testing.B) {
		s, tr, _ := space(b, 0)
		text := make([]byte, 4096)
		a := must(tr.Mknod(Root, "note.md", TypeRegular|0o644, 0, Cred{}))
		for i := 0; b.Loop(); i++ {
			copy(text, fmt.Sprint(i))
			must(tr.WriteAt(a.ID, text, 0))
			if err := s.Seal(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("commit-1000-files", func(b *testing.B) {
		s, tr, _ := space(b, 0)
		text := make([]byte, 1000)
		for round := 0; b.Loop(); round++ {
			dir := must(tr.Mkdir(Root, fmt.Sprint(round, "~"), 0o755, Cred{})).ID
			for i := range 1000 {
				must(tr.WriteAt(must(tr.Mknod(dir, fmt.Sprint(i), TypeRegular|0o644, 0, Cred{})).ID, text, 0))
			}
			if err := s.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list-1000", func(b *testing.B) {
		_, tr, _ := space(b, 0)
		dir := must(tr.Mkdir(Root, "d~", 0o755, Cred{})).ID
		for i := range 1000 {
			must(tr.Mknod(dir, fmt.Sprint(i), TypeRegular|0o644, 0, Cred{}))
		}
		for b.Loop() {
			if err := tr.ReadDir(dir, 0, func(Dirent) bool { return true }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
