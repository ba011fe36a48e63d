package fusefs_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"spacefs/spacedb"
)

func TestWarmReadsCostNoRequests(t *testing.T) {
	m := mount(t, spacedb.Options{Quiet: time.Hour}) // the sealer asks, too
	m.write("f", "text")
	m.read("f")
	before := m.requests()
	for range 10 {
		if m.read("f") != "text" {
			t.Fatal("other text")
		}
		_, err := os.Stat(m.path("f"))
		m.ok(err)
		_, err = os.Stat(m.path("absent"))
		if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	// The first look at an absent name is one LOOKUP, and the directory's mode is
	// asked for once after it changed.
	if n := m.requests() - before; n > 2 {
		t.Errorf("%d requests: %v", n, m.server.Requests())
	}
}

// requests counts what was waited for: FORGET comes whenever the kernel likes.
func (m *mounted) requests() (n int64) {
	for name, c := range m.server.Requests() {
		if !strings.Contains(name, "FORGET") {
			n += c.Count
		}
	}
	return n
}

// TestRequestsPerOperation counts what a cold name costs, and a warm one. The
// kernel may ask once more when something else happens at that moment, so the
// best of a few tries counts.
func TestRequestsPerOperation(t *testing.T) {
	m := mount(t, spacedb.Options{Quiet: time.Hour})
	m.write("warm-up", "")
	steps := []struct {
		name string
		most int64
		do   func(f, g string) error
	}{
		{"create a 4 KiB file", 5, func(f, _ string) error { return os.WriteFile(f, make([]byte, 4096), 0o644) }},
		{"stat it", 2, func(f, _ string) error { _, err := os.Stat(f); return err }},
		{"stat it again", 0, func(f, _ string) error { _, err := os.Stat(f); return err }},
		{"open, read, close", 1, func(f, _ string) error { _, err := os.ReadFile(f); return err }},
		{"the same again", 0, func(f, _ string) error { _, err := os.ReadFile(f); return err }},
		{"rename it", 3, func(f, g string) error { return os.Rename(f, g) }},
		{"unlink it", 2, func(_, g string) error { return os.Remove(g) }},
		{"mkdir", 3, func(f, _ string) error { return os.Mkdir(f, 0o755) }},
	}
	best := map[string]int64{}
	for try := range 3 {
		for _, s := range steps {
			before := m.requests()
			m.ok(s.do(m.path(fmt.Sprint("f", try)), m.path(fmt.Sprint("g", try))))
			n := m.requests() - before
			if known, ok := best[s.name]; !ok || n < known {
				best[s.name] = n
			}
		}
	}
	for _, s := range steps {
		t.Logf("%-22s %d requests", s.name, best[s.name])
		if best[s.name] > s.most {
			t.Errorf("%s takes %d requests, more than %d: %v", s.name, best[s.name], s.most, m.server.Requests())
		}
	}
}
