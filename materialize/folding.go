package materialize

import (
	"io/fs"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"spacefs/conflict"
)

// A mirror's filesystem may take different names for one: those of macOS,
// Windows and memory cards do. Ours are looked up under another spelling to find
// out; nothing is written for that but once, when a directory becomes a mirror.

const (
	markerShouted = stateDir + "/MIRROR"             // as markerPath, if case does not count
	accentPath    = stateDir + "/pr\u00e9sence"      // with one character é
	accentDivided = stateDir + "/pre\u0301sence"     // with e and an accent
	accentPurpose = "tells how names are compared\n" // for who wonders
)

// foldOf is what the filesystem compares of a name; nil: it compares bytes.
func (m *mirrorDir) foldOf() func(name string) string {
	exists := func(p string) bool { _, err := m.root.Lstat(p); return err == nil }
	anyCase, anyForm := exists(markerShouted), exists(accentDivided)
	if !anyCase && !anyForm {
		return nil
	}
	return func(name string) string {
		if anyForm {
			name = norm.NFD.String(name)
		}
		if anyCase {
			name = cases.Fold().String(name)
		}
		return name
	}
}

// leaveAccent makes the file that tells whether spellings count.
func (m *mirrorDir) leaveAccent() {
	if _, err := m.root.Lstat(accentPath); isGone(err) {
		_ = m.root.WriteFile(accentPath, []byte(accentPurpose), 0o600) // a filesystem that cannot name it does not fold it
	}
}

// addFolded shows Reconcile what the mirror holds where the space has something
// new under another spelling.
func (t *treeBuilder) addFolded(m *mirrorDir, fold func(string) string) error {
	listed := map[string][]fs.DirEntry{}
	for p, e := range t.s {
		if e.Kind == conflict.Absent || t.b[p].Kind != conflict.Absent || t.m[p].Kind != conflict.Absent {
			continue
		}
		dir, name := splitPath(p)
		if _, done := listed[dir]; !done {
			d, err := m.root.Open(orDot(dir))
			if err != nil {
				continue // new too, or the executor will say what is wrong
			}
			listed[dir], err = d.ReadDir(-1)
			d.Close()
			if err != nil {
				return err
			}
		}
		for _, other := range listed[dir] {
			if other.Name() != name && fold(other.Name()) == fold(name) {
				t.add(join(dir, other.Name()))
			}
		}
	}
	return t.err
}
