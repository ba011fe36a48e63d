package fold

import "strings"

// Fold makes one name of a path: / becomes __. So that __ means nothing else,
// an underscore that another one follows, or that begins or ends a name, is
// written %5F, and % is %25. Most names therefore stay as they are:
//
//	notes/2026/plan_b.md   notes__2026__plan_b.md
//	_drafts/a__b.md        %5Fdrafts__a%5F_b.md
func Fold(path string) string {
	if !strings.ContainsAny(path, "/_%") {
		return path
	}
	var b strings.Builder
	b.Grow(len(path) + 16)
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '/':
			b.WriteString(separator)
		case c == '%':
			b.WriteString("%25")
		case c == '_' && (i == 0 || path[i-1] == '/' || i == len(path)-1 || path[i+1] == '/' || path[i+1] == '_'):
			b.WriteString("%5F")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

const (
	separator = "__"
	tooLong   = "%~" // no folded name has it: after % come two digits
)

// Unfold is Fold's inverse. ok is false for a name that Fold made of no path.
func Unfold(name string) (path string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch {
		case strings.HasPrefix(name[i:], separator):
			b.WriteByte('/')
			i += len(separator) - 1
		case strings.HasPrefix(name[i:], "%25"):
			b.WriteByte('%')
			i += 2
		case strings.HasPrefix(name[i:], "%5F"):
			b.WriteByte('_')
			i += 2
		default:
			b.WriteByte(name[i])
		}
	}
	path = b.String()
	return path, Fold(path) == name
}
