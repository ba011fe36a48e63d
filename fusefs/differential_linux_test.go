package fusefs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/internal/seed"
	"spacefs/spacedb"
)

// TestDifferential does the same random things on the mount and in a plain
// directory, as root and as others, and compares what every call says and what
// becomes of the files. What it finds it shrinks to the shortest sequence that
// still makes a difference. SPACEFS_FUZZ_SECONDS says how long.
func TestDifferential(t *testing.T) {
	seed, seconds := seed.Of(t), 15
	if s := os.Getenv("SPACEFS_FUZZ_SECONDS"); s != "" {
		seconds, _ = strconv.Atoi(s)
	}
	differ(t, fmt.Sprint(seed), fmt.Sprint(seconds))
}

// differ compares in another process, as programs are: a page fault of ours
// would stop a thread that its answer may need.
func differ(t *testing.T, args ...string) {
	m := mountWith(t, spacedb.Options{Quiet: 10 * time.Millisecond, Delay: 5 * time.Millisecond, Nodes: 20},
		fusefs.Options{AllowOther: os.Getuid() == 0})
	plain := plainDirectory(t)
	m.ok(os.Chmod(m.dir, 0o755))
	for dir := filepath.Dir(m.dir); dir != "/" && dir != os.TempDir() && os.Getuid() == 0; dir = filepath.Dir(dir) { // others must get there
		m.ok(os.Chmod(dir, 0o755))
	}
	cmd := child(t, "differ", append([]string{m.dir, plain}, args...)...)
	var report bytes.Buffer
	cmd.Stdout, cmd.Stderr = &report, &report
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &report)
	}
	t.Log(strings.TrimSpace(report.String()))
}

// pair is the two worlds that must not differ.
type pair struct {
	mount, plain string
	fine         bool
	worlds       int
	done         map[string]int // how often each operation did what it says
}

const (
	roundLength = 150 // actions happen to one tree
	sameAgain   = 100 // runs of a round whose difference depends on timing
)

// plainDirectory is on a disk where /var/tmp is: a tmpfs, as /tmp may be, has its
// own idea of times.
func plainDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "spacefs-plain-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// compareWorlds is differ's other half: mount and plain directory, seed and
// seconds; or, instead of a seed, the name of a sequence that was found once.
func compareWorlds(args []string) error {
	runtime.LockOSThread() // become is about a thread
	unix.Umask(0)
	p := &pair{mount: args[0], plain: args[1], fine: fineTimes(args[1]), done: map[string]int{}}
	if all, ok := found[args[2]]; ok {
		return p.run(all).error()
	}
	seed, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	acting := len(people)
	if os.Getuid() != 0 {
		acting = 1
	}
	r := newActions(seed, acting, unsupported(p.plain))
	rounds := 0
	for end := time.Now().Add(time.Duration(seconds) * time.Second); rounds == 0 || time.Now().Before(end); rounds++ {
		all := make([]action, roundLength)
		for i := range all {
			all[i] = r.next()
		}
		if d := p.run(all); d.op != "" {
			return p.report(seed, rounds, all, d)
		}
	}
	fmt.Printf("%d rounds of %d actions without a difference; times compared: %v; what was done: %v\n", rounds, roundLength, p.fine, p.done)
	for _, op := range r.ops { // else nothing was compared but refusals
		if p.done[op] == 0 && rounds > 200 && acting > 1 {
			return fmt.Errorf("seed %d: %s never did anything", seed, op)
		}
	}
	return nil
}

// refusal matches an outcome with an errno in its first word or two.
var refusal = regexp.MustCompile(`^([0-9a-f]* ){0,2}-?\d* ?E[A-Z]+;?`)

// difference is what came out; of no operation if nothing differs.
type difference struct {
	op, what string
	trees    string // what was on both sides then
	actions  int    // how many it took
}

func (d difference) error() error {
	if d.op == "" {
		return nil
	}
	return errors.New(d.what)
}

