package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// disk is a filesystem of one directory that remembers what was synced. On a
// cut it tells what a power loss would have left: everything that was synced,
// and of the rest whatever the way of forgetting says. It is stricter than real
// ones: syncing a file does not sync its name.
//
// It runs in a process of its own, so that nobody waits for himself.
type disk struct {
	fs.Inode
	mu      sync.Mutex    // guards all below, and every diskFile
	deaf    bool          // pretends to sync
	refuses syscall.Errno // what writing and syncing fail with; 0: they do not
	only    int           // the how manieth call from now on is refused; 0: all are
	synced  map[string]*diskFile
	pending []nameChange
	serial  uint64
}

// diskFile is a file's content now, and how it came to be since the last sync.
type diskFile struct {
	fs.Inode
	disk    *disk
	now     []byte
	synced  []byte
	pending []dataChange
}

// dataChange is a write or, with data nil, a new size.
type dataChange struct {
	off  int64
	data []byte
}

// nameChange gives a name to a file, after taking another from it.
type nameChange struct {
	name string
	file *diskFile // nil: the name goes
	from string    // "": it had none
}

func (c dataChange) apply(content []byte) []byte {
	if c.data == nil {
		return resized(content, c.off)
	}
	if end := c.off + int64(len(c.data)); end > int64(len(content)) {
		content = resized(content, end)
	}
	copy(content[c.off:], c.data)
	return content
}

func resized(content []byte, size int64) []byte {
	if size <= int64(len(content)) {
		return content[:size:size]
	}
	return append(content, make([]byte, size-int64(len(content)))...)
}

func (c nameChange) apply(names map[string]*diskFile) {
	if c.from != "" {
		delete(names, c.from)
	}
	if c.file == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.file
	}
}

func (f *diskFile) change(c dataChange) {
	f.now = c.apply(f.now)
	f.pending = append(f.pending, c)
}

func (f *diskFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (f *diskFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	out.Size, out.Mode, out.Nlink = uint64(len(f.now)), 0o600, 1
	return 0
}

func (f *diskFile) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if size, ok := in.GetSize(); ok {
		f.change(dataChange{off: int64(size)})
	}
	out.Size, out.Mode, out.Nlink = uint64(len(f.now)), 0o600, 1
	return 0
}

func (f *diskFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n := 0
	if off < int64(len(f.now)) {
		n = copy(dest, f.now[off:])
	}
	return fuse.ReadResultData(dest[:n]), 0
}

func (f *diskFile) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if errno := f.disk.refusal(false); errno != 0 {
		return 0, errno
	}
	f.change(dataChange{off, append([]byte{}, data...)})
	return uint32(len(data)), 0
}

func (f *diskFile) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if errno := f.disk.refusal(true); errno != 0 || f.disk.deaf {
		return errno
	}
	for _, c := range f.pending {
		f.synced = c.apply(f.synced)
	}
	f.pending = nil
	return 0
}

// refusal is what a write or a sync fails with. A disk that is full still syncs.
func (d *disk) refusal(sync bool) syscall.Errno {
	if d.refuses == 0 || sync && d.refuses == syscall.ENOSPC {
		return 0
	}
	errno := d.refuses
	if d.only > 0 {
		if d.only--; d.only > 0 {
			return 0
		}
		d.refuses = 0
	}
	return errno
}

func (d *disk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.pending {
		c.apply(d.synced)
	}
	d.pending = nil
	return 0
}

func (d *disk) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &diskFile{disk: d}
	d.pending = append(d.pending, nameChange{name: name, file: f})
	d.serial++
	out.Mode, out.Nlink = 0o600, 1
	return d.NewInode(ctx, f, fs.StableAttr{Mode: syscall.S_IFREG, Ino: 100 + d.serial}), nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (d *disk) Link(_ context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := target.(*diskFile)
	d.pending = append(d.pending, nameChange{name: name, file: f})
	out.Size, out.Mode, out.Nlink = uint64(len(f.now)), 0o600, 1
	return f.EmbeddedInode(), 0
}

func (d *disk) Unlink(_ context.Context, name string) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending = append(d.pending, nameChange{name: name})
	return 0
}

func (d *disk) Rename(_ context.Context, name string, _ fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, _ := d.GetChild(name).Operations().(*diskFile)
	d.pending = append(d.pending, nameChange{name: newName, file: f, from: name})
	return 0
}

func (d *disk) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.Blocks, out.Bfree, out.Bavail, out.NameLen = 4096, 4096, 1<<28, 1<<28, 1<<28, 255
	return 0
}

