package spacedb

// Look is the part of a base entry that tells whether the mirror still looks as
// it did.
type Look struct {
	Path        string
	Mode        uint32 // BaseEntry.Mode
	MirrorMode  uint32
	MirrorSize  int64
	MirrorMtime int64
	MirrorCtime int64
	MirrorInode uint64
}

// Looks goes through the looks of a mirror's base in byte order of paths. It
// reads some at a time: what is passed over is not read, and in between the
// snapshot answers other questions.
type Looks struct {
	v      *Snapshot
	mirror int64
	held   []Look
	next   string // from where on nothing was read yet
	end    string // before what; "": to the last one
	done   bool   // there is nothing from next on
	most   int    // to read at a time
	buf    []Look
}

// Where something was passed over, something else soon may be: then little is
// read at a time.
const (
	looksLeast = 16
	looksMost  = 512
)

// Looks begins at a path, "" for the whole base, and ends with what is below it.
func (v *Snapshot) Looks(mirror int64, top string) (*Looks, error) {
	l := &Looks{v: v, mirror: mirror, most: looksLeast}
	if top == "" {
		return l, nil
	}
	l.next, l.end = top+"/", top+"0" // the byte after '/'
	err := v.conn.query(l.scan, looksQuery+` AND path = ?`, mirror, []byte(top))
	l.held = l.buf
	return l, err
}

const looksQuery = `SELECT path, mode, m_mode, m_size, m_mtime, m_ctime, m_inode FROM base WHERE mirror = +?`

func (l *Looks) scan(r row) error {
	l.buf = append(l.buf, Look{
		Path: r.text(0), Mode: uint32(r.int(1)), MirrorMode: uint32(r.int(2)), MirrorSize: r.int(3),
		MirrorMtime: r.int(4), MirrorCtime: r.int(5), MirrorInode: uint64(r.int(6)),
	})
	return nil
}

// Before returns the next one if it is before a path, else nil. It is valid until
// the next call.
func (l *Looks) Before(path string) (*Look, error) {
	if len(l.held) == 0 && l.next >= path {
		return nil, nil // without a look
	}
	b, err := l.Next()
	if b != nil && b.Path >= path {
		b = nil
	}
	return b, err
}

// Next returns the next one, nil at the end.
func (l *Looks) Next() (*Look, error) {
	if len(l.held) == 0 && !l.done {
		if err := l.read(); err != nil {
			return nil, err
		}
	}
	if len(l.held) == 0 {
		return nil, nil
	}
	return &l.held[0], nil
}

func (l *Looks) read() (err error) {
	l.buf = l.buf[:0]
	if l.end == "" {
		err = l.v.conn.query(l.scan, looksQuery+` AND path >= ? ORDER BY path LIMIT ?`, l.mirror, []byte(l.next), l.most)
	} else {
		err = l.v.conn.query(l.scan, looksQuery+` AND path >= ? AND path < ? ORDER BY path LIMIT ?`, l.mirror, []byte(l.next), []byte(l.end), l.most)
	}
	if err != nil {
		return err
	}
	l.held = l.buf
	l.done = len(l.held) < l.most
	if !l.done {
		l.next = l.held[len(l.held)-1].Path + "\x00"
	}
	l.most = min(2*l.most, looksMost)
	return nil
}

// Take goes on to the one after that.
func (l *Looks) Take() { l.held = l.held[1:] }

// Pass goes on to the first one at or after a path.
func (l *Looks) Pass(path string) {
	for len(l.held) > 0 && l.held[0].Path < path {
		l.held = l.held[1:]
	}
	if len(l.held) == 0 && l.next < path {
		l.next, l.most = path, looksLeast
	}
}

// PassAll goes on to the end.
func (l *Looks) PassAll() { l.held, l.done = nil, true }
