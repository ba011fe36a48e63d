package spacedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ErrNoRevision: the document has no such revision.
var ErrNoRevision = errors.New("no such revision")

// revisionRecord is a revision with what only this package needs of it.
type revisionRecord struct {
	Revision
	id     int64
	chunks []byte
}

// History lists the revisions of the document at path, newest first; of the
// document that was there last, if there is none now. ErrNotFound when the path
// never held one.
func (s *Store) History(path string) (list []Revision, err error) {
	v, err := s.Snapshot(context.Background())
	if err != nil {
		return nil, err
	}
	defer v.Close()
	d, err := v.document(path)
	if err != nil {
		return nil, err
	}
	err = v.revisions(d, func(r revisionRecord) { list = append(list, r.Revision) }, `ORDER BY number DESC`)
	return list, err
}

// documentAt is the document that a path stands for.
type documentAt struct {
	id      int64  // 0: not sealed yet
	live    NodeID // 0: nothing is at the path
	current int64  // the revision that live holds; 0: it was changed since, or none
}

func (v *Snapshot) document(path string) (d documentAt, err error) {
	it, err := v.Item(path)
	switch {
	case err == nil && it.Attr.IsDir():
		return d, ErrIsDir
	case err == nil:
		d.live = it.Attr.ID
		_, err = v.conn.one(func(r row) error {
			d.id = r.int(0)
			if r.int(2) == 1 {
				d.current = r.int(1)
			}
			return nil
		}, `SELECT document, revision, sealed FROM node WHERE id = ?`, d.live)
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNotDir):
		err = nil
	}
	if err != nil {
		return d, err
	}
	if d.id == 0 {
		// Nothing is there, or something that was not sealed yet: then the
		// history that waits at the path is the one it will go on with.
		_, err = v.conn.one(func(r row) error { d.id = r.int(0); return nil },
			`SELECT id FROM document WHERE path = ? ORDER BY deleted DESC, id DESC LIMIT 1`, []byte(path))
		if err != nil {
			return d, err
		}
	}
	if d.id == 0 && d.live == 0 {
		return d, ErrNotFound
	}
	return d, nil
}

const revisionColumns = `SELECT revision.id, uuid, number, revision.path, time, origin, run, mode, size, sha256, lost, chunks, revision.mtime
	FROM revision JOIN document ON document.id = revision.document `

func scanRevision(r row, current int64) revisionRecord {
	return revisionRecord{
		Revision: Revision{
			Document: r.text(1), Number: int(r.int(2)), Path: r.text(3), Time: time.Unix(0, r.int(4)),
			Origin: Origin(r.int(5)), Run: r.int(6), Mode: uint32(r.int(7)), Size: r.int(8), SHA256: r.hash(9),
			Lost: r.int(10) == 1, Current: r.int(0) == current, Mtime: time.Unix(0, r.int(12)),
		},
		id: r.int(0), chunks: append([]byte(nil), r.bytes(11)...),
	}
}

// revisions calls fn for the revisions of a document that match.
func (v *Snapshot) revisions(d documentAt, fn func(revisionRecord), which string, args ...any) error {
	return v.conn.query(func(r row) error {
		fn(scanRevision(r, d.current))
		return nil
	}, revisionColumns+`WHERE document = ? `+which, append([]any{d.id}, args...)...)
}

