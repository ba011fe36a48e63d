package manifest

import (
	"fmt"
	"strings"
)

// What a path, name or target may be at most: the limits of spacedb, which this
// package does not know.
const (
	maxName   = 255
	maxTarget = 4095
	maxPath   = 32 << 10
)

// check refuses an entry that no export writes.
func (e *Entry) check() error {
	switch {
	case e.Kind.inSpace() || e.Kind == Metadata:
		if err := checkPath(e.Path); err != nil {
			return err
		}
	case e.Kind == Contents:
		if e.Path != "" { // that of the whole export is at ""
			if err := checkPath(e.Path); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("no kind is called %q", e.Kind)
	}
	if e.Name != "" || e.Kind != Directory {
		if err := checkPath(e.Name); err != nil {
			return err
		}
	}
	switch {
	case e.Name == Name || strings.HasPrefix(e.Name, ".spacefs/"):
		return fmt.Errorf("the name %q is spacefs's own", e.Name)
	case e.Mode&^0o7777 != 0:
		return fmt.Errorf("%q has mode %o", e.Path, e.Mode)
	case len(e.Attributes) > MaxAttributes:
		return fmt.Errorf("%q has %d bytes of extended attributes", e.Path, len(e.Attributes))
	case e.Size < 0 || e.Revision < 0:
		return fmt.Errorf("%q has size %d and revision %d", e.Path, e.Size, e.Revision)
	case e.Kind == Symlink && (e.Target == "" || len(e.Target) > maxTarget || strings.IndexByte(e.Target, 0) >= 0):
		return fmt.Errorf("%q has a target that no symlink has", e.Path)
	case !e.Kind.hasContent() && (e.Size != 0 || e.SHA256 != [32]byte{}), e.Kind != Symlink && e.Target != "",
		e.Kind != Document && e.Revision != 0, e.Kind != Document && e.Kind != Directory && e.Attributes != "", e.Kind != Document && e.Kind != Symlink && e.ID != "":
		return fmt.Errorf("%q has what a %s does not have", e.Path, e.Kind)
	case e.ID != "" && !isUUID(e.ID):
		return fmt.Errorf("%q has the id %q, which is no UUID", e.Path, e.ID)
	}
	return nil
}

// checkPath accepts what leads down from the top and nowhere else.
func checkPath(p string) error {
	if p == "" || len(p) > maxPath || strings.IndexByte(p, 0) >= 0 {
		return fmt.Errorf("%q is no path", p)
	}
	for rest := p; ; {
		name, after, more := strings.Cut(rest, "/")
		if name == "" || name == "." || name == ".." || len(name) > maxName {
			return fmt.Errorf("%q is no path below the top", p)
		}
		if !more {
			return nil
		}
		rest = after
	}
}

func isUUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// Check says whether the entries go together: no two are the same thing.
func (m *Manifest) Check() error {
	paths := make(map[string]Kind, len(m.Entries))
	names := make(map[string]struct{}, len(m.Entries))
	ids := make(map[string]struct{}, len(m.Entries))
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Kind.inSpace() {
			if _, twice := paths[e.Path]; twice {
				return fmt.Errorf("%w: two entries are for the path %q", ErrInvalid, e.Path)
			}
			paths[e.Path] = e.Kind
		}
		if e.Name != "" {
			if _, twice := names[e.Name]; twice {
				return fmt.Errorf("%w: two entries are for the name %q", ErrInvalid, e.Name)
			}
			names[e.Name] = struct{}{}
		}
		if e.ID != "" {
			if _, twice := ids[e.ID]; twice {
				return fmt.Errorf("%w: two entries have the id %s", ErrInvalid, e.ID)
			}
			ids[e.ID] = struct{}{}
		}
	}
	for p := range paths {
		if i := strings.LastIndexByte(p, '/'); i >= 0 {
			if k, known := paths[p[:i]]; known && k != Directory {
				return fmt.Errorf("%w: %q is in %q, which is a %s", ErrInvalid, p, p[:i], k)
			}
		}
	}
	return nil
}
