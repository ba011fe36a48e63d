package materialize

import (
	"errors"
	"fmt"
	"io"

	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// fileBatch is files of one directory.
type fileBatch struct {
	dir   string
	files []fileContent
	// finish, when it is not -1, is the directory's own entry: after this batch
	// nothing comes into it any more.
	finish int
}

type fileContent struct {
	index int
	data  []byte
}

// feed reads everything in the order of the groups.
func (x *exporter) feed(w *treeWriter, groups []exportGroup) error {
	for gi := range groups {
		g := &groups[gi]
		b := fileBatch{dir: g.dir, finish: -1}
		size := 0
		for _, i := range g.entries {
			if err := errors.Join(x.ctx.Err(), w.stopped()); err != nil {
				return err
			}
			x.options.Reporter.Step()
			e := &w.plan.entries[i]
			if e.Kind == manifest.Document && e.Size > largeDocument {
				if err := x.writeLarge(w, i); err != nil {
					return err
				}
				w.durable.wrote(e.Size)
				continue
			}
			data, err := x.read(w.plan, i)
			if err != nil {
				return err
			}
			b.files = append(b.files, fileContent{i, data})
			w.durable.wrote(int64(len(data))) // or will be at once
			if size += len(data); size >= readAhead || len(b.files) == filesAhead {
				w.batches <- b
				b, size = fileBatch{dir: g.dir, finish: -1}, 0
			}
		}
		// Only when all its files are in this very batch is nobody else at it.
		if !g.inner && len(b.files) == len(g.entries) {
			b.finish = g.own
		} else if g.own >= 0 {
			g.inner = true
		}
		w.batches <- b
	}
	return nil
}

// read returns a small content.
func (x *exporter) read(p *exportPlan, i int) ([]byte, error) {
	e, s := &p.entries[i], &p.sources[i]
	switch {
	case e.Kind == manifest.Symlink:
		return nil, nil
	case e.Kind != manifest.Document:
		return s.text, nil
	case e.Size == 0:
		return nil, nil
	}
	data := make([]byte, e.Size)
	if err := x.v.ReadContent(s.ref, data); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	return data, nil
}

// writeLarge copies a document that is not worth holding in memory.
func (x *exporter) writeLarge(w *treeWriter, i int) error {
	e := &w.plan.entries[i]
	content, err := x.v.Content(w.plan.sources[i].ref)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	dir, _ := splitPath(e.Name)
	d, err := openOrMake(w.root, dir)
	if err == nil {
		err = w.file(d, i, content)
		d.Close()
	}
	if errors.Is(err, spacedb.ErrDamaged) {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	w.note(i, err)
	return nil
}

// bytesOnce is a small content: one write.
type bytesOnce struct{ data []byte }

func (b bytesOnce) Read([]byte) (int, error) { return 0, io.EOF }
func (b bytesOnce) WriteTo(w io.Writer) (int64, error) {
	if len(b.data) == 0 {
		return 0, nil
	}
	n, err := w.Write(b.data)
	return int64(n), err
}
