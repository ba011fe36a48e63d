package spacedb

import "testing"

func BenchmarkLargeFile(b *testing.B) {
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	b.Run("write-64m-fsync", func(b *testing.B) {
		s := must(Create(b.TempDir()+"/bench.space", Options{}))
		defer s.Close()
		tr := s.Tree(mount)
		b.SetBytes(64 << 20)
		for i := 0; b.Loop(); i++ {
			a := must(tr.Mknod(Root, ".~lock.x#", TypeRegular|0o644, 0, Cred{}))
			for off := int64(0); off < 64<<20; off += 1 << 20 {
				must(tr.WriteAt(a.ID, block, off))
			}
			if err := tr.Fsync(a.ID); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			tr.Unlink(Root, ".~lock.x#")
			s.Sync()
			b.StartTimer()
		}
	})
}
