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

// SpaceMounted finds the space whose mount point a path is.
func SpaceMounted(path string) (space string, ok bool) {
	path = real(path)
	space, mountpoint, ok := MountedAt(path)
	return space, ok && path == mountpoint
}

// SpaceMirrored finds the space whose mirror a path is.
func SpaceMirrored(path string) (space string, ok bool) {
	path = real(path)
	space, mirror, ok := materialize.SpaceOf(path)
	return space, ok && path == mirror
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