// The ways of forgetting what was not synced.
var forgetting = map[string]func(*rand.Rand, []byte, []dataChange) []byte{
	"everything": func(_ *rand.Rand, content []byte, _ []dataChange) []byte { return content },
	"nothing": func(_ *rand.Rand, content []byte, pending []dataChange) []byte {
		for _, c := range pending {
			content = c.apply(content)
		}
		return content
	},
	"the end": func(rng *rand.Rand, content []byte, pending []dataChange) []byte {
		for _, c := range pending[:rng.Intn(len(pending)+1)] {
			content = c.apply(content)
		}
		return content
	},
	"some": func(rng *rand.Rand, content []byte, pending []dataChange) []byte {
		for _, c := range pending {
			if rng.Intn(2) == 0 {
				content = c.apply(content)
			}
		}
		return content
	},
	"the order": func(rng *rand.Rand, content []byte, pending []dataChange) []byte {
		for _, i := range rng.Perm(len(pending)) {
			if rng.Intn(4) > 0 {
				content = pending[i].apply(content)
			}
		}
		return content
	},
	"sectors": func(rng *rand.Rand, content []byte, pending []dataChange) []byte {
		const sector = 512
		for _, c := range pending {
			if c.data == nil {
				if rng.Intn(2) == 0 {
					content = c.apply(content)
				}
				continue
			}
			for from := int64(0); from < int64(len(c.data)); {
				to := min((c.off+from)/sector*sector+sector-c.off, int64(len(c.data)))
				if rng.Intn(2) == 0 {
					content = dataChange{c.off + from, c.data[from:to]}.apply(content)
				}
				from = to
			}
		}
		return content
	},
}

// cut writes what a power loss at this moment leaves into dir.
func (d *disk) cut(seed int64, way, dir string) error {
	forget := forgetting[way]
	if forget == nil {
		return fmt.Errorf("no way of forgetting is called %q", way)
	}
	rng := rand.New(rand.NewSource(seed))
	d.mu.Lock()
	names := map[string]*diskFile{}
	for name, f := range d.synced {
		names[name] = f
	}
	// The names' changes are journaled on any filesystem: a prefix survives.
	kept := rng.Intn(len(d.pending) + 1)
	switch way {
	case "everything":
		kept = 0
	case "nothing":
		kept = len(d.pending)
	}
	for _, c := range d.pending[:kept] {
		c.apply(names)
	}
	contents := map[string][]byte{}
	for name, f := range names {
		contents[name] = forget(rng, append([]byte(nil), f.synced...), f.pending)
	}
	d.mu.Unlock()
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// serveDisk is the disk's process: it mounts at a directory and obeys lines on
// standard input, each answered by a line, until that ends.
func serveDisk(dir string) error {
	d := &disk{synced: map[string]*diskFile{}}
	long := time.Hour
	server, err := fs.Mount(dir, d, &fs.Options{
		EntryTimeout: &long, AttrTimeout: &long,
		MountOptions: fuse.MountOptions{FsName: "disk", Name: "testdisk", DirectMount: true, MaxWrite: 1 << 20},
	})
	if err != nil {
		return err
	}
	fmt.Println("ok")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		err := d.obey(strings.Split(in.Text(), "\t"))
		if err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
	return errors.Join(server.Unmount(), unix.Unmount(dir, unix.MNT_DETACH))
}

func (d *disk) obey(words []string) error {
	switch {
	case words[0] == "deaf":
		d.mu.Lock()
		defer d.mu.Unlock()
		d.deaf = true
		return nil
	case words[0] == "refuse" && len(words) == 3:
		d.mu.Lock()
		defer d.mu.Unlock()
		_, err := fmt.Sscan(words[1]+" "+words[2], (*uintptr)(&d.refuses), &d.only)
		return err
	case words[0] == "refused":
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.refuses != 0 {
			return errNotYet
		}
		return nil
	case words[0] == "cut" && len(words) == 4:
		var seed int64
		if _, err := fmt.Sscan(words[1], &seed); err != nil {
			return err
		}
		return d.cut(seed, words[2], words[3])
	}
	return errors.New("there is no such order")
}

// errNotYet: what is to be refused was not asked for yet.
var errNotYet = errors.New("not yet")

// diskProcess is the other end.
type diskProcess struct {
	cmd *exec.Cmd
	in  *bufio.Scanner
	out func(format string, args ...any) error
}

func startDisk(dir string) (*diskProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, dir)
	cmd.Env = append(os.Environ(), roleVariable+"=disk")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // it ends with it
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &diskProcess{cmd: cmd, in: bufio.NewScanner(out)}
	p.out = func(format string, args ...any) error {
		_, err := fmt.Fprintf(in, format+"\n", args...)
		return err
	}
	if err := p.answer(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *diskProcess) answer() error {
	if !p.in.Scan() {
		return errors.New("the disk's process ended")
	}
	if text := p.in.Text(); text != "ok" {
		return errors.New(text)
	}
	return nil
}

func (p *diskProcess) cut(seed int64, way, dir string) error {
	return errors.Join(p.out("cut\t%d\t%s\t%s", seed, way, dir), p.answer())
}

// refuse makes writing and syncing fail; 0 ends that.
func (p *diskProcess) refuse(errno syscall.Errno) error {
	return errors.Join(p.out("refuse\t%d\t0", uintptr(errno)), p.answer())
}

// refuseOnce makes the nth write or sync from now on fail, and no other.
func (p *diskProcess) refuseOnce(errno syscall.Errno, nth int) error {
	return errors.Join(p.out("refuse\t%d\t%d", uintptr(errno), nth), p.answer())
}

// refused says whether that has happened.
func (p *diskProcess) refused() (bool, error) {
	err := errors.Join(p.out("refused"), p.answer())
	if err != nil && err.Error() == errNotYet.Error() {
		return false, nil
	}
	return err == nil, err
}

func (p *diskProcess) deaf() error { return errors.Join(p.out("deaf"), p.answer()) }

func (p *diskProcess) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
