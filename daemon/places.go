package daemon

import (
	"fmt"
	"path/filepath"
	"strings"
)

// checkPlaces refuses a space, mount point and directory (a mirror, or where an
// import or export works) that meet: one would find itself in the other, and
// who walks into the mount that it serves waits for itself. "" stands for none.
func checkPlaces(space, mountpoint, dir, what string) error {
	space, mountpoint, dir = real(space), real(mountpoint), real(dir)
	switch {
	case mountpoint != "" && inside(space, mountpoint):
		return refuse("the space %s is inside the mount point %s; keep it elsewhere", space, mountpoint)
	case dir != "" && inside(space, dir) && what == mirror:
		return refuse("the space %s is inside the %s %s; keep it elsewhere", space, what, dir)
	case mountpoint == "" || dir == "":
		return nil
	case mountpoint == dir:
		return refuse("%s is where the space is mounted, not a %s; name another directory", dir, what)
	case inside(mountpoint, dir):
		return refuse("the mount point %s is inside the %s %s; use another", mountpoint, what, dir)
	case inside(dir, mountpoint):
		return refuse("the %s %s is inside the mount point %s; use another", what, dir, mountpoint)
	}
	return nil
}

const mirror = "mirror"

func refuse(format string, args ...any) error {
	return &Error{Usage, fmt.Sprintf(format, args...)}
}

// real makes a path absolute and follows symlinks as far as it exists.
func real(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	if dir := filepath.Dir(path); dir != path {
		return filepath.Join(real(dir), filepath.Base(path))
	}
	return path
}

func inside(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
