package fusefs_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/spacedb"
)

// BenchmarkMounted is what programs wait for: system calls on a real mount.
func BenchmarkMounted(b *testing.B) {
	for _, bench := range []struct {
		name    string
		prepare func(dir string, i int) error
		do      func(dir string, i int) error
	}{
		{"create-4k", nil, writeFile},
		{"rename", writeFile, func(dir string, i int) error { return os.Rename(file(dir, i), file(dir, i)+".renamed") }},
		{"unlink", writeFile, func(dir string, i int) error { return os.Remove(file(dir, i)) }},
		{"write-4k-fsync-in-large", largeFile, writeAndSync},
		{"append-256", emptyFile, appendLine},
		{"write-1m-sequential", emptyFile, writeMegabyte},
	} {
		b.Run(bench.name, func(b *testing.B) {
			store, err := spacedb.Create(b.TempDir()+"/bench.space", spacedb.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			server, err := fusefs.Mount(store, b.TempDir(), fusefs.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer server.Wait()
			defer server.Unmount()
			for i := 0; bench.prepare != nil && i < b.N; i++ {
				if i%50 == 0 {
					_ = os.Mkdir(fmt.Sprintf("%s/%d", server.Dir(), i/50), 0o755)
				}
				if err := bench.prepare(server.Dir(), i); err != nil {
					b.Fatal(err)
				}
			}
			if err := store.Sync(); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for i := range b.N {
				if i%50 == 0 && bench.prepare == nil {
					_ = os.Mkdir(fmt.Sprintf("%s/%d", server.Dir(), i/50), 0o755)
				}
				if err := bench.do(server.Dir(), i); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
		})
	}
}

func file(dir string, i int) string { return fmt.Sprintf("%s/%d/%d", dir, i/50, i) }

func writeFile(dir string, i int) error { return os.WriteFile(file(dir, i), make([]byte, 4096), 0o644) }

func largeFile(dir string, i int) error {
	if i > 0 {
		return nil
	}
	return os.WriteFile(dir+"/large", make([]byte, 32<<20), 0o644)
}

func writeAndSync(dir string, i int) error {
	fd, err := unix.Open(dir+"/large", unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Pwrite(fd, make([]byte, 4096), int64(i)*7919%8000*4096); err != nil {
		return err
	}
	return unix.Fsync(fd)
}

func emptyFile(dir string, i int) error {
	if i > 0 {
		return nil
	}
	return os.WriteFile(dir+"/log", nil, 0o644)
}

func appendLine(dir string, _ int) error {
	fd, err := unix.Open(dir+"/log", unix.O_WRONLY|unix.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, make([]byte, 256))
	return err
}

var megabyte = make([]byte, 1<<20)

func writeMegabyte(dir string, i int) error {
	fd, err := unix.Open(dir+"/log", unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Pwrite(fd, megabyte, int64(i)<<20)
	return err
}
