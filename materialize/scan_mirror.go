package materialize

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
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
	glances []spacedb.Glance // of directories that are as the base has them
}

type mirrorScanner struct {
	ctx   context.Context
	root  *os.Root
	base  *baseline
	junk  func(string) bool
	alone *ignoring
	now   func() time.Time
	step  func()
	// enter is told of each directory before it is listed; it may be nil.
	enter func(path string, d directory)
	out   *mirrorScan
	// attributes: extended ones count; anew: and nobody has looked at them yet.
	attributes, anew bool
	lastSync         time.Time

	looks   *spacedb.Looks
	glances *spacedb.Glances    // nil: not asked
	differ  map[string]struct{} // directories in which something is not as the base has it
}

// scan walks the mirror beside the base and reads what is not as the base
// remembers it.
func (s *mirrorScanner) scan(f *focus, space *spaceScan) (*mirrorScan, error) {
	s.out = &mirrorScan{changed: map[string]observation{}, touched: map[string]observation{}}
	var err error
	if f != nil {
		err = s.focused(f, space)
	} else {
		err = s.tree("")
	}
	return s.out, err
}

// tree compares what is at and below top with the base, both in byte order. A
// directory that is all as the base has it is recognised at a glance, and nothing
// about its entries is read. Where extended attributes count, a directory's own
// are seen by its ctime, which a glance leaves out.
func (s *mirrorScanner) tree(top string) (err error) {
	hooks := walkHooks{enter: s.enter, list: s.alone.listed, skip: s.skip}
	if top == "" {
		s.alone.all()
	}
	if top == "" && !s.attributes {
		hooks.sums = true
		s.glances, s.differ = s.base.snapshot.Glances(s.base.mirror), map[string]struct{}{}
	}
	w := startWalk(s.ctx, s.root, top, hooks)
	defer w.end()
	if s.looks, err = s.base.snapshot.Looks(s.base.mirror, top); err != nil {
		return err
	}
	for it := w.next(); it != nil; it = w.next() {
		if err := s.stretch(it); err != nil {
			return err
		}
		w.pass()
	}
	for {
		b, err := s.looks.Next()
		if err == nil && b != nil {
			err = s.missing(b.Path)
		}
		if err != nil || b == nil {
			s.keepGlances()
			return errors.Join(err, s.ctx.Err())
		}
	}
}

