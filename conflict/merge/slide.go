package merge

// A run of deleted lines can often be taken a little higher or lower with the
// same result: deleting the first of two equal lines or the second. Where it
// comes to lie decides whether two people's changes touch. As in git, runs are
// taken down as far as they go, are joined when they meet, and are lined up with
// a change on the other side where one is in reach.

// slide moves the changed runs of both texts to their places.
func (d *delta) slide() {
	slide(d.old, d.deleted, d.added)
	slide(d.new, d.added, d.deleted)
}

// run is a group of changed lines, perhaps empty, between two unchanged ones.
// The n-th run of one text stands beside the n-th of the other.
type run struct {
	changed  []bool
	from, to int // changed[from:to], and no more around it
}

func firstRun(changed []bool) *run {
	r := &run{changed: changed}
	r.stretch()
	return r
}

func (r *run) stretch() {
	for r.to < len(r.changed) && r.changed[r.to] {
		r.to++
	}
}

func (r *run) stretchUp() {
	for r.from > 0 && r.changed[r.from-1] {
		r.from--
	}
}

func (r *run) empty() bool { return r.from == r.to }

func (r *run) next() bool {
	if r.to == len(r.changed) {
		return false
	}
	r.from, r.to = r.to+1, r.to+1
	r.stretch()
	return true
}

func (r *run) previous() {
	r.from, r.to = r.from-1, r.from-1
	r.stretchUp()
}

func (r *run) up(text []int) bool {
	if r.from == 0 || text[r.from-1] != text[r.to-1] {
		return false
	}
	r.from--
	r.to--
	r.changed[r.from], r.changed[r.to] = true, false
	r.stretchUp()
	return true
}

func (r *run) down(text []int) bool {
	if r.to == len(r.changed) || text[r.from] != text[r.to] {
		return false
	}
	r.changed[r.from], r.changed[r.to] = false, true
	r.from++
	r.to++
	r.stretch()
	return true
}

func slide(text []int, changed, otherChanged []bool) {
	here, there := firstRun(changed), firstRun(otherChanged)
	for {
		if !here.empty() {
			place(text, here, there)
		}
		if !here.next() {
			return
		}
		there.next()
	}
}

// place takes one run through all its positions and leaves it in the best.
func place(text []int, here, there *run) {
	highest, meets := 0, false
	for size := -1; size != here.to-here.from; {
		size = here.to - here.from
		for here.up(text) {
			there.previous()
		}
		highest, meets = here.to, !there.empty()
		for here.down(text) {
			there.next()
			meets = meets || !there.empty()
		}
	}
	if here.to == highest || !meets {
		return
	}
	for there.empty() {
		here.up(text)
		there.previous()
	}
}
