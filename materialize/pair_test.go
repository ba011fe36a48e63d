package materialize

import (
	"os"
	"path/filepath"
	"time"

	"spacefs/spacedb"
)

// until waits for something to become true.
func (p *pair) until(what string, ok func() bool) time.Duration {
	p.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > 20*time.Second {
			p.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(start)
}

func (p *pair) mirrorHas(path, text string) func() bool {
	return func() bool {
		have, err := os.ReadFile(filepath.Join(p.dir, path))
		return err == nil && string(have) == text || text == "" && os.IsNotExist(err)
	}
}

func (p *pair) spaceHas(path, text string) func() bool {
	return func() bool {
		a, err := p.tree.Resolve(path)
		if err != nil || text == "" {
			return err == spacedb.ErrNotFound && text == ""
		}
		buf := make([]byte, len(text)+1)
		n, _ := p.tree.ReadAt(a.ID, buf, 0)
		return string(buf[:n]) == text
	}
}
