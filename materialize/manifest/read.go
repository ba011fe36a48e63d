package manifest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"spacefs/internal/attributes"
)

// maxLine is longer than any line that an export writes: two paths as long as
// spacefs has them, and MaxAttributes, in base64.
const maxLine = 2 << 20

// MaxAttributes is how many bytes of extended attributes an entry may have: so
// that a tar stream can hold them, too.
const MaxAttributes = 512 << 10

// Read reads a manifest's text. Each entry by itself is as an export could
// have written it; whether they go together, Check says.
func Read(text string) (*Manifest, error) {
	m := &Manifest{}
	header, rest, whole := strings.Cut(text, "\n")
	if !whole {
		return nil, ErrTruncated
	}
	if err := m.readHeader(header); err != nil {
		return nil, err
	}
	body, end, err := m.cutEnd(rest)
	if err != nil {
		return nil, err
	}
	if err := m.readEntries(body); err != nil {
		return nil, err
	}
	return m, m.readEnd(end)
}

// cutEnd cuts the last line off.
func (m *Manifest) cutEnd(text string) (body, end string, err error) {
	from := strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n') + 1
	switch {
	case strings.HasSuffix(text, "\n") && strings.HasPrefix(text[from:], endLine):
	case strings.HasPrefix(text, endLine), strings.Contains(text, "\n"+endLine):
		return "", "", fmt.Errorf("%w: there is something after the end", ErrInvalid)
	default:
		return "", "", fmt.Errorf("%w after line %d", ErrTruncated, 1+strings.Count(text, "\n"))
	}
	return text[:from], text[from:], nil
}

const (
	endLine = `{"end":`
	// No line of an entry has fewer bytes.
	shortest = 32
	// So many bytes are worth a goroutine.
	part = 1 << 20
)

// readEntries reads the lines of a body, a part on each processor.
func (m *Manifest) readEntries(body string) error {
	var parts []string
	for size := max(part, len(body)/runtime.GOMAXPROCS(0)+1); body != ""; {
		end := min(size, len(body))
		end += strings.IndexByte(body[end-1:], '\n')
		parts = append(parts, body[:end])
		body = body[end:]
	}
	// An entry takes more room than its line. What is none must not take it.
	starts := make([]int, len(parts)+1)
	for i, p := range parts {
		starts[i+1] = starts[i] + min(strings.Count(p, "\n"), len(p)/shortest+1)
	}
	m.Entries = make([]Entry, starts[len(parts)])
	errs := make([]error, len(parts))
	var readers sync.WaitGroup
	for i, p := range parts {
		readers.Go(func() { errs[i] = readLines(p, m.Entries[starts[i]:starts[i+1]], starts[i]+2) })
	}
	readers.Wait()
	for _, err := range errs { // the first: those before it are complete, and so its line is known
		if err != nil {
			return err
		}
	}
	return nil
}

// readLines reads lines from a number on into entries, of which there are enough
// if the lines are some.
func readLines(lines string, entries []Entry, number int) error {
	for line := range strings.SplitSeq(strings.TrimSuffix(lines, "\n"), "\n") {
		if strings.HasPrefix(line, endLine) {
			return fmt.Errorf("%w: line %d: there is something after the end", ErrInvalid, number+1)
		}
		var e Entry
		if err := e.read(line); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrInvalid, number, err)
		}
		entries[0] = e
		entries = entries[1:]
		number++
	}
	return nil
}

func (m *Manifest) readHeader(line string) error {
	if len(line) > maxLine {
		return fmt.Errorf("%w: line 1 is too long", ErrInvalid)
	}
	if err := json.Unmarshal([]byte(line), &m.Header); err != nil || m.Format == 0 {
		return fmt.Errorf("%w: line 1 is not that of a manifest", ErrInvalid)
	}
	switch {
	case m.Format > Format:
		return fmt.Errorf("%w (its format is %d, this one knows up to %d)", ErrNewer, m.Format, Format)
	case m.Format < 0 || m.Space == "":
		return fmt.Errorf("%w: line 1 names no space", ErrInvalid)
	}
	return nil
}

func (m *Manifest) readEnd(line string) error {
	var end struct {
		End     bool
		Entries int
	}
	if err := json.Unmarshal([]byte(line), &end); err != nil || !end.End {
		return fmt.Errorf("%w: the last line", ErrInvalid)
	}
	if end.Entries != len(m.Entries) {
		return fmt.Errorf("%w: it has %d entries, and its end says %d", ErrInvalid, len(m.Entries), end.Entries)
	}
	return nil
}

func (e *Entry) read(line string) error {
	if len(line) > maxLine {
		return fmt.Errorf("it is too long")
	}
	if !e.readPlain(line) {
		*e = Entry{}
		if err := e.readAny(line); err != nil {
			return err
		}
	}
	return e.check()
}

