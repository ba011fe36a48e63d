// Package merge brings two people's changes to one text together. It is pure, and
// does by lines what `git merge-file` does: a change that only one side made is
// taken, one that both made alike is taken once, and where both changed the same
// lines differently, or lines that touch, it says so instead of guessing.
package merge

import "bytes"

// Result is a merged text. With conflicts it holds both sides' lines between
// markers.
type Result struct {
	Text      []byte
	Conflicts int
}

// Labels name the two sides in conflict markers.
type Labels struct{ Space, Mirror string }

// Texts merges what became of base on both sides.
func Texts(base, space, mirror []byte, labels Labels) (Result, error) {
	ids := numbering{}
	t := &texts{base: lines(base), space: lines(space), mirror: lines(mirror)}
	was := ids.number(t.base)
	t.spaceIDs, t.mirrorIDs = ids.number(t.space), ids.number(t.mirror)
	ofSpace, err := compare(was, t.spaceIDs)
	if err != nil {
		return Result{}, err
	}
	ofMirror, err := compare(was, t.mirrorIDs)
	if err != nil {
		return Result{}, err
	}
	regions := t.meet(ofSpace.hunks(), ofMirror.hunks())
	if regions, err = t.narrow(regions); err != nil {
		return Result{}, err
	}
	return t.write(t.join(regions), labels), nil
}

type texts struct {
	base, space, mirror [][]byte
	spaceIDs, mirrorIDs []int
}

// hunk is one change: old[oldFrom:oldTo] became new[newFrom:newTo].
type hunk struct{ oldFrom, oldTo, newFrom, newTo int }

func (d *delta) hunks() (list []hunk) {
	for i, j := 0, 0; i < len(d.deleted) || j < len(d.added); {
		h := hunk{oldFrom: i, newFrom: j}
		for i < len(d.deleted) && d.deleted[i] {
			i++
		}
		for j < len(d.added) && d.added[j] {
			j++
		}
		h.oldTo, h.newTo = i, j
		if h.oldTo > h.oldFrom || h.newTo > h.newFrom {
			list = append(list, h)
		} else {
			i++
			j++
		}
	}
	return list
}

// whose says where a region's lines come from.
type whose uint8

const (
	both       whose = iota // in conflict
	fromSpace               // changed there only
	fromMirror              // changed there only
	sameOnBoth              // changed on both to the same
)

// region is a change as it lies in both sides' texts.
type region struct {
	whose                whose
	spaceFrom, spaceTo   int
	mirrorFrom, mirrorTo int
}

// meet walks along the base and brings both lists of hunks together.
func (t *texts) meet(space, mirror []hunk) (list []region) {
	// How far a line of the base lies from the same line of a side, as of the last
	// hunk that was passed.
	var spaceShift, mirrorShift int
	for len(space) > 0 || len(mirror) > 0 {
		switch {
		case len(mirror) == 0 || len(space) > 0 && space[0].oldTo < mirror[0].oldFrom:
			h := space[0]
			list = add(list, region{fromSpace, h.newFrom, h.newTo, h.oldFrom + mirrorShift, h.oldTo + mirrorShift})
			spaceShift, space = h.newTo-h.oldTo, space[1:]
			continue
		case len(space) == 0 || mirror[0].oldTo < space[0].oldFrom:
			h := mirror[0]
			list = add(list, region{fromMirror, h.oldFrom + spaceShift, h.oldTo + spaceShift, h.newFrom, h.newTo})
			mirrorShift, mirror = h.newTo-h.oldTo, mirror[1:]
			continue
		}
		s, m := space[0], mirror[0]
		if !t.alike(s, m) {
			// The region is as much of the base as both hunks cover.
			from, to := min(s.oldFrom, m.oldFrom), max(s.oldTo, m.oldTo)
			list = add(list, region{both,
				s.newFrom - (s.oldFrom - from), s.newTo + (to - s.oldTo),
				m.newFrom - (m.oldFrom - from), m.newTo + (to - m.oldTo)})
		}
		if s.oldTo >= m.oldTo {
			mirrorShift, mirror = m.newTo-m.oldTo, mirror[1:]
		}
		if m.oldTo >= s.oldTo {
			spaceShift, space = s.newTo-s.oldTo, space[1:]
		}
	}
	return list
}

