package materialize

import "io"

// stream is where a tar stream goes. It passes on what it is given only up to
// somewhere in the content of a file, and keeps the rest until the next content
// begins: a stream that was cut off ends within a content then, and every tar says
// so. One that ends between two files, or with a header of PAX, GNU tar takes for
// whole.
type stream struct {
	w       io.Writer
	waiting []byte
	left    int64 // of a content and what fills it up, without the last byte
}

const (
	tarBlock    = 512
	streamWaits = 1 << 20 // bytes of files that have no content
)

// content says that so many bytes of a content come next.
func (s *stream) content(size int64) error {
	if size == 0 {
		return nil
	}
	s.left = (size+tarBlock-1)/tarBlock*tarBlock - 1
	return s.pass() // one write: a pipe takes so few bytes whole or not at all
}

func (s *stream) Write(p []byte) (int, error) {
	inside := min(int64(len(p)), s.left)
	if inside > 0 {
		if n, err := s.w.Write(p[:inside]); err != nil {
			return n, err
		}
		s.left -= inside
	}
	s.waiting = append(s.waiting, p[inside:]...)
	if len(s.waiting) > streamWaits {
		return len(p), s.pass()
	}
	return len(p), nil
}

// pass passes on what waits; at the end that makes the stream whole.
func (s *stream) pass() error {
	_, err := s.w.Write(s.waiting)
	s.waiting = s.waiting[:0]
	return err
}
