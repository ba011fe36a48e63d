package materialize

import (
	"crypto/sha256"
	"errors"
	"io"

	"spacefs/spacedb"
)

// readBatch is files of one directory, to be read and hashed.
type readBatch struct {
	dir   string
	files []*arrival
	errs  []error // parallel
	bytes int64
	done  chan struct{}
}

// add puts a file into the batch of its directory.
func (d *directoryImport) add(a *arrival) error {
	dir, _ := splitPath(a.from)
	if b := d.filling; b != nil && (b.dir != dir || len(b.files) == importBatch || b.bytes+a.stat.size > importBytes) {
		d.dispatch()
	}
	if d.filling == nil {
		d.filling = &readBatch{dir: dir, done: make(chan struct{})}
	}
	d.filling.files = append(d.filling.files, a)
	d.filling.bytes += min(a.stat.size, importSmall)
	return d.drain(importPending - 1)
}

// dispatch hands the batch to the readers.
func (d *directoryImport) dispatch() {
	if d.filling != nil {
		d.waiting = append(d.waiting, d.filling)
		d.jobs <- d.filling
		d.filling = nil
	}
}

// drain brings batches in until at most so many wait.
func (d *directoryImport) drain(most int) error {
	for len(d.waiting) > most {
		b := d.waiting[0]
		d.waiting = d.waiting[1:]
		<-b.done
		if err := d.bring(b); err != nil {
			return err
		}
	}
	return nil
}

// read is what a reader does.
func (d *directoryImport) read() {
	for b := range d.jobs {
		b.errs = make([]error, len(b.files))
		dir, err := openDirectory(d.root, b.dir)
		for i, a := range b.files {
			if err != nil {
				b.errs[i] = err
				continue
			}
			_, name := splitPath(a.from)
			b.errs[i] = a.read(dir, name, d.readsAttributes)
		}
		if err == nil {
			dir.close()
		}
		close(b.done)
	}
}

// read reads and hashes a file that does not change meanwhile.
func (a *arrival) read(dir directory, name string, attributes bool) error {
	for range 3 {
		f, err := dir.openFile(name)
		if err != nil {
			return err
		}
		err = a.readOpen(f, attributes)
		_ = f.close()
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return errMoved
}

func (a *arrival) readOpen(f plainFile, attributes bool) error {
	before, err := f.stat()
	switch {
	case err != nil:
		return err
	case before.kind() != spacedb.TypeRegular:
		return errMoved
	case before.size > spacedb.MaxSize:
		return errTooLarge
	}
	a.data = nil
	if before.size <= importSmall {
		buf := make([]byte, max(before.size, 1)) // what has no size may have content, in /proc
		n, err := io.ReadFull(f, buf)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		if int64(n) != before.size {
			return errMoved // it got shorter; whether it got longer, its time tells
		}
		a.data = buf[:n:n]
		a.sum = sha256.Sum256(a.data)
	} else {
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		h.Sum(a.sum[:0])
	}
	if attributes {
		if a.attrs, err = readAttributes(f.fd); err != nil {
			return err
		}
	}
	after, err := f.stat()
	if err != nil {
		return err
	}
	if before != after {
		return errMoved
	}
	a.stat = after
	return nil
}
