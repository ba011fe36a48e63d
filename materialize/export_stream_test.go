package materialize

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
)

// lengths keeps a stream, and how long it was after each write.
type lengths struct {
	bytes.Buffer
	after []int
}

func (l *lengths) Write(p []byte) (int, error) {
	n, err := l.Buffer.Write(p)
	l.after = append(l.after, l.Len())
	return n, err
}

// Wherever an export to a stream is interrupted, it ends within a content. What
// ends elsewhere GNU tar takes for a whole archive.
func TestATarStreamIsOnlyCutOffWithinAContent(t *testing.T) {
	p := newPair(t)
	for i, size := range []int{0, 1, 511, 512, 513, 0, 0, 5000, 1024, largeDocument + 1, 0, 4096} {
		p.inSpace(fmt.Sprintf("d%d/%d.txt", i%3, i), strings.Repeat("x", size))
	}
	var l lengths
	_, err := ExportTar(context.Background(), p.store, &l, ExportOptions{})
	p.ok(err)
	within := map[int]bool{} // blocks that belong to a content
	whole := &countingReader{r: bytes.NewReader(l.Bytes())}
	for r := tar.NewReader(whole); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		p.ok(err)
		first := int(whole.read) / tarBlock
		for b := range (int(h.Size) + tarBlock - 1) / tarBlock {
			within[first+b] = true
		}
	}
	for _, n := range l.after[:len(l.after)-1] {
		if n > 0 && !within[n/tarBlock] {
			t.Errorf("a write ends after %d bytes, in no content", n)
		}
	}
	if len(l.after) < 10 {
		t.Errorf("all of it came in %d writes", len(l.after))
	}
}
