package materialize

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"spacefs/internal/attributes"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// ImportTar brings a tar stream into the space. If it begins with a manifest, as
// those of ExportTar do, that leads paths, ids and metadata back. Nothing in a
// stream is believed: what leads upwards, devices, and contents that are made of
// nearly nothing are refused, each with a line, and the others go on.
func ImportTar(ctx context.Context, store *spacedb.Store, r io.Reader, o ImportOptions) (ImportResult, error) {
	return runImport(ctx, store, "-", o, func(m *importer, _ string) error {
		buffered := bufio.NewReader(r)
		if with := compressedWith(buffered); with != "" {
			return fmt.Errorf("the stream is compressed: give what %s -dc makes of it", with)
		}
		raw := &countingReader{r: buffered}
		t := &tarImport{importer: m, raw: raw, in: tar.NewReader(raw)}
		return t.all()
	})
}

// compressedWith names the program that compressed a stream; "" is none.
func compressedWith(r *bufio.Reader) string {
	head, _ := r.Peek(6) // an error comes again
	for program, magic := range map[string]string{"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd", "xz": "\xfd7zXZ\x00", "bzip2": "BZh"} {
		if strings.HasPrefix(string(head), magic) {
			return program
		}
	}
	return ""
}

// countingReader counts what a stream really has.
type countingReader struct {
	r     io.Reader
	read  int64
	zeros int64 // bytes at the end of what was read
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	zeros := n - len(bytes.TrimRight(p[:n], "\x00"))
	if zeros < n {
		c.zeros = 0
	}
	c.zeros += int64(zeros)
	return n, err
}

type tarImport struct {
	*importer
	raw     *countingReader
	in      *tar.Reader
	waiting []*arrival
	bytes   int
}

func (t *tarImport) all() error {
	for first := true; ; first = false {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		h, err := t.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(t.flush(), fmt.Errorf("the tar stream is damaged or cut off: %w", err))
		}
		t.options.Reporter.Step()
		if err := t.entry(h, first); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	switch {
	case t.raw.read == 0:
		return errors.New("there is no tar stream on stdin")
	case !t.ended():
		return errors.New("the tar stream is cut off; what came of it is imported")
	}
	if err := t.exportedDirs(); err != nil {
		return err
	}
	t.reportVanished()
	return nil
}

// next goes on to the next header.
func (t *tarImport) next() (*tar.Header, error) {
	rest := &inflation{content: t.in, raw: t.raw, from: t.raw.read}
	_, _ = io.Copy(io.Discard, rest) // what is wrong with it, Next says
	t.raw.zeros = 0                  // of that content
	return t.in.Next()
}

// ended says whether the stream has come to its end, which is two empty blocks.
// For archive/tar one that was cut off between two files has, too.
func (t *tarImport) ended() bool { return t.raw.zeros >= 2*tarBlock } // what fills up a content is less than one

func (t *tarImport) entry(h *tar.Header, first bool) error {
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
	if name == "" || name == "." {
		return nil // the top itself
	}
	if name == manifest.Name {
		return t.manifest(first)
	}
	if top, _, _ := strings.Cut(name, "/"); ownFile(top) {
		return nil
	}
	to, e, made := name, (*manifest.Entry)(nil), false
	if isPath(name) {
		to, e, made = t.pathOf(name)
	}
	switch {
	case hasLongName(to):
		return t.failed(h.Name, fmt.Errorf("refused: a name in it is longer than %d bytes", spacedb.MaxName))
	case !isPath(to) || strings.IndexByte(to, 0) >= 0:
		return t.failed(h.Name, errors.New("refused: it is no path below the top"))
	}
	if made || !t.wanted(to, h.Typeflag == tar.TypeDir) {
		return nil
	}
	err := t.bring(h, name, join(t.options.Into, to), e)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.Join(t.flush(), fmt.Errorf("the tar stream is cut off in %s: %w", h.Name, err))
	}
	return t.failed(h.Name, err)
}

// manifest reads the manifest; it counts only where ExportTar writes it.
func (t *tarImport) manifest(first bool) error {
	switch {
	case t.options.NoManifest:
		return nil
	case !first:
		t.notice("%s is not the first in the stream, and is passed over", manifest.Name)
		return nil
	}
	const most = 1 << 30
	text, err := io.ReadAll(io.LimitReader(t.in, most+1))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the tar stream is cut off in its manifest; nothing of it is imported")
	}
	if err == nil && len(text) > most {
		err = fmt.Errorf("%w: it is too long", manifest.ErrInvalid)
	}
	var m *manifest.Manifest
	if err == nil {
		m, err = manifest.Read(string(text))
	}
	if err == nil {
		err = m.Check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w; without it the files can be imported as they are: --no-manifest", manifest.Name, err)
	}
	t.origin = newOrigin(m)
	t.decideAttributes()
	return nil
}