// readPlain reads a line as append wrote it, if its texts are plain: nearly all
// are, and it takes a tenth of the time.
func (e *Entry) readPlain(line string) bool {
	p := plain{rest: line, ok: true}
	p.skip(`{"kind":"`)
	e.Kind = Kind(p.text())
	p.skip(`,"path":"`)
	e.Path = p.text()
	e.Name = e.Path
	if p.next(`,"name":"`) {
		e.Name = p.text()
	}
	p.skip(`,"mode":"`)
	mode := p.text()
	p.skip(`,"mtime":`)
	e.Mtime = p.number()
	if p.next(`,"size":`) {
		e.Size = p.number()
		p.skip(`,"sha256":"`)
		p.hash(&e.SHA256)
	}
	if p.next(`,"target":"`) {
		e.Target = p.text()
	}
	if p.next(`,"id":"`) {
		e.ID = p.text()
	}
	if p.next(`,"revision":`) {
		e.Revision = int(p.number())
	}
	if p.next(`,"attributes":[`) {
		e.Attributes = p.attributes()
	}
	p.skip(`}`)
	bits, err := strconv.ParseUint(mode, 8, 32)
	e.Mode = uint32(bits)
	return p.ok && err == nil && p.rest == ""
}

// plain takes a line apart; ok is false once something was not as expected.
type plain struct {
	rest string
	ok   bool
}

func (p *plain) next(literal string) bool {
	if !strings.HasPrefix(p.rest, literal) {
		return false
	}
	p.rest = p.rest[len(literal):]
	return true
}

func (p *plain) skip(literal string) { p.ok = p.next(literal) && p.ok }

// text takes what is before the closing quote.
func (p *plain) text() string {
	i := strings.IndexByte(p.rest, '"')
	if i < 0 || !isPlain(p.rest[:i]) {
		p.ok = false
		return ""
	}
	t := p.rest[:i]
	p.rest = p.rest[i+1:]
	return t
}

func (p *plain) number() int64 {
	i := 0
	for i < len(p.rest) && (p.rest[i] == '-' || p.rest[i] >= '0' && p.rest[i] <= '9') {
		i++
	}
	n, err := strconv.ParseInt(p.rest[:i], 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != p.rest[:i] {
		p.ok = false
	}
	p.rest = p.rest[i:]
	return n
}

// attributes takes what is before the closing bracket, if all of it is text.
func (p *plain) attributes() attributes.Set {
	values := map[string]string{}
	for {
		p.skip(`{"name":"`)
		name := p.text()
		p.skip(`,"value":"`)
		_, twice := values[name]
		values[name] = p.text()
		p.skip(`}`)
		p.ok = p.ok && name != "" && !twice
		if !p.ok || !p.next(`,`) {
			break
		}
	}
	p.skip(`]`)
	return attributes.Of(values)
}

func (p *plain) hash(to *[32]byte) {
	var text [64]byte
	digits := p.text()
	copy(text[:], digits)
	if _, err := hex.Decode(to[:], text[:]); err != nil || len(digits) != len(text) {
		p.ok = false
	}
}

// jsonEntry is an entry as JSON has it.
type jsonEntry struct {
	Kind         Kind           `json:"kind"`
	Path         string         `json:"path"`
	PathBase64   *string        `json:"path_base64"`
	Name         *string        `json:"name"`
	NameBase64   *string        `json:"name_base64"`
	Mode         string         `json:"mode"`
	Mtime        int64          `json:"mtime"`
	Size         int64          `json:"size"`
	SHA256       string         `json:"sha256"`
	Target       string         `json:"target"`
	TargetBase64 *string        `json:"target_base64"`
	ID           string         `json:"id"`
	Revision     int            `json:"revision"`
	Attributes   attributes.Set `json:"attributes"`
}

func (e *Entry) readAny(line string) error {
	in := json.NewDecoder(strings.NewReader(line))
	in.DisallowUnknownFields()
	var j jsonEntry
	if err := in.Decode(&j); err != nil {
		return err
	}
	if len(bytes.TrimSpace([]byte(line[in.InputOffset():]))) > 0 {
		return fmt.Errorf("there is something after the entry")
	}
	mode, err := strconv.ParseUint(j.Mode, 8, 32)
	if err != nil {
		return fmt.Errorf("%q is no mode", j.Mode)
	}
	*e = Entry{
		Kind: j.Kind, Path: j.Path, Mode: uint32(mode), Mtime: j.Mtime, Size: j.Size, Target: j.Target, ID: j.ID, Revision: j.Revision, Attributes: j.Attributes,
	}
	for _, b := range []struct {
		from *string
		to   *string
	}{{j.PathBase64, &e.Path}, {j.TargetBase64, &e.Target}} {
		if err := decode(b.from, b.to); err != nil {
			return err
		}
	}
	e.Name = e.Path
	if j.Name != nil {
		e.Name = *j.Name
	}
	if err := decode(j.NameBase64, &e.Name); err != nil {
		return err
	}
	if j.SHA256 != "" {
		if n, err := hex.Decode(e.SHA256[:], []byte(j.SHA256[:min(64, len(j.SHA256))])); err != nil || n != 32 || len(j.SHA256) != 64 {
			return fmt.Errorf("%q is no SHA-256", j.SHA256)
		}
	}
	return nil
}

func decode(from, to *string) error {
	if from == nil {
		return nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(*from)
	*to = string(b)
	return err
}