func (s *mirrorScanner) stretch(it *stretch) error {
	if it.err != nil {
		if it.path == "" {
			return it.err
		}
		s.fail(it.path, it.err)
		return nil
	}
	key := spacedb.GlanceKey(it.in.path)
	if s.glances != nil && it.after == "" {
		var err error
		if it.in.same, err = s.glances.Is(key, it.in.sum); err != nil {
			return err
		}
		if !it.in.same {
			s.out.glances = append(s.out.glances, spacedb.Glance{Dir: key, Sum: it.in.sum}) // if nothing differs
		}
	}
	if it.in.same {
		return s.same(it, key)
	}
	for i := range it.entries {
		if err := s.entry(join(it.in.path, it.entries[i].name), &it.entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// same passes over what looks as the base has it, and over the base's rows.
func (s *mirrorScanner) same(it *stretch, key string) error {
	from := key
	if it.after != "" {
		from = key + it.after + "0" // the byte after '/': where what is in that directory ends
	}
	if err := s.missingBefore(from); err != nil {
		return err
	}
	switch {
	case it.before != "":
		s.looks.Pass(key + it.before + "/")
	case it.in.path != "":
		s.looks.Pass(it.in.path + "0")
	default:
		s.looks.PassAll()
	}
	s.out.scanned += len(it.entries)
	for range it.entries {
		s.step()
	}
	return nil
}

// missingBefore is about what the base has before a path, and the mirror has not.
func (s *mirrorScanner) missingBefore(path string) error {
	for {
		b, err := s.looks.Before(path)
		if err != nil || b == nil {
			return err
		}
		if err := s.missing(b.Path); err != nil {
			return err
		}
	}
}

// missing is what the base has and the mirror has not. What could not be looked
// at must not pass for deleted.
func (s *mirrorScanner) missing(p string) error {
	if err := s.ctx.Err(); err != nil { // the walk has ended early
		return err
	}
	s.looks.Take()
	s.unlike(p)
	if s.out.failed.cover(p) {
		return nil
	}
	s.out.changed[p] = observation{}
	_, _, err := s.base.at(p)
	return err
}

// unlike notes that a directory holds something that is not as the base has it.
func (s *mirrorScanner) unlike(path string) {
	if s.differ != nil {
		dir, _ := splitPath(path)
		s.differ[spacedb.GlanceKey(dir)] = struct{}{}
	}
}

// keepGlances leaves the glances of those directories that are as the base has
// them.
func (s *mirrorScanner) keepGlances() {
	s.out.glances = slices.DeleteFunc(s.out.glances, func(g spacedb.Glance) bool {
		_, differs := s.differ[g.Dir]
		return differs
	})
}

// skip passes over what is ours and what is junk, and takes away what a killed
// sync had staged.
func (s *mirrorScanner) skip(dir string, e listed) bool {
	if dir == "" && e.name == stateDir {
		return true
	}
	if !s.junk(e.name) {
		// What decides has been read, else the directory would have failed.
		ignored, _ := s.alone.entry(dir, e.name, e.stat.isDir())
		return ignored
	}
	if stagedName.MatchString(e.name) {
		_ = s.root.RemoveAll(join(dir, e.name)) // the next scan tries again
	}
	return true
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
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err.Error()
	}
	return err.Error()
}

func (s *mirrorScanner) entry(p string, e *listed) error {
	if e.err != nil {
		s.unlike(p)
		s.fail(p, e.err)
		return nil
	}
	if err := s.missingBefore(p); err != nil {
		return err
	}
	s.out.scanned++
	s.step()
	b, err := s.looks.Before(p + "\x00")
	if err != nil {
		return err
	}
	known := b != nil
	same := known && s.unchanged(e.stat, b)
	if known {
		s.looks.Take()
	}
	if same {
		return nil
	}
	s.unlike(p)
	return s.differs(p, e.stat, known)
}

// unchanged says that an entry is, without a look inside, what the base has. A
// directory's times and size change with every entry, and say nothing but that
// its attributes may have changed.
func (s *mirrorScanner) unchanged(st stamp, b *spacedb.Look) bool {
	if s.anew || st.mode != b.MirrorMode || st.mode&spacedb.TypeMask != b.Mode&spacedb.TypeMask {
		return false
	}
	if st.isDir() {
		return !s.attributes || st.ctime == b.MirrorCtime
	}
	return st == stamp{b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode}
}

// differs looks closer at what does not look as the base has it.
func (s *mirrorScanner) differs(p string, st stamp, known bool) (err error) {
	var b spacedb.BaseEntry
	if known {
		if b, known, err = s.base.at(p); err != nil {
			return err
		}
	}
	o, err := s.observe(p, st, b, known)
	switch {
	case isGone(err):
		o = observation{}
	case err != nil:
		s.fail(p, err)
		return nil
	}
	switch {
	case o.Kind == conflict.Absent && !known:
	case !known || !o.Entry.Same(baseEntry(b)):
		s.out.changed[p] = o
	case o.Kind != conflict.Directory || s.attributes:
		s.out.touched[p] = o
	}
	return nil
}

// observe is a closer look at an entry, whose base b is if it has one; what a
// mirror does not hold, like a special file, is Absent.
func (s *mirrorScanner) observe(p string, st stamp, b spacedb.BaseEntry, known bool) (o observation, err error) {
	o.stat = st
	// The mode that was agreed on, if this filesystem only shows it otherwise.
	o.Mode = st.mode & permMask
	if known && b.MirrorMode == st.mode {
		o.Mode = b.Mode & permMask
	}
	o.Mtime, o.Size, o.Inode, o.Changed = st.mtime, st.size, st.inode, st.ctime
	switch st.mode & spacedb.TypeMask {
	case spacedb.TypeDir:
		o.Kind = conflict.Directory
		if s.attributes {
			o.stat = st.settled(s.now())
			o.Attributes, err = attributesAt(s.root, p)
		}
	case spacedb.TypeSymlink:
		o.Kind, o.Mode = conflict.Symlink, 0
		o.Target, err = s.root.Readlink(p)
	case spacedb.TypeRegular:
		o.Kind = conflict.File
		o, err = s.read(p, o)
		s.mistrustAttributes(p, &o, b)
	default:
		s.out.notices = append(s.out.notices, p+": skipped, special file")
		o = observation{}
	}
	return o, err
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
		if err == nil && s.attributes {
			if o.Attributes, err = readAttributes(int(f.Fd())); err == nil {
				after, err = stampOfFile(f)
			}
		}
		f.Close()
		if err != nil {
			return o, err
		}
		if before == after {
			o.stat, o.Hash, o.Size, o.Mtime, o.Changed = after.settled(s.now()), sum, after.size, after.mtime, after.ctime
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
	if before, err = stampOfFile(f); err != nil {
		return before, sum, after, err
	}
	h := sha256.New()
	if _, err = io.Copy(io.MultiWriter(h, w), f); err != nil {
		return before, sum, after, err
	}
	h.Sum(sum[:0])
	after, err = stampOfFile(f)
	return before, sum, after, err
}

func stampOfFile(f *os.File) (stamp, error) {
	info, err := f.Stat()
	if err != nil {
		return stamp{}, err
	}
	return stampOf(info), nil
}

// mistrustAttributes: a file that lacks some is another one than the base knows,
// whatever its inode number says, if it was made since.
func (s *mirrorScanner) mistrustAttributes(p string, o *observation, b spacedb.BaseEntry) {
	if !o.Attributes.Lacks(b.Attributes) || o.Inode != b.MirrorInode {
		return
	}
	since := b.MirrorCtime
	if since == 0 {
		since = s.lastSync.UnixNano()
	}
	if born, known := bornAt(s.root, p); known && born > since {
		o.Inode = 0
	}
}

// permMask is what of a mode a sync compares: set-id bits are not a document's.
const permMask = 0o777
