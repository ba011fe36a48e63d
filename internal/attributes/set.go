// Package attributes has the extended attributes of a file as one value: it can
// be compared, kept in a row, and shown. It knows no file and no rule; which
// attributes are synced, and who wins, others say.
package attributes

import (
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"strings"
)

// Set is names with values, "" is none. Two sets are equal if their strings are:
// for each name, in byte order, the lengths as unsigned varints before name and
// value.
type Set string

// Of makes a set.
func Of(values map[string]string) Set {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var s []byte
	for _, name := range names {
		s = appendText(appendText(s, name), values[name])
	}
	return Set(s)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// cut takes a text from the beginning of what appendText wrote.
func cut(s string) (text, rest string, ok bool) {
	var n uint64
	for i := 0; i < len(s) && i < binary.MaxVarintLen32; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			if rest = s[i+1:]; n > uint64(len(rest)) || i > 0 && s[i] == 0 {
				return "", "", false
			}
			return rest[:n], rest[n:], true
		}
	}
	return "", "", false
}

var errNoSet = errors.New("these are no extended attributes")

// Parse reads a set that somebody else may have written.
func Parse(text string) (Set, error) {
	last := ""
	for rest := text; rest != ""; {
		name, after, ok := cut(rest)
		if ok {
			_, rest, ok = cut(after)
		}
		if !ok || name <= last || strings.ContainsRune(name, 0) { // "" is no name
			return "", errNoSet
		}
		last = name
	}
	return Set(text), nil
}

// All are the names and values, in byte order of names.
func (s Set) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for rest := string(s); rest != ""; {
			name, after, ok := cut(rest)
			value, next, also := cut(after)
			if !ok || !also || !yield(name, value) {
				return
			}
			rest = next
		}
	}
}

// Get returns a value; ok is false when there is none.
func (s Set) Get(name string) (value string, ok bool) {
	for n, v := range s.All() {
		if n == name {
			return v, true
		}
	}
	return "", false
}

// Map is the set to be changed.
func (s Set) Map() map[string]string {
	m := map[string]string{}
	for name, value := range s.All() {
		m[name] = value
	}
	return m
}

// Lacks says whether a name of other is not in the set.
func (s Set) Lacks(other Set) bool {
	if s == other {
		return false
	}
	for name := range other.All() {
		if _, ok := s.Get(name); !ok {
			return true
		}
	}
	return false
}

// Names are the names of several sets, each once, in byte order.
func Names(sets ...Set) (names []string) {
	for _, s := range sets {
		for name := range s.All() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Change is what becomes of one attribute; nil: there is none.
type Change struct {
	Name     string
	Old, New *string
}

// Changes is what makes one set another, in byte order of names.
func Changes(from, to Set) (list []Change) {
	if from == to {
		return nil
	}
	for _, name := range Names(from, to) {
		old, had := from.Get(name)
		value, has := to.Get(name)
		if had == has && old == value {
			continue
		}
		c := Change{Name: name}
		if had {
			c.Old = &old
		}
		if has {
			c.New = &value
		}
		list = append(list, c)
	}
	return list
}
