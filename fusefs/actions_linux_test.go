package fusefs_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// seedOf prints the seed of a random test; SPACEFS_SEED replays one.
func seedOf(t *testing.T) int64 {
	seed := time.Now().UnixNano()
	if s := os.Getenv("SPACEFS_SEED"); s != "" {
		seed, _ = strconv.ParseInt(s, 10, 64)
	}
	t.Logf("seed %d (replay with SPACEFS_SEED=%d)", seed, seed)
	return seed
}

func fnvSum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// action is one random operation on a few names, so that they meet often.
type action struct {
	op        string
	a, b      string
	off, size int64
	flags     uint
	data      []byte
}

func (a action) String() string {
	return fmt.Sprintf("%s %s %s off=%d size=%d flags=%d", a.op, a.a, a.b, a.off, a.size, a.flags)
}

type actions struct{ *rand.Rand }

func newActions(seed int64) *actions { return &actions{rand.New(rand.NewSource(seed))} }

func (r *actions) name() string {
	names := []string{"a", "b", "c", "d/a", "d/b", "d/e/a", "d/e", "d", "f/a", "f", "x~", ".a.swp"}
	return names[r.Intn(len(names))]
}

func (r *actions) next() action {
	ops := []string{"write", "write", "write", "append", "truncate", "create", "mkdir", "mkdir", "remove", "remove", "rename", "rename",
		"rename", "link", "symlink", "chmod", "stat", "read", "list", "punch", "readlink", "excl"}
	a := action{op: ops[r.Intn(len(ops))], a: r.name(), b: r.name()}
	offsets := []int64{0, 1, 4096, 65535, 65536, 65537, 131072, 200000}
	a.off = offsets[r.Intn(len(offsets))]
	a.size = []int64{0, 1, 100, 4096, 65536, 70000, 140000}[r.Intn(7)]
	a.flags = []uint{0, 0, 0, unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE}[r.Intn(5)]
	a.data = make([]byte, a.size)
	r.Read(a.data)
	return a
}

// do does it below root and says how it went, without naming root.
func (a action) do(root string) string {
	p, q := filepath.Join(root, a.a), filepath.Join(root, a.b)
	switch a.op {
	case "write":
		return outcome(withFile(p, os.O_WRONLY|os.O_CREATE, func(f *os.File) error { _, err := f.WriteAt(a.data, a.off); return err }))
	case "append":
		return outcome(withFile(p, os.O_WRONLY|os.O_APPEND, func(f *os.File) error { _, err := f.Write(a.data); return err }))
	case "create":
		return outcome(os.WriteFile(p, a.data, 0o644))
	case "excl":
		return outcome(withFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, func(*os.File) error { return nil }))
	case "truncate":
		return outcome(os.Truncate(p, a.off))
	case "punch":
		return outcome(withFile(p, os.O_RDWR, func(f *os.File) error {
			return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, a.off, a.size+1)
		}))
	case "mkdir":
		return outcome(os.Mkdir(p, 0o755))
	case "remove":
		return outcome(os.Remove(p))
	case "rename":
		return outcome(unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, q, a.flags))
	case "link":
		return outcome(os.Link(p, q))
	case "symlink":
		return outcome(os.Symlink(a.b, p))
	case "chmod":
		return outcome(os.Chmod(p, os.FileMode(0o700|a.off%0o100)))
	case "stat":
		info, err := os.Lstat(p)
		if err != nil {
			return outcome(err)
		}
		if info.IsDir() {
			return fmt.Sprint(info.Mode())
		}
		return fmt.Sprint(info.Mode(), info.Size())
	case "read":
		b, err := os.ReadFile(p)
		return fmt.Sprintf("%d %x %s", len(b), fnvSum(b), outcome(err))
	case "list":
		entries, err := os.ReadDir(p)
		text := outcome(err)
		for _, e := range entries {
			text += " " + e.Name() + " " + e.Type().String()
		}
		return text
	case "readlink":
		target, err := os.Readlink(p)
		return target + outcome(err)
	}
	panic(a.op)
}

func withFile(p string, flags int, fn func(*os.File) error) error {
	f, err := os.OpenFile(p, flags, 0o644)
	if err != nil {
		return err
	}
	err = fn(f)
	return errors.Join(err, f.Close())
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
