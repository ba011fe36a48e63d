package materialize

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// ExportTar writes the tree, as it is at one moment, as a tar stream with PAX
// headers: names of any bytes, times to the nanosecond. The manifest is the first thing
// in it.
func ExportTar(ctx context.Context, store *spacedb.Store, w io.Writer, o ExportOptions) (ExportResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	start := time.Now()
	x := &exporter{ctx: ctx, store: store, dir: "-", options: o}
	o.Reporter.Tell(Event{Event: Started, Kind: "export", Space: store.File(), Directory: "-", Total: int(store.Usage().Nodes)})
	err := x.runTar(w)
	r := x.result
	conclude(o.Reporter, Event{
		Kind: "export", Run: r.Run, Directory: "-", Outcome: outcomeOf(err, len(r.Failed), 0),
		Millis: time.Since(start).Milliseconds(), Counts: r.counts(),
	}, err, r.Failed, r.Notices)
	return r, err
}

func (x *exporter) runTar(w io.Writer) (err error) {
	if x.v, err = x.snapshot(); err != nil {
		return err
	}
	defer x.v.Close()
	return x.recorded(func() error {
		t := &tarExport{exporter: x, out: &stream{w: w}}
		t.w = tar.NewWriter(t.out)
		if err := t.write(); err != nil {
			return err
		}
		return t.out.finish()
	})
}

// tarExport is an export to a tar stream.
type tarExport struct {
	*exporter
	w   *tar.Writer
	out *stream
}

func (x *tarExport) write() error {
	p, err := x.plan()
	if err != nil {
		return err
	}
	// The manifest is first, so that an import needs to see the stream only once.
	if err := x.hashUnsealed(p); err != nil {
		return err
	}
	m := &manifest.Manifest{Header: p.header, Entries: p.entries}
	text := m.Append(nil)
	head := manifest.Entry{Kind: manifest.Document, Name: manifest.Name, Mode: 0o644, Size: int64(len(text)), Mtime: time.Now().UnixNano()}
	if err := x.header(&head); err != nil {
		return err
	}
	if _, err := x.w.Write(text); err != nil {
		return err
	}
	x.options.Reporter.Tell(Event{Event: Progress, Phase: "export", Total: len(p.entries)})
	for i := range p.entries {
		e := &p.entries[i]
		if err := x.ctx.Err(); err != nil {
			return err
		}
		x.options.Reporter.Step()
		if e.Name == "" {
			continue
		}
		if err := x.entry(p, i); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		x.count(e)
	}
	return x.w.Close()
}

func (x *tarExport) header(e *manifest.Entry) error {
	h := tarHeader(e)
	for comment := 1; ; comment += tarBlock { // as long as it takes
		breaks, err := x.out.breaks(h)
		if err != nil {
			return err
		}
		if breaks {
			return x.w.WriteHeader(h)
		}
		h.PAXRecords["comment"] = strings.Repeat(" ", comment)
	}
}

func tarHeader(e *manifest.Entry) *tar.Header {
	h := &tar.Header{Format: tar.FormatPAX, Name: e.Name, Mode: int64(e.Mode), ModTime: time.Unix(0, e.Mtime), PAXRecords: paxRecords(e.Attributes)}
	switch e.Kind {
	case manifest.Directory:
		h.Typeflag, h.Name = tar.TypeDir, e.Name+"/"
	case manifest.Symlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Target
	default:
		h.Typeflag, h.Size = tar.TypeReg, e.Size
	}
	return h
}

func (x *tarExport) entry(p *exportPlan, i int) error {
	e, s := &p.entries[i], &p.sources[i]
	if err := x.header(e); err != nil {
		return err
	}
	switch {
	case s.text != nil:
		_, err := x.w.Write(s.text)
		return err
	case e.Kind != manifest.Document:
		return nil
	}
	content, err := x.v.Content(s.ref)
	if err != nil {
		return err
	}
	n, err := io.Copy(x.w, content)
	if err == nil && n != e.Size {
		err = errors.New("its content is not as long as it says")
	}
	return err
}
