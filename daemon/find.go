package daemon

import (
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"

	"spacefs/materialize"
)

// MountedAt finds the mounted space that dir lies in: the space's path and the
// mount point.
func MountedAt(dir string) (space, mountpoint string, ok bool) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != "fuse.spacefs" || !inside(dir, m.Mountpoint), false
	})
	if err != nil {
		return "", "", false
	}
	for _, m := range mounts { // the innermost, and of several the last
		if len(m.Mountpoint) >= len(mountpoint) {
			space, mountpoint, ok = m.Source, m.Mountpoint, true
		}
	}
	return space, mountpoint, ok
}

// SpaceAround finds the space that a directory belongs to: the one mounted
// there, or the one it is a mirror of.
func SpaceAround(dir string) (space string, ok bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	dir = real(dir)
	if space, _, ok := MountedAt(dir); ok {
		return space, true
	}
	space, _, ok = materialize.SpaceOf(dir)
	return space, ok
}

// SpaceAt returns the space that a mount point or the root of a mirror belongs to;
// anything else is taken for a space's own path.
func SpaceAt(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	abs = real(abs)
	if space, mountpoint, ok := MountedAt(abs); ok {
		if abs == mountpoint {
			return space
		}
		return path
	}
	if space, mirror, ok := materialize.SpaceOf(abs); ok && abs == mirror {
		return space
	}
	return path
}

// PathWithin turns a path as a person gives it into a path of the space: one
// below the mount point or a mirror, or simply the path in the space.
func PathWithin(places []string, path string) string {
	abs, err := filepath.Abs(path)
	if err == nil {
		abs = filepath.Join(real(filepath.Dir(abs)), filepath.Base(abs)) // it may be a symlink itself
	}
	for _, place := range places {
		if err == nil && place != "" && inside(abs, place) {
			return strings.TrimPrefix(strings.TrimPrefix(abs, place), "/")
		}
	}
	return strings.Trim(filepath.Clean("/"+path), "/")
}
