package ignore

import "strings"

// matchName matches one name: * any bytes, ? one byte, [a-z] one of them, \ the
// byte that follows.
func matchName(pattern, name string) bool {
	i, j := 0, 0
	back, backTo := -1, 0
	for j < len(name) {
		if i < len(pattern) && pattern[i] == '*' {
			for i < len(pattern) && pattern[i] == '*' {
				i++
			}
			back, backTo = i, j
			continue
		}
		if size, ok := matchByte(pattern[i:], name[j]); ok {
			i += size
			j++
			continue
		}
		if back < 0 {
			return false
		}
		backTo++
		i, j = back, backTo
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// matchByte matches what a pattern begins with; size is how much of it that is.
func matchByte(pattern string, c byte) (size int, ok bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) == 1 {
			return 0, false // nothing to escape: it matches nothing
		}
		return 2, pattern[1] == c
	case '[':
		return matchClass(pattern, c)
	}
	return 1, pattern[0] == c
}

// matchClass matches [abc], [a-z], [!a] and [^a]. One that is not closed
// matches nothing.
func matchClass(pattern string, c byte) (size int, ok bool) {
	i := 1
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	for first := true; ; first = false {
		if i >= len(pattern) {
			return 0, false
		}
		if pattern[i] == ']' && !first {
			return i + 1, ok != negated
		}
		if strings.HasPrefix(pattern[i:], "[:") {
			name, _, closed := strings.Cut(pattern[i+2:], ":]")
			in, known := classes[name]
			if closed && known {
				ok = ok || in(c)
				i += len(name) + 4
				continue
			}
		}
		low, width := classByte(pattern[i:])
		i += width
		high := low
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			high, width = classByte(pattern[i+1:])
			i += 1 + width
		}
		ok = ok || low <= c && c <= high
	}
}

func classByte(pattern string) (c byte, width int) {
	if pattern[0] == '\\' && len(pattern) > 1 {
		return pattern[1], 2
	}
	return pattern[0], 1
}

func between(low, high byte) func(byte) bool {
	return func(c byte) bool { return low <= c && c <= high }
}

func either(a, b func(byte) bool) func(byte) bool {
	return func(c byte) bool { return a(c) || b(c) }
}

// classes are those of POSIX, of ASCII.
var classes = map[string]func(byte) bool{
	"digit": between('0', '9'), "lower": between('a', 'z'), "upper": between('A', 'Z'),
	"alpha":  either(between('a', 'z'), between('A', 'Z')),
	"alnum":  either(between('0', '9'), either(between('a', 'z'), between('A', 'Z'))),
	"xdigit": either(between('0', '9'), either(between('a', 'f'), between('A', 'F'))),
	"space":  either(between('\t', '\r'), between(' ', ' ')),
	"blank":  either(between('\t', '\t'), between(' ', ' ')),
	"punct":  either(either(between('!', '/'), between(':', '@')), either(between('[', '`'), between('{', '~'))),
	"graph":  between('!', '~'), "print": between(' ', '~'),
	"cntrl": either(between(0, 31), between(127, 127)),
}
