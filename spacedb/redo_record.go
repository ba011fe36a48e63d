package spacedb

import "encoding/binary"

// A record of the redo log is a batch as bytes. One description of it serves both
// directions, so that what is written is what is read.

// redoStatements are those that a record may name, by their place here: what a
// file says is never executed as it stands.
var redoStatements = []string{leaveDocument, takeUpDocument, makeDocument}

// redoable says whether a batch can be a record: what people do all day, and
// nothing that is looked for in the file while it waits.
func (b *batch) redoable() bool {
	if b.clean || len(b.seals) > 0 || len(b.records.xattrs) > 0 {
		return false
	}
	for _, st := range b.records.statements {
		if statementNumber(st.query) < 0 {
			return false
		}
	}
	return true
}

func statementNumber(query string) int {
	for i, known := range redoStatements {
		if query == known {
			return i
		}
	}
	return -1
}

func (b *batch) encode() []byte {
	c := coder{writing: true}
	c.batch(b)
	return c.bytes
}

func decodeBatch(record []byte) (*batch, error) {
	c, b := coder{bytes: record}, &batch{}
	c.batch(b)
	if c.failed || len(c.bytes) > 0 {
		return nil, damaged("a record of the redo log cannot be read")
	}
	return b, nil
}

// coder appends to bytes, or takes away from them.
type coder struct {
	bytes   []byte
	writing bool
	failed  bool // bytes are no record
}

func (c *coder) batch(b *batch) {
	number(c, &b.seq)
	number(c, &b.last.node)
	number(c, &b.last.chunk)
	number(c, &b.last.document)
	number(c, &b.last.revision)
	number(c, &b.usage.Nodes)
	number(c, &b.usage.Bytes)
	sequence(c, &b.nodes, c.node)
	sequence(c, &b.gone, func(id *NodeID) { number(c, id) })
	sequence(c, &b.entries, func(r *entryRow) {
		number(c, &r.parent)
		c.text(&r.name)
		number(c, &r.node)
		number(c, &r.since)
	})
	sequence(c, &b.chunks, c.chunk)
	sequence(c, &b.unchunks, func(id *int64) { number(c, id) })
	sequence(c, &b.patchRows, c.patchRow)
	sequence(c, &b.unpatched, func(id *int64) { number(c, id) })
	sequence(c, &b.extents, c.extent)
	sequence(c, &b.holes, c.extent)
	sequence(c, &b.journal, func(r *journalRow) {
		number(c, &r.seq)
		number(c, &r.time)
		c.actor(&r.by)
		number(c, &r.node)
		number(c, &r.parent)
		c.text(&r.name)
	})
	sequence(c, &b.past, func(r *pastRow) {
		number(c, &r.parent)
		c.text(&r.name)
		number(c, &r.until)
		c.actor(&r.by)
		number(c, &r.document)
	})
	number(c, &b.moment.seq)
	number(c, &b.moment.time)
	number(c, &b.moment.instead)
	sequence(c, &b.records.statements, c.statement)
}

func (c *coder) node(r *nodeRow) {
	number(c, &r.id)
	for _, v := range []*uint32{&r.mode, &r.nlink, &r.uid, &r.gid, &r.rdev} {
		number(c, v)
	}
	for _, v := range []*int64{&r.size, &r.atime, &r.mtime, &r.ctime, &r.btime, &r.chunk, &r.chunks, &r.shared} {
		number(c, v)
	}
	number(c, &r.version)
	number(c, &r.history.document)
	number(c, &r.history.revision)
	if r.history.revision != 0 {
		sum := r.history.sha256[:]
		c.blob(&sum)
		copy(r.history.sha256[:], sum)
	}
	c.flag(&r.sealed)
	number(c, &r.xattrs)
}

// chunk: of a chunk that is stored already, what changed.
func (c *coder) chunk(r *chunkRow) {
	partly, data := r.to > 0, r.data
	if partly {
		data = data[r.from:r.to]
	}
	number(c, &r.id)
	number(c, &r.from)
	c.flag(&partly)
	c.blob(&data)
	if !c.writing {
		r.data, r.part = data, partly
	}
}

func (c *coder) patchRow(r *patchRow) {
	number(c, &r.id)
	number(c, &r.node)
	c.blob(&r.ranges)
	sequence(c, &r.parts, c.blob)
}

func (c *coder) extent(r *extentRow) {
	number(c, &r.node)
	number(c, &r.idx)
	number(c, &r.chunk)
}

func (c *coder) actor(a *Actor) {
	number(c, &a.Origin)
	number(c, &a.Run)
}

func (c *coder) statement(st *statement) {
	which := 0
	if c.writing {
		which = statementNumber(st.query)
	}
	number(c, &which)
	if which < 0 || which >= len(redoStatements) {
		c.failed = true
		return
	}
	st.query = redoStatements[which]
	sequence(c, &st.args, c.argument)
}

// argument is a number or bytes; SQLite takes a text in bytes for a blob, so that
// is told apart.
func (c *coder) argument(a *any) {
	const isNumber, isText, isBlob = 0, 1, 2
	var kind, n int64
	var text string
	var blob []byte
	if c.writing {
		switch v := bindable(*a).(type) {
		case int64:
			n = v
		case string:
			kind, text = isText, v
		case []byte:
			kind, blob = isBlob, v
		}
	}
	number(c, &kind)
	switch kind {
	case isNumber:
		number(c, &n)
		*a = n
	case isText:
		c.text(&text)
		*a = text
	case isBlob:
		c.blob(&blob)
		*a = blob
	default:
		c.failed = true
	}
}

func number[T ~int | ~int64 | ~uint8 | ~uint32 | ~uint64](c *coder, v *T) {
	if c.writing {
		c.bytes = binary.AppendVarint(c.bytes, int64(*v))
		return
	}
	n, size := binary.Varint(c.bytes)
	if size <= 0 {
		c.fail()
		return
	}
	c.bytes = c.bytes[size:]
	*v = T(n)
}

func (c *coder) flag(v *bool) {
	n := 0
	if *v {
		n = 1
	}
	number(c, &n)
	*v = n == 1
}

func (c *coder) blob(v *[]byte) {
	size := len(*v)
	number(c, &size)
	switch {
	case c.writing:
		c.bytes = append(c.bytes, *v...)
	case size < 0 || size > len(c.bytes):
		c.fail()
	default:
		*v, c.bytes = c.bytes[:size:size], c.bytes[size:]
	}
}

func (c *coder) text(v *string) {
	b := []byte(*v)
	c.blob(&b)
	*v = string(b)
}

// sequence has at least a byte for each of its elements.
func sequence[T any](c *coder, l *[]T, each func(*T)) {
	size := len(*l)
	number(c, &size)
	if !c.writing {
		if size < 0 || size > len(c.bytes) {
			c.fail()
			return
		}
		*l = make([]T, size)
	}
	for i := range *l {
		if c.failed {
			return
		}
		each(&(*l)[i])
	}
}

// fail ends reading: there is nothing left.
func (c *coder) fail() { c.bytes, c.failed = nil, true }
