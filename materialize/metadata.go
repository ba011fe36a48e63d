package materialize

import (
	"spacefs/spacedb"
)

// With --metadata, extended attributes are synced too: those that belong to users
// (isSynced). A mirror that was synced so once is synced so until it is told
// otherwise.
//
// They cost nothing where nothing changed. To set one moves the ctime of a file
// or directory, so what looks as it did is not asked; what the space has is in its
// journal.

// decideMetadata says whether this run is about extended attributes, and has the
// space remember it.
func (s *syncer) decideMetadata() error {
	known := &s.mirror.known
	wanted := known.Metadata
	if s.options.Metadata != nil {
		wanted = *s.options.Metadata
	}
	state := spacedb.MetadataOff
	if wanted {
		state = spacedb.MetadataInForce
		if !takesAttributes(s.mirror.root) {
			// Nothing may stay agreed on: it would look removed.
			state = spacedb.MetadataWanted
			s.notices = append(s.notices, "extended attributes are not synced: the mirror's filesystem has none")
		}
	}
	s.attributes = state == spacedb.MetadataInForce
	s.result.attributes = s.attributes
	if state == known.MetadataState {
		return nil
	}
	s.anew = s.attributes
	if s.options.DryRun {
		return nil
	}
	if err := s.store.SetMetadata(known.ID, state); err != nil {
		return err
	}
	s.everything = true
	known.MetadataState, known.Metadata = state, wanted
	if s.anew {
		known.Seq = 0
	}
	return nil
}
