//go:build !linux

package materialize

import (
	"os"
)

// directory is an open directory of a mirror.
type directory struct {
	root *os.Root
	path string
	file *os.File
}

func openDirectory(root *os.Root, path string) (directory, error) {
	f, err := root.Open(orDot(path))
	return directory{root, path, f}, err
}

func (d directory) open(name string) (directory, error) {
	return openDirectory(d.root, join(d.path, name))
}

func (d directory) close() { d.file.Close() }

// list reads the directory and stats what is in it.
func (d directory) list() ([]listed, error) {
	names, err := d.file.ReadDir(-1)
	entries := make([]listed, 0, len(names))
	for _, e := range names {
		info, err := e.Info()
		if isGone(err) {
			continue // it went while we looked
		}
		if err != nil {
			entries = append(entries, listed{name: e.Name(), err: err})
			continue
		}
		entries = append(entries, listed{name: e.Name(), stat: stampOf(info)})
	}
	return entries, err
}

// Fd is the directory's file descriptor.
func (d directory) Fd() uintptr { return d.file.Fd() }