func (t *tarImport) bring(h *tar.Header, name, to string, e *manifest.Entry) error {
	if t.waitsFor(to) {
		if err := t.flush(); err != nil {
			return err
		}
	}
	var attrs attributes.Set
	if t.readsAttributes {
		var err error
		if attrs, err = attributesOfPAX(h.PAXRecords); err != nil {
			return err
		}
	}
	st := stamp{mode: spacedb.TypeRegular | uint32(h.Mode)&spacedb.PermMask, size: h.Size, mtime: h.ModTime.UnixNano()}
	switch h.Typeflag {
	case tar.TypeDir:
		return t.directory(arrivedDir{path: to, perm: st.perm(), mtime: st.mtime, attrs: attrs, entry: e})
	case tar.TypeSymlink:
		return t.symlink(name, to, h.Linkname, st.mtime, e)
	case tar.TypeReg, tar.TypeGNUSparse:
		if h.Size > spacedb.MaxSize || h.Size < 0 {
			return errTooLarge
		}
		a := &arrival{from: name, path: to, stat: st, entry: e, attrs: attrs}
		if h.Size > importSmall {
			return t.large(a, t.in)
		}
		return t.small(a)
	case tar.TypeLink:
		return t.link(h, &arrival{from: name, path: to, stat: st, entry: e, attrs: attrs})
	}
	t.notice("%s: skipped, special file", name)
	return nil
}

func (t *tarImport) small(a *arrival) error {
	data := make([]byte, a.stat.size)
	if _, err := io.ReadFull(t.in, data); err != nil {
		return err
	}
	a.data, a.sum = data, sha256.Sum256(data)
	t.waiting = append(t.waiting, a)
	if t.bytes += len(data); t.bytes > importBytes || len(t.waiting) == importBatch {
		return t.flush()
	}
	return nil
}

// waitsFor says whether what waits has the same path, or one above it: of two in a
// stream the later one counts.
func (t *tarImport) waitsFor(path string) bool {
	return slices.ContainsFunc(t.waiting, func(a *arrival) bool { return isWithin(path, a.path) })
}

func (t *tarImport) flush() error {
	list := t.waiting
	t.waiting, t.bytes = nil, 0
	return t.placeSmall(list)
}

// large stages a content while it is hashed: a stream cannot be read twice.
func (t *tarImport) large(a *arrival, content io.Reader) error {
	staged := t.tree.Stage()
	defer staged.Discard()
	bound := &inflation{content: content, raw: t.raw, from: t.raw.read}
	n, err := io.Copy(staged, bound)
	if err != nil {
		return err
	}
	a.sum, a.stat.size = staged.SHA256(), n
	f, err := t.judge(a)
	if err != nil || !f.arrives {
		return errors.Join(err, t.attributeUnchanged(a, f))
	}
	dir, _ := splitPath(f.path)
	if err := t.ensureDir(dir); err != nil {
		return err
	}
	return t.place(a, f, staged)
}

// inflation refuses a content that a stream has nearly nothing of: a sparse file
// of a few bytes may say that it has terabytes.
type inflation struct {
	content io.Reader
	raw     *countingReader
	from    int64
	given   int64
}

const (
	freeInflation = 64 << 20 // bytes that nobody asks about
	mostInflation = 200      // times what the stream has
)

func (b *inflation) Read(p []byte) (int, error) {
	n, err := b.content.Read(p)
	b.given += int64(n)
	if b.given > freeInflation && b.given/mostInflation > b.raw.read-b.from {
		return 0, errors.New("refused: it is nearly all holes; copy it into the mount with cp --sparse=always instead")
	}
	return n, err
}

// link brings a hard link as a document of its own, with the content of what it
// names.
func (t *tarImport) link(h *tar.Header, a *arrival) error {
	if err := t.flush(); err != nil {
		return err
	}
	target := strings.TrimPrefix(h.Linkname, "./")
	if !isPath(target) {
		return errors.New("refused: it leads out of the tree")
	}
	to, _, _ := t.pathOf(target)
	have, err := t.tree.Resolve(join(t.options.Into, to))
	if err != nil {
		return fmt.Errorf("it is a link to %s: %w", h.Linkname, err)
	}
	if !have.IsRegular() {
		return fmt.Errorf("it is a link to %s, which is a %s", h.Linkname, kindName(have))
	}
	staged := t.tree.Stage()
	defer staged.Discard()
	if _, err := io.Copy(staged, io.NewSectionReader(readerAt{t.tree, have.ID}, 0, have.Size)); err != nil {
		return err
	}
	a.sum, a.stat.size = staged.SHA256(), have.Size
	f, err := t.judge(a)
	if err != nil || !f.arrives {
		return errors.Join(err, t.attributeUnchanged(a, f))
	}
	return t.place(a, f, staged)
}

// readerAt reads a document as it is now.
type readerAt struct {
	tree *spacedb.Tree
	id   spacedb.NodeID
}

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.tree.ReadAt(r.id, p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}
