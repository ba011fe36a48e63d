package fusefs

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// visitor is the thread that makes our system calls inside our own mount.
//
// A process that is killed ends only when each of its threads does, and a thread
// that waits for the mount's answer does not before it has it or /dev/fuse is
// closed, which happens when the last thread that has it ends: killed at that
// moment, the process would stay for ever and the mount hang with it. So this
// thread has a table of open files of its own (unshare(2), CLONE_FILES), with
// next to nothing in it.
//
// It makes plain system calls and nothing else. Above all it does not ask the
// store: SQLite's locks belong to the table of files that they were taken with.
type visitor struct {
	jobs  chan func()
	ended chan struct{}
	done  sync.WaitGroup

	// still is held during a visit, and while the kernel forgets a name, for which it
	// waits for whoever is in the directory. Were that a visit, and the process killed,
	// the visit would wait for the end of the thread that waits for it.
	still sync.Mutex
}

// newVisitor takes the number of the open /dev/fuse. Stop it.
func newVisitor(device int) *visitor {
	v := &visitor{jobs: make(chan func()), ended: make(chan struct{})}
	v.done.Add(1)
	away := make(chan struct{})
	go v.run(device, away)
	<-away
	return v
}

func (v *visitor) run(device int, away chan<- struct{}) {
	// It is not unlocked: the thread ends with this goroutine. The runtime starts
	// no other thread from a locked one, so nobody else gets the table.
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread does not end, and its files are what /proc/self shows. As
		// long as it is locked here, another goroutine is on another thread.
		left := make(chan struct{})
		go v.run(device, left)
		<-left
		runtime.UnlockOSThread()
		close(away)
		return
	}
	defer v.done.Done()
	leaveFiles(device)
	close(away)
	for {
		select {
		case work := <-v.jobs:
			work()
		case <-v.ended:
			return
		}
	}
}

// leaveFiles gives the calling thread a table of files of its own. It keeps those
// of the runtime's poller, which any thread may have to wake.
func leaveFiles(device int) {
	time.Sleep(time.Nanosecond) // the poller is there from the first timer on
	if unix.Unshare(unix.CLONE_FILES) != nil {
		return // then it is as dangerous as it was
	}
	unix.Close(device)
	entries, err := os.ReadDir("/proc/thread-self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		what, _ := os.Readlink("/proc/thread-self/fd/" + e.Name())
		if err == nil && fd > 2 && what != "anon_inode:[eventpoll]" && what != "anon_inode:[eventfd]" {
			unix.Close(fd)
		}
	}
}

// do runs work on the thread and waits for it; after stop it does nothing.
func (v *visitor) do(work func()) {
	v.still.Lock()
	defer v.still.Unlock()
	done := make(chan struct{})
	select {
	case v.jobs <- func() { defer close(done); work() }:
		<-done
	case <-v.ended:
	}
}

// keptOut runs work while nobody visits.
func (v *visitor) keptOut(work func()) {
	v.still.Lock()
	defer v.still.Unlock()
	work()
}

func (v *visitor) stop() {
	close(v.ended)
	v.done.Wait()
}