// run does a sequence in two new worlds.
func (p *pair) run(all []action) (d difference) {
	p.worlds++
	name := fmt.Sprint("world", p.worlds)
	mount, err := newWorld(filepath.Join(p.mount, name), p.fine)
	if err != nil {
		return difference{op: "begin", what: err.Error()}
	}
	plain, err := newWorld(filepath.Join(p.plain, name), p.fine)
	if err != nil {
		return difference{op: "begin", what: err.Error()}
	}
	defer func() {
		if err := errors.Join(mount.end(), plain.end()); err != nil && d.op == "" {
			d = difference{op: "end", what: err.Error(), actions: len(all)}
		}
	}()
	for i, a := range all {
		got, want := mount.do(a), plain.do(a)
		if !refusal.MatchString(got) {
			p.done[a.op]++
		}
		if got != want {
			return difference{a.op, fmt.Sprintf("action %d %s\n  mount: %s\n  plain: %s", i, a, got, want), trees(mount, plain), i + 1}
		}
	}
	if mount.tree() != plain.tree() {
		return difference{"tree", "the trees differ", trees(mount, plain), len(all)}
	}
	return difference{}
}

func trees(mount, plain *world) string {
	return fmt.Sprintf("--- mount\n%s\n--- plain\n%s", mount.tree(), plain.tree())
}

// report says how to see a difference again, in as few actions as it takes.
func (p *pair) report(seed int64, round int, all []action, d difference) error {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, round %d: %s\n%s\n", seed, round, d.what, d.trees)
	all = all[:d.actions] // what would have come after it does not matter
	if p.run(all).op != d.op {
		seen := 0
		for range sameAgain {
			if p.run(all).op == d.op {
				seen++
			}
		}
		fmt.Fprintf(&b, "the same again made no difference, and %d times more one %d times: it depends on timing; the round up to it:\n", sameAgain, seen)
	} else {
		end := time.Now().Add(time.Minute)
		all = shrink(all, func(some []action) bool { return time.Now().Before(end) && p.run(some).op == d.op })
		d = p.run(all)
		fmt.Fprintf(&b, "%s\n%s\nthe shortest sequence that does it:\n", d.what, d.trees)
	}
	for _, a := range all {
		fmt.Fprintln(&b, "\t"+a.String())
	}
	return errors.New(b.String())
}

// fineTimes says whether two changes of one file that was looked at in between
// always have different times.
func fineTimes(dir string) bool {
	name := filepath.Join(dir, "times")
	defer os.Remove(name)
	var last unix.Timespec
	for i := range 100 {
		var st unix.Stat_t
		if os.WriteFile(name, []byte{byte(i)}, 0o644) != nil || unix.Stat(name, &st) != nil || st.Mtim == last {
			return false
		}
		last = st.Mtim
	}
	return true
}

// unsupported is what the plain directory's filesystem cannot do, and so is no
// measure for.
func unsupported(dir string) map[string]bool {
	without := map[string]bool{}
	a, b := filepath.Join(dir, "probe-a"), filepath.Join(dir, "probe-b")
	_ = errors.Join(os.WriteFile(a, nil, 0o644), os.WriteFile(b, nil, 0o644))
	defer func() { _ = errors.Join(os.Remove(a), os.Remove(b)) }()
	if unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) != nil {
		without["exchange"] = true
	}
	if unix.Setxattr(a, "user.probe", nil, 0) != nil {
		for _, op := range []string{"setxattr", "getxattr", "listxattr", "removexattr"} {
			without[op] = true
		}
	}
	if unix.Setxattr(a, "system.posix_acl_access", accessList(accessLists[1]), 0) != nil {
		for _, op := range []string{"setacl", "getacl", "removeacl"} {
			without[op] = true
		}
	}
	if fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600); err == nil {
		unix.Close(fd)
	} else {
		without["tmpfile"] = true
	}
	if fd, err := unix.Open(a, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		if unix.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 0, 10) != nil {
			without["fallocate"] = true
		}
		unix.Close(fd)
	}
	return without
}
