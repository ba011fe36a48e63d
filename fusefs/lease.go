package fusefs

import (
	"path"
	"strings"

	"spacefs/spacedb"
)

// Busy says whether some program has a document open for writing. Nobody tells
// us of open and close, so it is asked when it matters, through the mount
// itself: the caller must hold nothing that a request needs. Where it cannot be
// known, false: then the time that a document was quiet decides alone.
func (s *Server) Busy(id spacedb.NodeID) (busy bool) {
	at, err := s.store.Path(id)
	if err != nil {
		return false
	}
	s.visiting.RLock()
	defer s.visiting.RUnlock()
	if s.isShut {
		return false
	}
	dir, name := path.Split(at)
	s.visitor.do(func() { busy = s.hasWriter(strings.TrimSuffix(dir, "/"), name) })
	return busy
}
