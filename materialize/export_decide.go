package materialize

import (
	"spacefs/internal/attributes"
	"spacefs/materialize/manifest"
)

// What an incremental export does with one name is decided here, from values:
//
//	want  what the space has for it now      nil: nothing
//	had   what earlier exports say they wrote: the last one, and perhaps one that
//	      was interrupted                    empty: not ours
//	disk  what is there
//
//	                        disk is absent  as want   as had   anything else
//	want, not had           write           adopt     –        leave: foreign
//	want same as had        write           nothing   nothing  leave: edited
//	want differs from had   write           adopt     write    leave: edited
//	had only                nothing         –         remove   leave: edited
//
// So nothing is overwritten or removed but what an export wrote itself.
type exportAct uint8

const (
	actNothing exportAct = iota
	actWrite             // make it, in place of what is there
	actTouch             // its content stands, but the space has another mode or time
	actRemove
	actLeave   // edited by hand, and nothing new for it in the space
	actEdited  // edited by hand, and the space has something else for it
	actForeign // not ours, and in the way
)

// diskState is what is at a name.
type diskState struct {
	kind   manifest.Kind // "": nothing; special: nothing that an export writes
	sha256 [32]byte
	target string
	// attributes are the extended ones, in an export with metadata.
	attributes attributes.Set
}

const special manifest.Kind = "special"

// holds says whether the content of an entry is what is there.
func (d *diskState) holds(e *manifest.Entry) bool {
	switch d.kind {
	case manifest.Directory:
		return e.Kind == manifest.Directory
	case manifest.Symlink:
		return e.Kind == manifest.Symlink && e.Target == d.target
	case manifest.Document:
		return e.Kind != manifest.Directory && e.Kind != manifest.Symlink && e.SHA256 == d.sha256
	}
	return false
}

func decideExport(want *manifest.Entry, had []*manifest.Entry, disk diskState) exportAct {
	ours, same := false, false
	for _, h := range had {
		ours = ours || disk.holds(h)
		same = same || want != nil && sameExport(want, h)
	}
	switch {
	case want == nil && disk.kind == "":
		return actNothing
	case want == nil && ours:
		return actRemove
	case want == nil:
		return actLeave
	case disk.kind == "":
		return actWrite
	case disk.holds(want):
		if sameLooks(want, had) || len(had) == 0 && want.Kind == manifest.Directory {
			return actNothing
		}
		return actTouch
	case ours:
		return actWrite
	case len(had) == 0:
		return actForeign
	case same:
		return actLeave
	}
	return actEdited
}

func sameExport(a, b *manifest.Entry) bool {
	return a.Kind == b.Kind && a.SHA256 == b.SHA256 && a.Target == b.Target
}

func sameLooks(want *manifest.Entry, had []*manifest.Entry) bool {
	for _, h := range had {
		if h.Mode == want.Mode && h.Attributes == want.Attributes && (h.Mtime == want.Mtime || want.Kind == manifest.Directory) {
			return true
		}
	}
	return false
}
