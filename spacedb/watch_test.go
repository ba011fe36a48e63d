package spacedb

import "testing"

// Who is told a change is through with it when it asks for the next, not when it
// has it.
func TestAWatchKnowsWhatItsReceiverIsThroughWith(t *testing.T) {
	s, _ := newSpace(t, calm)
	tree := s.Tree(syncing)
	w := s.Watch()
	isThrough := func(what string, c <-chan struct{}, want bool) {
		t.Helper()
		got := false
		select {
		case <-c:
			got = true
		default:
		}
		if got != want {
			t.Errorf("%s: through %v", what, got)
		}
	}
	next := func(want string) {
		t.Helper()
		changes, more := w.Next()
		if more != (want != "") || more && changes[0].Name != want {
			t.Errorf("told %+v, want %q", changes, want)
		}
	}
	isThrough("nothing was told", w.Through(), true)
	must(tree.PlaceDir("a", Guard{Absent: true}, 0o755, 1))
	a := w.Through()
	isThrough("it is queued", a, false)
	next("a")
	isThrough("it is being taken in", a, false)
	isThrough("so it is for who asks later", w.Through(), false)
	must(tree.PlaceDir("b", Guard{Absent: true}, 0o755, 1))
	b := w.Through()
	next("b")
	isThrough("the first", a, true)
	isThrough("the second", b, false)
	must(tree.PlaceDir("c", Guard{Absent: true}, 0o755, 1))
	c := w.Through()
	w.Close()
	next("c")
	isThrough("the second", b, true)
	isThrough("what was left", c, false)
	next("")
	isThrough("what was left", c, true)
	isThrough("all", w.Through(), true)
}
