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

// Wherever an export to a stream is interrupted, it ends with a page and where GNU
// tar does not take it for a whole archive: within a content, or within a header
// of PAX.
func TestATarStreamIsOnlyCutOffWhereItIsBroken(t *testing.T) {
	p := newPair(t)
	sizes := []int{0, 1, 511, 512, 513, 0, 0, 5000, 1024, largeDocument + 1, 0, 4096}
	for i := range 200 { // so that files begin and end everywhere in a page
		sizes = append(sizes, i*tarBlock%9000, 0)
	}
	for i, size := range sizes {
		text := "/" // a directory, which has no content
		if size > 0 {
			text = strings.Repeat("x", size)
		}
		p.inSpace(fmt.Sprintf("d%d/%d.txt", i%3, i), text)
	}
	var l lengths
	_, err := ExportTar(context.Background(), p.store, &l, ExportOptions{})
	p.ok(err)
	whole := l.Bytes()
	passes := map[int]bool{} // for whole, if it were so long
	stream := &countingReader{r: bytes.NewReader(whole)}
	files := 0
	for r := tar.NewReader(stream); ; files++ {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		p.ok(err)
		content := int(stream.read)
		passes[content-tarBlock], passes[content+int(blocks(h.Size))*tarBlock] = true, true
		_, err = io.Copy(io.Discard, r)
		p.ok(err)
	}
	passes[len(whole)-tarBlock], passes[len(whole)] = true, true
	for n := streamPage; n < len(whole); n += streamPage {
		if passes[n] {
			t.Errorf("cut off after %d bytes, it passes for whole", n)
		}
	}
	for i, n := range l.after {
		if last := i == len(l.after)-1; last != (n == len(whole)) || !last && n%streamPage != 0 {
			t.Errorf("a write ends after %d bytes of %d", n, len(whole))
		} else if last && i > 0 && n-l.after[i-1] > streamPage {
			t.Errorf("the last page comes with what is before it, %d bytes", n-l.after[i-1])
		}
	}
	if files != len(sizes)+4 || len(l.after) < 10 {
		t.Errorf("%d files in %d writes", files, len(l.after))
	}
}
