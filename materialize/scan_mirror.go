package materialize

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// observation is a mirror's entry with what stat(2) said of it.
type observation struct {
	conflict.Entry
	stat stamp
}

// stamp is what tells, without reading, that a file is the one we saw.
type stamp struct {
	mode  uint32
	size  int64
	mtime int64
	ctime int64
	inode uint64
}

func stampOf(info fs.FileInfo) stamp {
	ctime, inode := changeTime(info)
	s := stamp{mode: spacedb.UnixMode(info.Mode()), mtime: info.ModTime().UnixNano(), ctime: ctime, inode: inode}
	if info.Mode().IsRegular() {
		s.size = info.Size()
	}
	return s
}

// tick is more than the grain of any filesystem's clock. What changed less than
// that ago may change again without looking any different.
const tick = 20 * time.Millisecond

// settled clears the change time of a stamp that is too fresh to be trusted, so
// that the file is read again next time.
func (s stamp) settled(now time.Time) stamp {
	if now.UnixNano()-s.ctime < int64(tick) {
		s.ctime = 0
	}
	return s
}

// baseStamp is what the mirror's side looked like when the base was set. A
// directory's times and size change with every entry, and say nothing.
func baseStamp(b spacedb.BaseEntry) stamp {
	return stamp{b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode}
}

// mirrorScan is the mirror's side of a sync.
type mirrorScan struct {
	changed map[string]observation // differs from the base; Absent: gone
	touched map[string]observation // same as the base, but looks different
	failed  failures               // unreadable: protected, with what is below
	notices []string
	scanned int
}

type mirrorScanner struct {
	ctx   context.Context
	root  *os.Root
	base  map[string]spacedb.BaseEntry
	junk  func(string) bool
	now   func() time.Time
	found map[string]struct{}
	out   *mirrorScan
	step  func()
}

// scanMirror walks the mirror and reads what is not as the base remembers it.
func scanMirror(ctx context.Context, m *mirrorDir, base map[string]spacedb.BaseEntry, junk func(string) bool, now func() time.Time, step func()) (*mirrorScan, error) {
	s := &mirrorScanner{
		ctx: ctx, root: m.root, base: base, junk: junk, now: now, step: step, found: make(map[string]struct{}, len(base)),
		out: &mirrorScan{changed: map[string]observation{}, touched: map[string]observation{}},
	}
	top, err := m.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("scan the mirror %s: %w", m.path, err)
	}
	defer top.Close()
	if err := s.directory("", top); err != nil {
		return nil, err
	}
	// What could not be looked at must not pass for deleted.
	for p := range base {
		if _, ok := s.found[p]; !ok && !s.out.failed.cover(p) {
			s.out.changed[p] = observation{}
		}
	}
	return s.out, nil
}

func (s *mirrorScanner) directory(path string, d *os.File) error {
	entries, err := d.ReadDir(-1)
	if err != nil {
		s.fail(path, err)
		return nil
	}
	for _, e := range entries {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		p := join(path, e.Name())
		if p == stateDir || s.junk(p) {
			s.removeLeftover(p, e.Name())
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went while we looked
		}
		if err != nil {
			s.fail(p, err)
			continue
		}
		s.out.scanned++
		s.step()
		if err := s.entry(p, info); err != nil {
			return err
		}
	}
	return nil
}

// removeLeftover takes away what a killed sync had staged.
func (s *mirrorScanner) removeLeftover(path, name string) {
	if strings.HasPrefix(name, stagedPrefix) {
		_ = s.root.Remove(path) // the next scan tries again
	}
}

func (s *mirrorScanner) fail(p string, err error) {
	s.out.failed.add(p, cause(err))
}

