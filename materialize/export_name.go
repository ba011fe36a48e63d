package materialize

import (
	"errors"

	"spacefs/materialize/manifest"
)

// exportName is everything known of one name of an export.
type exportName struct {
	name   string
	want   int // index in the plan; -1: nothing
	had    []*manifest.Entry
	act    exportAct
	disk   diskState
	stamp  stamp // of what is there, when it was read
	failed bool  // it is as before
}

// acts: something is done, and not only said.
func (n *exportName) acts() bool { return n.act == actWrite || n.act == actTouch || n.act == actRemove }

func (n *exportName) entry(p *exportPlan) *manifest.Entry {
	if n.want < 0 {
		return nil
	}
	return &p.entries[n.want]
}

// isDirectory: it is one in the space, and was one in the export.
func (n *exportName) isDirectory(p *exportPlan) bool {
	e := n.entry(p)
	if e == nil || e.Kind != manifest.Directory {
		return false
	}
	for _, h := range n.had {
		if h.Kind != manifest.Directory {
			return false // then what is there goes first
		}
	}
	return true
}

// changesKind: a directory comes in place of something else, or the other way.
func (n *exportName) changesKind(p *exportPlan) bool {
	return n.disk.kind != "" && (n.disk.kind == manifest.Directory) != (n.entry(p).Kind == manifest.Directory)
}

// tellAct says what is done at a name, or would be.
func (x *exporter) tellAct(p *exportPlan, n *exportName) {
	want := n.entry(p)
	switch n.act {
	case actWrite:
		reason := "changed in the space"
		if n.disk.kind == "" {
			reason = "new"
			if len(n.had) > 0 {
				reason = "missing"
			}
		}
		x.tell(exportOp(want), n.name, reason)
		x.count(want)
	case actTouch:
		x.tell(touchOp(want, n.had), n.name, "changed in the space")
	case actRemove:
		x.tell("remove", n.name, "gone from the space")
		x.result.Removed++
	case actLeave:
		x.result.Left++
		x.result.Notices = append(x.result.Notices, n.name+": edited since it was exported; left alone")
		x.tell("leave", n.name, "edited since it was exported")
	case actEdited:
		x.result.Left++
		x.fail(n.name, errors.New("it changed in the space, and was edited here since it was exported; left alone. Import the edit, or remove the file"))
	case actForeign:
		x.fail(n.name, errors.New("something that the export did not write is in the way; move it away and export again"))
	}
}

// touchOp is the word for what is touched: mode and time, or extended attributes
// alone.
func touchOp(want *manifest.Entry, had []*manifest.Entry) string {
	for _, h := range had {
		if h.Mode == want.Mode && h.Mtime == want.Mtime {
			return "metadata"
		}
	}
	return "chmod"
}
