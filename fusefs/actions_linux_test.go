package fusefs_test

import (
	"fmt"
	"math/rand"
	"strings"

	"golang.org/x/sys/unix"
)

// action is one system call, or a few that belong together. It says everything
// itself and depends on nothing before it, so that a sequence of them means
// something with any of them left out.
type action struct {
	op    string
	a, b  string // paths below the root
	h, to int    // handles
	off   int64
	size  int64
	flags int
	mode  uint32
	who   int // whose it is: an index of people
	fill  byte
}

// String is a Go literal, to be put among the sequences that were found.
func (a action) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{op: %q", a.op)
	field := func(name string, value any, set bool) {
		if set {
			fmt.Fprintf(&b, ", %s: %#v", name, value)
		}
	}
	field("a", a.a, a.a != "")
	field("b", a.b, a.b != "")
	field("h", a.h, a.h != 0)
	field("to", a.to, a.to != 0)
	field("off", a.off, a.off != 0)
	field("size", a.size, a.size != 0)
	field("flags", a.flags, a.flags != 0)
	field("mode", a.mode, a.mode != 0)
	field("who", a.who, a.who != 0)
	field("fill", a.fill, a.fill != 0)
	return b.String() + "},"
}

func (a action) data() []byte {
	p := make([]byte, a.size)
	for i := range p {
		p[i] = a.fill + byte(i%251)
	}
	return p
}

// simpler are versions of an action that say less.
func (a action) simpler() (all []action) {
	for _, change := range []func(*action){
		func(a *action) { a.who = 0 },
		func(a *action) { a.fill = 0 },
		func(a *action) { a.off = 0 },
		func(a *action) { a.size = min(a.size, 1) },
		func(a *action) { a.mode = 0o644 },
		func(a *action) { a.flags = 0 },
		func(a *action) { a.b = "" },
	} {
		s := a
		if change(&s); s != a {
			all = append(all, s)
		}
	}
	return all
}

// Names are few, so that they meet often: documents, directories, junk, what no
// text is, and the longest and one that is too long.
var names = []string{
	"a", "a", "b", "b", "c", "d", "d", "d/a", "d/a", "d/b", "d/e", "d/e/a", "f", "f/a", "x~", ".a.swp",
	"\xff\xfe\n", "d/\u00e4", strings.Repeat("l", 255), strings.Repeat("l", 256),
}

var (
	offsets = []int64{0, 0, 1, 4096, 65535, 65536, 65537, 131072, 196608, 200000}
	sizes   = []int64{0, 1, 100, 4096, 65536, 65537, 140000}
	// No setgid without group execution: of that, writing takes the bit away on a
	// disk where the writer is not in the group, and that is not told through FUSE.
	modes    = []uint32{0o644, 0o644, 0o600, 0o755, 0o777, 0o4755, 0o2755, 0o6777, 0o1777, 0o2777, 0}
	openings = []int{
		unix.O_RDWR, unix.O_RDWR | unix.O_CREAT, unix.O_RDWR | unix.O_CREAT, unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC, unix.O_RDONLY,
		unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT, unix.O_RDWR | unix.O_CREAT | unix.O_EXCL, unix.O_RDWR | unix.O_APPEND,
		unix.O_RDONLY | unix.O_DIRECTORY, unix.O_RDWR | unix.O_NOFOLLOW, unix.O_WRONLY | unix.O_SYNC | unix.O_CREAT,
	}
	allocations = []int{0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE,
		unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE}
	attributes = []string{"user.a", "user.a", "user.a", "user.b", "trusted.t", "security.s", "user.", "user", "bogus.x", "system.x"}
)

// weights says how often each operation comes.
var weights = map[string]int{
	"open": 10, "close": 2, "pwrite": 10, "write": 4, "pread": 5, "ftruncate": 4, "fsync": 1, "fchmod": 2, "fallocate": 5,
	"seek": 4, "mmap": 4, "copy": 4, "tmpfile": 2, "name": 2, "fstat": 2,
	"save": 4, "truncate": 3, "mkdir": 6, "mkfifo": 1, "mksock": 1, "unlink": 6, "rmdir": 3, "rename": 10, "exchange": 3,
	"noreplace": 2, "link": 4, "symlink": 3, "chmod": 4, "chown": 3, "utimes": 2, "readfile": 5, "list": 3, "readlink": 1,
	"setxattr": 8, "getxattr": 5, "listxattr": 3, "removexattr": 4,
	"setacl": 6, "getacl": 3, "removeacl": 2,
}

type actions struct {
	*rand.Rand
	ops    []string
	people int
}

// newActions generates actions but those that are left out.
func newActions(seed int64, people int, without map[string]bool) *actions {
	r := &actions{Rand: rand.New(rand.NewSource(seed)), people: people}
	for _, op := range sortedKeys(weights) { // in one order, so that a seed means one sequence
		for range weights[op] {
			if !without[op] {
				r.ops = append(r.ops, op)
			}
		}
	}
	return r
}

func pick[T any](r *actions, from []T) T { return from[r.Intn(len(from))] }

func (r *actions) next() action {
	a := action{
		op: pick(r, r.ops), a: pick(r, names), b: pick(r, names), h: r.Intn(handles), to: r.Intn(handles),
		off: pick(r, offsets), size: pick(r, sizes), mode: pick(r, modes), fill: byte(1 + r.Intn(200)),
	}
	if r.Intn(3) == 0 {
		a.who = r.Intn(r.people)
	}
	switch a.op {
	case "open":
		a.flags = pick(r, openings)
	case "fallocate":
		a.flags = pick(r, allocations)
	case "setacl", "getacl", "removeacl":
		a.a, a.b = pick(r, names[:8]), pick(r, []string{"system.posix_acl_access", "system.posix_acl_default"})
	case "mmap":
		a.off &^= 4095
	case "setxattr", "getxattr", "removexattr":
		a.a, a.b, a.size = pick(r, names[:8]), pick(r, attributes), a.size%500
		a.flags = pick(r, []int{0, 0, 0, unix.XATTR_CREATE, unix.XATTR_REPLACE})
	}
	return a
}