// alike: both sides made the same change.
func (t *texts) alike(s, m hunk) bool {
	if s.oldFrom != m.oldFrom || s.oldTo != m.oldTo || s.newTo-s.newFrom != m.newTo-m.newFrom {
		return false
	}
	for i := range s.newTo - s.newFrom {
		if t.spaceIDs[s.newFrom+i] != t.mirrorIDs[m.newFrom+i] {
			return false
		}
	}
	return true
}

// add appends a region, or makes it part of the last one if they touch.
func add(list []region, r region) []region {
	if len(list) == 0 {
		return append(list, r)
	}
	last := &list[len(list)-1]
	if r.spaceFrom > last.spaceTo && r.mirrorFrom > last.mirrorTo {
		return append(list, r)
	}
	if r.whose != last.whose {
		last.whose = both
	}
	last.spaceTo, last.mirrorTo = r.spaceTo, r.mirrorTo
	return list
}

// narrow takes out of conflicts the lines that both sides have.
func (t *texts) narrow(list []region) (out []region, err error) {
	for _, r := range list {
		if r.whose != both || r.spaceFrom == r.spaceTo || r.mirrorFrom == r.mirrorTo {
			out = append(out, r)
			continue
		}
		d, err := compare(t.spaceIDs[r.spaceFrom:r.spaceTo], t.mirrorIDs[r.mirrorFrom:r.mirrorTo])
		if err != nil {
			return nil, err
		}
		hunks := d.hunks()
		if len(hunks) == 0 {
			r.whose = sameOnBoth
			out = append(out, r)
		}
		for _, h := range hunks {
			out = append(out, region{both, r.spaceFrom + h.oldFrom, r.spaceFrom + h.oldTo, r.mirrorFrom + h.newFrom, r.mirrorFrom + h.newTo})
		}
	}
	return out, nil
}

// join makes one of two conflicts that only a few lines part, or lines without a
// word in them: they are easier to read in one.
func (t *texts) join(list []region) (out []region) {
	const few = 3
	for _, r := range list {
		if len(out) > 0 {
			last := &out[len(out)-1]
			between := t.space[last.spaceTo:r.spaceFrom]
			if last.whose == both && r.whose == both && (len(between) <= few || !words(between)) {
				last.spaceTo, last.mirrorTo = r.spaceTo, r.mirrorTo
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

func words(list [][]byte) bool {
	for _, line := range list {
		for _, c := range line {
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
				return true
			}
		}
	}
	return false
}

// write puts the text together: the space's lines, and in each region the lines
// of whom it belongs to.
func (t *texts) write(list []region, labels Labels) (r Result) {
	var out bytes.Buffer
	copyLines := func(of [][]byte) {
		for _, line := range of {
			out.Write(line)
		}
	}
	at := 0
	for _, g := range list {
		switch g.whose {
		case sameOnBoth, fromSpace:
			continue // as it is in the space
		case fromMirror:
			copyLines(t.space[at:g.spaceFrom])
			copyLines(t.mirror[g.mirrorFrom:g.mirrorTo])
		case both:
			r.Conflicts++
			copyLines(t.space[at:g.spaceFrom])
			end := t.lineEnd(g)
			closed := func(of [][]byte) {
				copyLines(of)
				if n := len(of); n > 0 && !bytes.HasSuffix(of[n-1], []byte("\n")) {
					out.WriteString(end)
				}
			}
			out.WriteString("<<<<<<< " + labels.Space + end)
			closed(t.space[g.spaceFrom:g.spaceTo])
			out.WriteString("=======" + end)
			closed(t.mirror[g.mirrorFrom:g.mirrorTo])
			out.WriteString(">>>>>>> " + labels.Mirror + end)
		}
		at = g.spaceTo
	}
	copyLines(t.space[at:])
	r.Text = out.Bytes()
	return r
}

// lineEnd is how markers end: as the lines around the conflict do on both sides,
// and in the base.
func (t *texts) lineEnd(g region) string {
	if crlf, decided := endsInCRLF(t.space, max(g.spaceFrom-1, 0)); decided && !crlf {
		return "\n"
	}
	if crlf, decided := endsInCRLF(t.mirror, max(g.mirrorFrom-1, 0)); decided && !crlf {
		return "\n"
	}
	if crlf, _ := endsInCRLF(t.base, 0); crlf {
		return "\r\n"
	}
	return "\n"
}