// cause is an error without the path, which is said once, by who reports it.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func (s *mirrorScanner) entry(p string, info fs.FileInfo) error {
	o := observation{stat: stampOf(info)}
	b, known := s.base[p]
	// The mode that was agreed on, if this filesystem only shows it otherwise.
	o.Mode = o.stat.mode & permMask
	if known && b.MirrorMode == o.stat.mode {
		o.Mode = b.Mode & permMask
	}
	o.Mtime, o.Size = o.stat.mtime, o.stat.size
	s.found[p] = struct{}{}
	switch mode := info.Mode(); {
	case mode.IsDir():
		o.Kind = conflict.Directory
		s.keep(p, o, known, b)
		return s.descend(p)
	case mode&fs.ModeSymlink != 0:
		o.Kind, o.Mode = conflict.Symlink, 0
		target, err := s.root.Readlink(p)
		if err != nil {
			s.fail(p, err)
			return nil
		}
		o.Target = target
	case mode.IsRegular():
		o.Kind = conflict.File
		if known && baseStamp(b) == o.stat && b.Mode&spacedb.TypeMask == spacedb.TypeRegular {
			return nil
		}
		var err error
		if o, err = s.read(p, o); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				delete(s.found, p)
				return nil
			}
			s.fail(p, err)
			return nil
		}
	default:
		delete(s.found, p)
		s.out.notices = append(s.out.notices, p+": skipped, special file")
		return nil
	}
	s.keep(p, o, known, b)
	return nil
}

// keep notes an entry that is not, or does not look, as the base has it.
func (s *mirrorScanner) keep(p string, o observation, known bool, b spacedb.BaseEntry) {
	switch {
	case !known || !o.Entry.Same(baseEntry(b)):
		s.out.changed[p] = o
	case o.Kind == conflict.File:
		s.out.touched[p] = o
	}
}

func (s *mirrorScanner) descend(p string) error {
	d, err := s.root.Open(p)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.fail(p, err)
		}
		return nil
	}
	defer d.Close()
	return s.directory(p, d)
}

var errMoved = errors.New("it changes while it is read; the next sync looks again")

// read hashes a file that does not change meanwhile.
func (s *mirrorScanner) read(p string, o observation) (observation, error) {
	for range 3 {
		f, err := openFile(s.root, p)
		if err != nil {
			return o, err
		}
		before, sum, after, err := hashFile(f, io.Discard)
		f.Close()
		if err != nil {
			return o, err
		}
		if before == after {
			o.stat, o.Hash, o.Size, o.Mtime = after.settled(s.now()), sum, after.size, after.mtime
			return o, nil
		}
	}
	return o, errMoved
}

// openFile opens a regular file and nothing else: a fifo would block.
func openFile(root *os.Root, p string) (*os.File, error) {
	f, err := root.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, errMoved)
	}
	return f, nil
}

// hashFile copies a file to w and tells what it looked like before and after.
func hashFile(f *os.File, w io.Writer) (before stamp, sum conflict.Hash, after stamp, err error) {
	info, err := f.Stat()
	if err != nil {
		return before, sum, after, err
	}
	before = stampOf(info)
	h := sha256.New()
	if _, err = io.Copy(io.MultiWriter(h, w), f); err != nil {
		return before, sum, after, err
	}
	h.Sum(sum[:0])
	if info, err = f.Stat(); err == nil {
		after = stampOf(info)
	}
	return before, sum, after, err
}

// permMask is what of a mode a sync compares: set-id bits are not a document's.
const permMask = 0o777

func baseEntry(b spacedb.BaseEntry) conflict.Entry {
	e := conflict.Entry{Mode: b.Mode & permMask, Mtime: b.MirrorMtime}
	switch b.Mode & spacedb.TypeMask {
	case spacedb.TypeDir:
		e.Kind = conflict.Directory
	case spacedb.TypeSymlink:
		e.Kind, e.Target, e.Mode = conflict.Symlink, b.Target, 0
	default:
		e.Kind, e.Hash, e.Size = conflict.File, conflict.Hash(b.SHA256), b.Size
	}
	return e
}
