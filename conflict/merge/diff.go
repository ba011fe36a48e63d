package merge

import "errors"

// ErrTooDifferent: comparing would take too long, and nobody would want the
// result.
var ErrTooDifferent = errors.New("the texts are too different to be merged")

// maxCost bounds the edits that one search may need: the time grows with its
// square.
const maxCost = 4096

// delta says which lines of two texts are not in the other.
type delta struct {
	old, new        []int // numbered lines
	deleted, added  []bool
	forward, behind []int // furthest reach by diagonal, from either end
	zero            int   // index of diagonal 0
}

// compare finds a small difference between two texts: Myers' search from both
// ends ("An O(ND) Difference Algorithm", 1986), on the lines that can match at
// all. In what it leaves out and in its ties it does as git does, so that a merge
// here is the merge there.
func compare(old, new []int) (*delta, error) {
	d := &delta{old: old, new: new, deleted: make([]bool, len(old)), added: make([]bool, len(new))}
	head, oldEnd, newEnd := 0, len(old), len(new)
	for head < oldEnd && head < newEnd && old[head] == new[head] {
		head++
	}
	for oldEnd > head && newEnd > head && old[oldEnd-1] == new[newEnd-1] {
		oldEnd--
		newEnd--
	}
	matchable := func(list, other []int, head, end int, changed []bool) (at []int) {
		rank := ranks(list, other, head, end)
		for i := range rank {
			if rank[i] == single || rank[i] == common && !amongStrangers(rank, i) {
				at = append(at, head+i)
			} else {
				changed[head+i] = true
			}
		}
		return at
	}
	oldAt := matchable(old, new, head, oldEnd, d.deleted)
	newAt := matchable(new, old, head, newEnd, d.added)
	s := &search{delta: d, oldAt: oldAt, newAt: newAt}
	s.zero = len(newAt) + 1
	s.forward = make([]int, len(oldAt)+len(newAt)+3)
	s.behind = make([]int, len(oldAt)+len(newAt)+3)
	if err := s.between(0, len(oldAt), 0, len(newAt)); err != nil {
		return nil, err
	}
	d.slide()
	return d, nil
}

// rank is how well a line can anchor a match.
type rank uint8

const (
	stranger rank = iota // not in the other text: changed for certain
	single               // found there now and then
	common               // so frequent there that a match says little
)

func ranks(list, other []int, head, end int) []rank {
	count := map[int]int{}
	for _, line := range other {
		count[line]++
	}
	many := min(roughRoot(len(list)), 1024)
	out := make([]rank, end-head)
	for i := range out {
		switch c := count[list[head+i]]; {
		case c == 0:
			out[i] = stranger
		case c >= many:
			out[i] = common
		default:
			out[i] = single
		}
	}
	return out
}

// roughRoot is a power of two near the square root.
func roughRoot(n int) int {
	root := 1
	for ; n > 0; n >>= 2 {
		root <<= 1
	}
	return root
}

// amongStrangers: a common line (an empty one, a brace) in the midst of lines
// that changed for certain belongs to their change; matching it would tear the
// change apart.
func amongStrangers(ranks []rank, i int) bool {
	const window, few = 100, 4
	look := func(step int) (strangers, commons int) {
		for j := i + step; j >= 0 && j < len(ranks) && j >= i-window && j <= i+window; j += step {
			switch ranks[j] {
			case stranger:
				strangers++
			case common:
				commons++
			default:
				return
			}
		}
		return
	}
	strangersAbove, commonsAbove := look(-1)
	strangersBelow, commonsBelow := look(1)
	if strangersAbove == 0 || strangersBelow == 0 {
		return false
	}
	commons := commonsAbove + commonsBelow + 2
	return commons*few < commons+strangersAbove+strangersBelow
}

// search works on the lines that can match; oldAt and newAt say where they are.
type search struct {
	*delta
	oldAt, newAt []int
}

func (s *search) same(i, j int) bool { return s.old[s.oldAt[i]] == s.new[s.newAt[j]] }

// between marks what is deleted and added in a box: it cuts off what is equal at
// its corners, splits it where both searches meet, and goes on in the halves.
func (s *search) between(oldFrom, oldTo, newFrom, newTo int) error {
	for oldFrom < oldTo && newFrom < newTo && s.same(oldFrom, newFrom) {
		oldFrom++
		newFrom++
	}
	for oldFrom < oldTo && newFrom < newTo && s.same(oldTo-1, newTo-1) {
		oldTo--
		newTo--
	}
	switch {
	case oldFrom == oldTo:
		for j := newFrom; j < newTo; j++ {
			s.added[s.newAt[j]] = true
		}
		return nil
	case newFrom == newTo:
		for i := oldFrom; i < oldTo; i++ {
			s.deleted[s.oldAt[i]] = true
		}
		return nil
	}
	i, j, err := s.split(oldFrom, oldTo, newFrom, newTo)
	if err != nil {
		return err
	}
	if err := s.between(oldFrom, i, newFrom, j); err != nil {
		return err
	}
	return s.between(i, oldTo, j, newTo)
}

// span is the diagonals (old minus new) that a search has reached.
type span struct{ low, high int }

// widen takes in one diagonal more at each end, or one less where the box ends:
// the parity of a diagonal must match the number of edits.
func (w *span) widen(low, high int, reach []int, zero, beyond int) {
	if w.low > low {
		w.low--
		reach[zero+w.low-1] = beyond
	} else {
		w.low++
	}
	if w.high < high {
		w.high++
		reach[zero+w.high+1] = beyond
	} else {
		w.high--
	}
}

func (w span) has(diagonal int) bool { return w.low <= diagonal && diagonal <= w.high }

// split finds a point on a shortest path through the box.
func (s *search) split(oldFrom, oldTo, newFrom, newTo int) (i, j int, err error) {
	low, high := oldFrom-newTo, oldTo-newFrom
	start, end := oldFrom-newFrom, oldTo-newTo
	odd := (start-end)&1 != 0
	ahead, back := span{start, start}, span{end, end}
	s.forward[s.zero+start], s.behind[s.zero+end] = oldFrom, oldTo
	const never = int(^uint(0) >> 1)
	for range maxCost {
		ahead.widen(low, high, s.forward, s.zero, -1)
		for d := ahead.high; d >= ahead.low; d -= 2 {
			i = max(s.forward[s.zero+d-1]+1, s.forward[s.zero+d+1])
			for i < oldTo && i-d < newTo && s.same(i, i-d) {
				i++
			}
			s.forward[s.zero+d] = i
			if odd && back.has(d) && s.behind[s.zero+d] <= i {
				return i, i - d, nil
			}
		}
		back.widen(low, high, s.behind, s.zero, never)
		for d := back.high; d >= back.low; d -= 2 {
			i = min(s.behind[s.zero+d-1], s.behind[s.zero+d+1]-1)
			for i > oldFrom && i-d > newFrom && s.same(i-1, i-d-1) {
				i--
			}
			s.behind[s.zero+d] = i
			if !odd && ahead.has(d) && i <= s.forward[s.zero+d] {
				return i, i - d, nil
			}
		}
	}
	return 0, 0, ErrTooDifferent
}
