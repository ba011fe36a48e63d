package merge

import "bytes"

// MaxSize is the largest text that is merged; what is larger is not written by
// hand.
const MaxSize = 8 << 20

// Mergeable says whether a content is text that people merge by lines: it has no
// NUL and is not huge.
func Mergeable(content []byte) bool {
	return len(content) <= MaxSize && bytes.IndexByte(content, 0) < 0
}

// lines cuts a text after each newline. A last line without one is a line of
// another kind: it is not equal to the same line with one.
func lines(text []byte) [][]byte {
	var list [][]byte
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n') + 1
		if end == 0 {
			end = len(text)
		}
		list = append(list, text[:end])
		text = text[end:]
	}
	return list
}

// numbering gives equal lines equal numbers, over all texts it is used for.
type numbering map[string]int

func (n numbering) number(list [][]byte) []int {
	out := make([]int, len(list))
	for i, line := range list {
		id, known := n[string(line)]
		if !known {
			id = len(n)
			n[string(line)] = id
		}
		out[i] = id
	}
	return out
}

// endsInCRLF says how the line at i ends; undecided when nothing can tell. A
// last line without an end is like the one before it.
func endsInCRLF(list [][]byte, i int) (crlf, decided bool) {
	if len(list) == 0 {
		return false, false
	}
	line := list[i]
	if !bytes.HasSuffix(line, []byte("\n")) {
		if i == 0 {
			return false, false
		}
		line = list[i-1]
	}
	return bytes.HasSuffix(line, []byte("\r\n")), true
}
