package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/aymanbagabas/go-udiff"

	"spacefs/spacedb"
)

// DiffRequest names two contents of one document: revisions as
// spacedb.Store.OpenRevision takes them. New "" is the content now; Old "" is
// the revision before New.
type DiffRequest struct {
	Path []byte `json:"path"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// DiffResult is how two contents differ.
type DiffResult struct {
	Old    string `json:"old"` // what is compared, in words
	New    string `json:"new"`
	Same   bool   `json:"same"`
	Binary bool   `json:"binary"` // then there is no text
	Text   string `json:"text"`   // unified
}

// Diff compares two revisions of a document.
func (s *Space) Diff(ctx context.Context, r DiffRequest) (out DiffResult, err error) {
	err = s.call(ctx, "diff", r, &out, nil, nil)
	return out, err
}

// diffLimit is what a person might still read, in bytes of each side.
const diffLimit = 16 << 20

func (s *service) diff(r DiffRequest) (DiffResult, error) {
	path := string(r.Path)
	newer, is, err := s.side(path, r.New)
	if err != nil {
		return DiffResult{}, err
	}
	old := r.Old
	if old == "" {
		before, err := s.store.RevisionBefore(path, is)
		if err != nil {
			return DiffResult{}, fmt.Errorf("%s: %w", path, err)
		}
		old = fmt.Sprint(before)
	}
	older, was, err := s.side(path, old)
	if err != nil {
		return DiffResult{}, err
	}
	out := DiffResult{Old: label(was), New: label(is), Same: bytes.Equal(older, newer)}
	switch {
	case out.Same:
	case isBinary(older) || isBinary(newer):
		out.Binary = true
	default:
		out.Text = udiff.Unified(out.Old, out.New, string(older), string(newer))
	}
	return out, nil
}

func label(r spacedb.Revision) string {
	if r.Number == 0 {
		return r.Path + " (not sealed yet)"
	}
	return fmt.Sprintf("%s@%d", r.Path, r.Number)
}

func (s *service) side(path, rev string) ([]byte, spacedb.Revision, error) {
	content, r, err := s.store.OpenRevision(path, rev)
	if err != nil {
		return nil, r, fmt.Errorf("%s: %w", path, err)
	}
	defer content.Close()
	if r.Size > diffLimit {
		return nil, r, fmt.Errorf("%s has %d bytes, too many to compare; take them out with cat %s@REV", label(r), r.Size, path)
	}
	text, err := io.ReadAll(content)
	return text, r, err
}

// isBinary says what git says: text has no NUL near its beginning.
func isBinary(content []byte) bool {
	return bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0
}
