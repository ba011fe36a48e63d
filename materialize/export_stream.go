package materialize

import (
	"archive/tar"
	"io"
)

// stream is where a tar stream goes. Whoever is killed in the middle of a write may
// have written a part of it: to a file, and to a pipe, so many whole pages. So what
// is passed on are pages, and what begins in one that is not full waits; the export
// sees to it that a stream which ends with a page is none for tar (breaks).
type stream struct {
	w       io.Writer
	waiting []byte
	at      int64 // how much was written
}

const (
	tarBlock    = 512
	streamPage  = 4096 // or some of them are a page
	streamWaits = 128 << 10
)

func (s *stream) Write(p []byte) (int, error) {
	s.at += int64(len(p))
	s.waiting = append(s.waiting, p...)
	if len(s.waiting) < streamWaits {
		return len(p), nil
	}
	return len(p), s.pass(len(s.waiting) / streamPage * streamPage)
}

func (s *stream) pass(n int) error {
	if n == 0 {
		return nil
	}
	_, err := s.w.Write(s.waiting[:n])
	s.waiting = append(s.waiting[:0], s.waiting[n:]...)
	return err
}

// finish passes on the rest, which makes the stream whole: the last page, in a
// write of its own, is there or is not.
func (s *stream) finish() error {
	if err := s.pass(len(s.waiting) / streamPage * streamPage); err != nil {
		return err
	}
	return s.pass(len(s.waiting))
}

// breaks says whether a stream that is cut off with a page is broken, once a file
// with such a header comes next. GNU tar takes one for whole that ends between two
// files, between a header of PAX and its file's, or with the first of the two blocks
// at the end.
func (s *stream) breaks(h *tar.Header) (bool, error) {
	var length written
	if err := tar.NewWriter(&length).WriteHeader(h); err != nil {
		return false, err
	}
	header := blocks(s.at) + blocks(int64(length)) - 1
	end := header + 1 + blocks(h.Size)
	const page = streamPage / tarBlock
	return header%page != 0 && end%page != 0 && (end+1)%page != 0, nil
}

func blocks(size int64) int64 { return (size + tarBlock - 1) / tarBlock }

// written counts.
type written int64

func (n *written) Write(p []byte) (int, error) {
	*n += written(len(p))
	return len(p), nil
}
