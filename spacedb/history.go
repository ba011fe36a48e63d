package spacedb

import (
	"context"
	"encoding/hex"
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
func (s *Store) History(path string) ([]Revision, error) {
	v, err := s.Snapshot(context.Background())
	if err != nil {
		return nil, err
	}
	defer v.Close()
	records, _, err := v.history(path)
	if err != nil {
		return nil, err
	}
	list := make([]Revision, len(records))
	for i, r := range records {
		list[i] = r.Revision
	}
	return list, nil
}

// history also returns the live node at path, 0 when there is none.
func (v *Snapshot) history(path string) (list []revisionRecord, live NodeID, err error) {
	var document, current int64
	it, err := v.Item(path)
	switch {
	case err == nil && it.Attr.IsDir():
		return nil, 0, ErrIsDir
	case err == nil:
		live = it.Attr.ID
		_, err = v.conn.one(func(r row) error {
			document = r.int(0)
			if r.int(2) == 1 {
				current = r.int(1)
			}
			return nil
		}, `SELECT document, revision, sealed FROM node WHERE id = ?`, live)
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNotDir):
		err = nil
	}
	if err != nil {
		return nil, 0, err
	}
	if document == 0 {
		// Nothing is there, or something that was not sealed yet: then the
		// history that waits at the path is the one it will go on with.
		_, err = v.conn.one(func(r row) error { document = r.int(0); return nil },
			`SELECT id FROM document WHERE path = ? ORDER BY deleted DESC, id DESC LIMIT 1`, []byte(path))
		if err != nil {
			return nil, 0, err
		}
	}
	if document == 0 && live == 0 {
		return nil, 0, ErrNotFound
	}
	err = v.conn.query(func(r row) error {
		list = append(list, revisionRecord{
			Revision: Revision{
				Document: r.text(1), Number: int(r.int(2)), Path: r.text(3), Time: time.Unix(0, r.int(4)),
				Origin: Origin(r.int(5)), Run: r.int(6), Mode: uint32(r.int(7)), Size: r.int(8), SHA256: r.hash(9),
				Lost: r.int(10) == 1, Current: r.int(0) == current,
			},
			id: r.int(0), chunks: append([]byte(nil), r.bytes(11)...),
		})
		return nil
	}, `SELECT revision.id, uuid, number, revision.path, time, origin, run, mode, size, sha256, lost, chunks
		FROM revision JOIN document ON document.id = revision.document
		WHERE document = ? ORDER BY number DESC`, document)
	return list, live, err
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
	list, live, err := v.history(path)
	if err != nil {
		return nil, Revision{}, err
	}
	if rev == "" {
		if live == 0 {
			return nil, Revision{}, ErrNotFound
		}
		it, err := v.Item(path)
		if err != nil {
			return nil, Revision{}, err
		}
		r := Revision{Path: path, Mode: it.Attr.Mode, Size: it.Attr.Size, SHA256: it.SHA256, Time: time.Unix(0, it.Attr.Mtime), Current: true}
		for _, known := range list {
			if known.Current {
				r = known.Revision
			}
		}
		content, err := v.Open(live)
		return content, r, err
	}
	r, err := pickRevision(list, rev)
	if err != nil {
		return nil, Revision{}, err
	}
	content, err := v.openChunks(r.id, r.chunks, r.Size)
	return content, r.Revision, err
}

// pickRevision finds what rev means in a history, newest first.
func pickRevision(list []revisionRecord, rev string) (revisionRecord, error) {
	if number, err := strconv.Atoi(rev); err == nil && len(rev) < 8 {
		for _, r := range list {
			if r.Number == number {
				return r, nil
			}
		}
		return revisionRecord{}, fmt.Errorf("%w: %d", ErrNoRevision, number)
	}
	if at, ok := parseTime(rev); ok {
		for _, r := range list {
			if !r.Lost && !r.Time.After(at) {
				return r, nil
			}
		}
		return revisionRecord{}, fmt.Errorf("%w: none is as old as %s", ErrNoRevision, rev)
	}
	prefix := strings.ToLower(rev)
	if len(prefix) < 4 || strings.Trim(prefix, "0123456789abcdef") != "" {
		return revisionRecord{}, fmt.Errorf("%w: %q is no number, time or hash", ErrNoRevision, rev)
	}
	for _, r := range list {
		if strings.HasPrefix(hex.EncodeToString(r.SHA256[:]), prefix) {
			return r, nil
		}
	}
	return revisionRecord{}, fmt.Errorf("%w: no hash begins with %s", ErrNoRevision, rev)
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
