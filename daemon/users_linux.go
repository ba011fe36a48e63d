package daemon

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usersOf looks through /proc for processes that work, or have something open or
// mapped, below a mount point. It reads only what the kernel has the names of,
// and so never asks the mount itself, which may be dead. Of other users' processes
// an ordinary user sees nothing.
func usersOf(mountpoint string) (users []user) {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", p.Name())
		if holds := heldBy(dir, mountpoint); holds != "" {
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			users = append(users, user{pid, strings.TrimSpace(string(name)), holds})
		}
	}
	return users
}

// heldBy says what a process, given by its directory in /proc, holds.
func heldBy(process, mountpoint string) string {
	below := func(link string) (name string, ok bool) {
		to, err := os.Readlink(link)
		if err != nil || !inside(to, mountpoint) {
			return "", false
		}
		return within(mountpoint, to), true
	}
	// What is open says more than where somebody stands.
	files, _ := os.ReadDir(filepath.Join(process, "fd"))
	for _, f := range files {
		if name, ok := below(filepath.Join(process, "fd", f.Name())); ok {
			return "has " + name + " open"
		}
	}
	if name, ok := below(filepath.Join(process, "cwd")); ok {
		return "works in " + name
	}
	if name, ok := below(filepath.Join(process, "exe")); ok {
		return "runs " + name
	}
	if name, ok := below(filepath.Join(process, "root")); ok {
		return "has " + name + " as its root"
	}
	return mapped(process, mountpoint)
}

func mapped(process, mountpoint string) string {
	maps, err := os.Open(filepath.Join(process, "maps"))
	if err != nil {
		return ""
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if _, path, ok := strings.Cut(lines.Text(), " /"); ok && inside("/"+path, mountpoint) {
			return "has " + within(mountpoint, "/"+path) + " mapped"
		}
	}
	return ""
}

// within is a path from the mount point on.
func within(mountpoint, path string) string {
	if rest := strings.TrimPrefix(strings.TrimPrefix(path, mountpoint), "/"); rest != "" {
		return rest
	}
	return "the mount point"
}
