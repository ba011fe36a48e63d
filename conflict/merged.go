package conflict

// merged is the entry that holds both sides' changes, if they go together. The
// contents are merged by who can read them; modes are merged here. A merge is
// written to both sides, so a one-way sync has none.
func (r Rules) merged(c Conflict) (Entry, bool) {
	b, s, m := c.Base, c.Space, c.Mirror
	if c.Attribute != "" || r.Merge == nil || r.Direction != Bidirectional || s.Kind != File || m.Kind != File || s.sameContent(m) {
		return Entry{}, false
	}
	mode, agreed := mergedMode(b, s, m)
	if !agreed {
		return Entry{}, false
	}
	e, clean := r.Merge(c.Path, b, s, m)
	e.Kind, e.Mode, e.Mtime, e.Attributes = File, mode, max(s.Mtime, m.Mtime), s.Attributes
	return e, clean
}

// mergedMode is the mode that a side changed, if not both did.
func mergedMode(b, s, m Entry) (mode uint32, agreed bool) {
	switch {
	case s.Mode == m.Mode, m.Mode == b.Mode && b.Kind == File:
		return s.Mode, true
	case s.Mode == b.Mode && b.Kind == File:
		return m.Mode, true
	}
	return 0, false
}
