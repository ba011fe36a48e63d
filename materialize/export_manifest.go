package materialize

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"spacefs/materialize/manifest"
)

// The names at the top of an export that are its own, beside the manifest's.
// fold.Reserved keeps documents away from them.
const (
	nextManifest = ".spacefs-manifest.next" // what the manifest will be once every file is in its place
	stagedDir    = ".spacefs-staged"        // files on their way to their place
)

// maxManifest is more than a manifest of ten million documents has.
const maxManifest = 4 << 30

// loadManifest reads a manifest in an export. It is no bigger than it may be,
// and a file: what is at its name came from elsewhere.
func loadManifest(root *os.Root, name string) (*manifest.Manifest, error) {
	if info, err := root.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("%w: it is a symlink", manifest.ErrInvalid)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is no file", manifest.ErrInvalid)
	case info.Size() > maxManifest:
		return nil, fmt.Errorf("%w: it has %d bytes", manifest.ErrInvalid, info.Size())
	}
	var text strings.Builder // and not a slice: that would be copied to become a string
	text.Grow(int(info.Size()))
	if _, err := io.CopyN(&text, f, info.Size()); err != nil {
		return nil, err
	}
	return manifest.Read(text.String())
}

// writeManifest makes the file; it is durable with the next sync.
func writeManifest(root *os.Root, name string, m *manifest.Manifest) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(m.Append(nil))
	return errors.Join(err, f.Close())
}

// exportState is what earlier exports left: the manifest, and the one that an
// interrupted export was about to put in its place.
type exportState struct {
	done *manifest.Manifest
	next *manifest.Manifest // nil: the last one came to its end
}

// readManifests reads what an earlier export of this space says; without any
// it is fs.ErrNotExist.
func (x *exporter) readManifests() (*exportState, error) {
	done, err := loadManifest(x.root, manifest.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The next one is complete, or not worth anything: it was being written when
	// the export was interrupted, and no file had been put in its place.
	next, nextErr := loadManifest(x.root, nextManifest)
	if nextErr != nil {
		next = nil
	}
	if done == nil && next == nil {
		return nil, err
	}
	for _, m := range []*manifest.Manifest{done, next} {
		if m == nil {
			continue
		}
		if m.Space != x.store.ID() {
			return nil, fmt.Errorf("it is of another space (%s)", m.Space)
		}
		if want := x.header().Variant; m.Variant != want {
			return nil, fmt.Errorf("it is of a %s export, and not %s", m.Variant, want)
		}
	}
	if done == nil {
		done = &manifest.Manifest{}
	}
	return &exportState{done, next}, nil
}

// nextOf is what the manifest says when everything is done. Where something else
// is than the space has, it goes on saying what was exported last, so that it is
// known what was edited; and that it saw nothing, so that the next export looks
// again.
func nextOf(p *exportPlan, todo []*exportName) *manifest.Manifest {
	m := &manifest.Manifest{Header: p.header, Entries: make([]manifest.Entry, 0, len(p.entries))}
	stays := map[int]*exportName{}
	for _, n := range todo {
		switch {
		case n.act != actEdited && n.act != actForeign && !n.failed:
			continue
		case n.want >= 0:
			stays[n.want] = n
		case len(n.had) > 0: // could not be removed
			m.Entries = append(m.Entries, *n.had[0])
		}
		m.Seq = 0
	}
	for i := range p.entries {
		n := stays[i]
		switch {
		case n == nil:
			m.Entries = append(m.Entries, p.entries[i])
		case len(n.had) > 0:
			m.Entries = append(m.Entries, *n.had[0])
		}
	}
	return m
}

func (x *exporter) stageManifest(m *manifest.Manifest) error {
	if err := x.root.Remove(nextManifest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeManifest(x.root, nextManifest, m)
}

func (x *exporter) replaceManifest(m *manifest.Manifest) error {
	if err := x.stageManifest(m); err != nil {
		return err
	}
	if err := syncFile(x.root, nextManifest); err != nil {
		return err
	}
	return x.publish()
}
