package materialize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// GuardError stops a sync before it does anything: what it sees looks more like
// an accident than like something a person did.
type GuardError struct {
	Reason    string
	Deletions bool // too many of them; else it is about the mirror as such
}

func (e *GuardError) Error() string { return e.Reason }

func stopped(format string, args ...any) error {
	return &GuardError{Reason: fmt.Sprintf(format, args...)}
}

// stateDir at the root of a mirror is ours and never synced.
const stateDir = ".spacefs"

const markerPath = stateDir + "/mirror"

// marker is how a mirror is known again, wherever it is mounted: an unmounted
// disk leaves an empty directory, not one with the right marker.
type marker struct {
	Mirror string `json:"mirror"` // UUID
	Space  string `json:"space"`  // UUID
	Path   string `json:"path"`   // of the space file, for commands that are run in the mirror
}

// mirrorDir is an open mirror.
type mirrorDir struct {
	root  *os.Root
	path  string
	known spacedb.Mirror // ID 0: the space does not know it yet
	mark  marker         // as it is, or as it will be written
	empty bool           // holds nothing but, perhaps, the marker
	lost  bool           // was a mirror of this space before, whatever the space remembers of it
}

// openMirror opens dir as a mirror of the space, or says why it cannot be one.
func openMirror(store *spacedb.Store, dir string) (*mirrorDir, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, stopped("the mirror %s does not exist; mount its disk, or make it with: mkdir %s", dir, dir)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, stopped("the mirror %s is not a directory", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	m := &mirrorDir{root: root, path: dir}
	if err := m.identify(store); err != nil {
		root.Close()
		return nil, err
	}
	return m, nil
}

func (m *mirrorDir) identify(store *spacedb.Store) error {
	mirrors, err := store.Mirrors()
	if err != nil {
		return err
	}
	text, err := m.root.ReadFile(markerPath)
	if errors.Is(err, fs.ErrNotExist) {
		for _, known := range mirrors {
			if known.Path == m.path && !known.LastSync.IsZero() {
				if same, err := m.isStill(store, known); same || err != nil {
					m.known, m.lost = known, true
					m.mark = marker{Mirror: known.UUID, Space: store.ID(), Path: store.File()}
					return err
				}
				return stopped("the mirror %s has lost its marker %s: is its disk mounted? If it is a new directory, give it another path", m.path, markerPath)
			}
		}
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		m.mark = marker{Mirror: id.String(), Space: store.ID(), Path: store.File()}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the mirror's marker: %w", err)
	}
	if err := json.Unmarshal(text, &m.mark); err != nil || m.mark.Mirror == "" {
		return stopped("the mirror's marker %s cannot be read; if this directory is a new mirror, remove %s", filepath.Join(m.path, markerPath), stateDir)
	}
	if m.mark.Space != store.ID() {
		return stopped("%s is the mirror of another space (%s)", m.path, m.mark.Path)
	}
	for _, known := range mirrors {
		if known.UUID == m.mark.Mirror {
			m.known = known
		}
	}
	m.lost = m.known.ID == 0 || !m.known.LastSync.IsZero()
	m.empty, err = m.isEmpty()
	return err
}

// looksAt is how many files tell whether a directory is a mirror.
const looksAt = 1000

// isStill says whether a directory that has lost its marker, as git clean -dfx
// leaves it, is the mirror all the same: of the files that were agreed on, more
// than half are the very ones, by inode and time. On another disk they are not.
func (m *mirrorDir) isStill(store *spacedb.Store, known spacedb.Mirror) (bool, error) {
	var files, same int
	enough := errors.New("enough")
	err := store.Base(known.ID, func(b spacedb.BaseEntry) error {
		if b.Mode&spacedb.TypeMask != spacedb.TypeRegular {
			return nil
		}
		if files == looksAt {
			return enough
		}
		files++
		if info, err := m.root.Lstat(b.Path); err == nil {
			now, was := stampOf(info), baseStamp(b)
			if now.inode == was.inode && now.mtime == was.mtime {
				same++
			}
		}
		return nil
	})
	if err == enough {
		err = nil
	}
	return 2*same > files, err
}

func (m *mirrorDir) isEmpty() (bool, error) {
	d, err := m.root.Open(".")
	if err != nil {
		return false, err
	}
	defer d.Close()
	names, err := d.Readdirnames(2)
	if err != nil && err != io.EOF {
		return false, err
	}
	return len(names) == 0 || len(names) == 1 && names[0] == stateDir, nil
}

// checkNotEmptied: a mirror that was full and is empty now is no sync's
// business.
func (m *mirrorDir) checkNotEmptied(v *spacedb.Snapshot) error {
	if !m.empty {
		return nil
	}
	base, _, err := v.BaseCount(m.known.ID)
	if err == nil && base > 0 {
		err = stopped("the mirror %s is empty, and held %d files and directories at the last sync; if they were meant to go, say --accept-deletes", m.path, base)
	}
	return err
}

// checkWritable says once, and before anything is done, what otherwise every
// path would say.
func (m *mirrorDir) checkWritable(plan conflict.Plan) error {
	for _, a := range plan.Actions {
		if a.Side == conflict.Mirror {
			if err := unix.Access(m.path, unix.W_OK); err != nil {
				return fmt.Errorf("the mirror %s cannot be written: %w", m.path, err)
			}
			break
		}
	}
	return nil
}

// enroll makes the mirror known on both sides. Git leaves out what we keep there:
// it would take the marker away with a branch.
func (m *mirrorDir) enroll(store *spacedb.Store) error {
	if err := m.root.Mkdir(stateDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the mirror cannot be written: %w", err)
	}
	space, err := filepath.Abs(store.File())
	if err != nil {
		return err
	}
	m.mark.Path = space
	text, err := json.Marshal(m.mark)
	if err != nil {
		return err
	}
	if have, err := m.root.ReadFile(markerPath); err != nil || string(have) != string(text) {
		if err := m.root.WriteFile(stateDir+"/.gitignore", []byte("*\n"), 0o600); err != nil {
			return fmt.Errorf("the mirror cannot be written: %w", err)
		}
		if err := m.writeMarker(text); err != nil {
			return fmt.Errorf("the mirror cannot be written: %w", err)
		}
	}
	m.leaveAccent()
	if m.known.ID == 0 || m.known.Path != m.path {
		m.known, err = store.EnsureMirror(m.mark.Mirror, m.path)
	}
	return err
}

// writeMarker puts the marker in its place whole and durable: with half of one the
// mirror would be a stranger.
func (m *mirrorDir) writeMarker(text []byte) error {
	const fresh = markerPath + ".new"
	d := newDisk(m.root, &reach{root: m.root}, &writeback{root: m.root})
	defer d.close()
	if err := d.remove(fresh); err != nil && !isGone(err) {
		return err
	}
	_, _, err := d.create(fresh, bytes.NewReader(text), conflict.Entry{Mode: 0o600}, time.Now().UnixNano())
	if err == nil {
		err = d.syncFile(fresh)
	}
	if err == nil {
		err = d.rename(stateDir+"/", path.Base(fresh), path.Base(markerPath), false)
	}
	if err == nil {
		err = d.syncFile(stateDir)
	}
	return err
}

// SpaceOf returns the space that the mirror containing dir belongs to; ok is
// false when dir is in none.
func SpaceOf(dir string) (space, mirror string, ok bool) {
	for {
		text, err := os.ReadFile(filepath.Join(dir, markerPath))
		var m marker
		if err == nil && json.Unmarshal(text, &m) == nil && m.Path != "" {
			return m.Path, dir, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", "", false
		}
		dir = up
	}
}
