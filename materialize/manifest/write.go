package manifest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Append writes the manifest as text: a line of JSON for the header, for each
// entry, and for the end, without which it is not whole.
func (m *Manifest) Append(b []byte) []byte {
	h := m.Header
	h.Format = Format
	head, err := json.Marshal(h)
	if err != nil {
		panic(err) // plain fields
	}
	b = append(append(b, head...), '\n')
	for i := range m.Entries {
		b = m.Entries[i].append(b)
	}
	b = append(b, `{"end":true,"entries":`...)
	b = strconv.AppendInt(b, int64(len(m.Entries)), 10)
	return append(b, "}\n"...)
}

// append writes the fields in one order, with no space between them: it is what
// readPlain knows to read fast.
func (e *Entry) append(b []byte) []byte {
	b = append(b, `{"kind":"`...)
	b = append(b, e.Kind...)
	b = append(b, '"')
	b = appendText(b, "path", e.Path)
	if e.Name != e.Path {
		b = appendText(b, "name", e.Name)
	}
	b = append(b, `,"mode":"`...)
	b = strconv.AppendUint(b, uint64(e.Mode), 8)
	b = append(b, `","mtime":`...)
	b = strconv.AppendInt(b, e.Mtime, 10)
	if e.Kind.hasContent() {
		b = append(b, `,"size":`...)
		b = strconv.AppendInt(b, e.Size, 10)
		b = append(b, `,"sha256":"`...)
		b = hex.AppendEncode(b, e.SHA256[:])
		b = append(b, '"')
	}
	if e.Kind == Symlink {
		b = appendText(b, "target", e.Target)
	}
	if e.ID != "" {
		b = appendText(b, "id", e.ID)
	}
	if e.Revision != 0 {
		b = append(b, `,"revision":`...)
		b = strconv.AppendInt(b, int64(e.Revision), 10)
	}
	if e.Attributes != "" {
		text, err := json.Marshal(e.Attributes)
		if err != nil {
			panic(err) // texts
		}
		b = append(append(b, `,"attributes":`...), text...)
	}
	return append(b, "}\n"...)
}

// appendText writes a field. A name is bytes, and JSON is not: what is no UTF-8
// is in base64, in a field called so.
func appendText(b []byte, field, text string) []byte {
	b = append(b, `,"`...)
	b = append(b, field...)
	if !utf8.ValidString(text) {
		b = append(b, `_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(text))
		return append(b, '"')
	}
	b = append(b, `":`...)
	if isPlain(text) {
		b = append(b, '"')
		b = append(b, text...)
		return append(b, '"')
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return append(b, quoted...)
}

// isPlain: JSON writes it as it is.
func isPlain(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