// OpenRevision reads one revision of the document at path. rev is a number, a
// prefix of at least 4 digits of its hash, a time (RFC 3339, or a date: what
// the document held then), or "" for the content now, sealed or not.
func (s *Store) OpenRevision(path, rev string) (io.ReadCloser, Revision, error) {
	v, err := s.Snapshot(context.Background())
	if err != nil {
		return nil, Revision{}, err
	}
	content, r, err := v.openRevision(path, rev)
	if err != nil {
		return nil, Revision{}, errors.Join(err, v.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{content, v}, r, nil
}

func (v *Snapshot) openRevision(path, rev string) (io.Reader, Revision, error) {
	d, err := v.document(path)
	if err != nil {
		return nil, Revision{}, err
	}
	if rev == "" {
		return v.openCurrent(path, d)
	}
	r, err := v.pickRevision(d, rev)
	if err != nil {
		return nil, Revision{}, err
	}
	content, err := v.openChunks(r.id, r.chunks, r.Size)
	return content, r.Revision, err
}

// openCurrent reads what is at the path now. Of a content that is not sealed
// there is no revision to tell of.
func (v *Snapshot) openCurrent(path string, d documentAt) (io.Reader, Revision, error) {
	if d.live == 0 {
		return nil, Revision{}, ErrNotFound
	}
	it, err := v.Item(path)
	if err != nil {
		return nil, Revision{}, err
	}
	r := Revision{Path: path, Mode: it.Attr.Mode, Size: it.Attr.Size, SHA256: it.SHA256, Time: time.Unix(0, it.Attr.Mtime), Mtime: time.Unix(0, it.Attr.Mtime), Current: true}
	if d.current != 0 {
		err = v.revisions(d, func(known revisionRecord) { r = known.Revision }, `AND revision.id = ?`, d.current)
		if err != nil {
			return nil, Revision{}, err
		}
	}
	content, err := v.Open(d.live)
	return content, r, err
}

// pickRevision finds what rev means in a document's history.
func (v *Snapshot) pickRevision(d documentAt, rev string) (r revisionRecord, err error) {
	take := func(found revisionRecord) { r = found }
	var missing string
	number, notNumber := strconv.Atoi(rev)
	at, isTime := parseTime(rev)
	prefix := strings.ToLower(rev)
	switch {
	case notNumber == nil && len(rev) < 8:
		missing = strconv.Itoa(number)
		err = v.revisions(d, take, `AND number = ?`, number)
	case isTime:
		missing = "none is as old as " + rev
		var found bool
		var last int64
		last, found, err = v.conn.lastBy(at.UnixNano(), `SELECT number, time FROM revision WHERE document = ? AND NOT lost AND number >= ? ORDER BY number LIMIT 1`,
			`SELECT number, time FROM revision WHERE document = ? AND NOT lost ORDER BY number DESC LIMIT 1`, d.id)
		if err == nil && found {
			err = v.revisions(d, take, `AND number = ?`, last)
		}
	case len(prefix) >= 4 && len(prefix) <= 64 && strings.Trim(prefix, "0123456789abcdef") == "":
		missing = "no hash begins with " + rev
		// Few have such a hash, and a document may have very many revisions.
		_, err = v.conn.one(func(row row) error { take(scanRevision(row, d.current)); return nil },
			revisionColumns+`WHERE sha256 BETWEEN ? AND ? AND +revision.document = ? ORDER BY number DESC LIMIT 1`,
			hashOf(prefix, '0'), hashOf(prefix, 'f'), d.id)
	default:
		missing = fmt.Sprintf("%q is no number, time or hash", rev)
	}
	if err == nil && r.id == 0 {
		err = fmt.Errorf("%w: %s", ErrNoRevision, missing)
	}
	return r, err
}

// hashOf is the first or the last hash that begins with some digits.
func hashOf(prefix string, filled byte) (h Hash) {
	if err := h.UnmarshalText([]byte(prefix + strings.Repeat(string(filled), 2*len(h)-len(prefix)))); err != nil {
		panic(err) // who calls has looked at the digits
	}
	return h
}

// Had says whether the document at path ever had this content, other than as what
// lost a conflict.
func (v *Snapshot) Had(path string, h Hash) (bool, error) {
	d, err := v.document(path)
	if err != nil {
		return false, err
	}
	return v.conn.one(func(row) error { return nil },
		`SELECT 1 FROM revision WHERE sha256 = ? AND document = ? AND NOT lost LIMIT 1`, h, d.id)
}

// HasContent says whether a revision with this hash exists anywhere in the
// space. One that a commit is about to write counts only when it has.
func (s *Store) HasContent(h Hash) (bool, error) {
	c, err := s.readers.get()
	if err != nil {
		return false, err
	}
	defer s.readers.put(c)
	return c.one(func(row) error { return nil }, `SELECT 1 FROM revision WHERE sha256 = ? LIMIT 1`, h)
}

// RevisionBefore is the number of the document's revision that r followed; of a
// content that is not sealed yet, the last one.
func (s *Store) RevisionBefore(path string, r Revision) (number int, err error) {
	v, err := s.Snapshot(context.Background())
	if err != nil {
		return 0, err
	}
	defer v.Close()
	d, err := v.document(path)
	if err != nil {
		return 0, err
	}
	err = v.revisions(d, func(found revisionRecord) { number = found.Number },
		`AND NOT lost AND (number < ?2 OR ?2 = 0) ORDER BY number DESC LIMIT 1`, r.Number)
	if err == nil && number == 0 {
		err = fmt.Errorf("%w: there is only one yet", ErrNoRevision)
	}
	return number, err
}
