package spacedb

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"spacefs/internal/seed"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What a rule says holds for whatever times there are.
func TestKeepRulesKeepWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		ages := rapid.SliceOfN(rapid.Int64Range(0, int64(3*365*24*time.Hour/time.Minute)), 0, 60).Draw(t, "minutes")
		made := make([]time.Time, len(ages))
		at := now
		for i, minutes := range ages {
			at = at.Add(-time.Duration(minutes/20) * time.Minute)
			made[i] = at
		}
		count := func(name string) int { return rapid.IntRange(0, 6).Draw(t, name) }
		k := KeepRules{
			Last: count("last"), Hourly: count("hourly"), Daily: count("daily"), Weekly: count("weekly"), Monthly: count("monthly"), Yearly: count("yearly"),
			Within: time.Duration(count("within")) * 24 * time.Hour,
		}
		keep := k.Keep(made, now)
		if len(keep) != len(made) {
			t.Fatalf("%d answers for %d revisions", len(keep), len(made))
		}
		if k == (KeepRules{}) {
			for i := range keep {
				if !keep[i] {
					t.Fatalf("no rule, and revision %d goes", i)
				}
			}
			return
		}
		kept := 0
		days := map[string]bool{}
		for i, at := range made {
			if keep[i] {
				kept++
			}
			if i < k.Last && !keep[i] {
				t.Fatalf("revision %d is among the last %d and goes", i, k.Last)
			}
			if k.Within > 0 && now.Sub(at) <= k.Within && !keep[i] {
				t.Fatalf("revision %d is younger than %v and goes", i, k.Within)
			}
			day := at.Format(time.DateOnly)
			if !days[day] && len(days) < k.Daily && !keep[i] {
				t.Fatalf("revision %d is the last of %s, one of the last %d days, and goes", i, day, k.Daily)
			}
			days[day] = true
		}
		within := 0
		for _, at := range made {
			if k.Within > 0 && now.Sub(at) <= k.Within {
				within++
			}
		}
		if most := within + k.Last + k.Hourly + k.Daily + k.Weekly + k.Monthly + k.Yearly; kept > most {
			t.Fatalf("%d are kept, the rules want %d at most", kept, most)
		}
		// More of a rule never keeps less.
		more := k
		more.Daily++
		for i, was := range keep {
			if was && !more.Keep(made, now)[i] {
				t.Fatalf("revision %d goes because more is kept", i)
			}
		}
	})
}

func note(rnd *rand.Rand, was string, n int) string {
	lines := strings.Split(was, "\n")
	if was == "" {
		for range 100 {
			lines = append(lines, fmt.Sprint("line ", rnd.Uint64()))
		}
	}
	lines[rnd.IntN(len(lines))] = fmt.Sprint("edit ", n, " ", rnd.Uint64())
	return strings.Join(lines, "\n")
}

func TestPruneKeepsWhatItsRulesSay(t *testing.T) {
	rnd := rand.New(rand.NewPCG(uint64(seed.Of(t)), 2))
	c := newClock()
	s, path := newSpace(t, c.options())
	tr := s.Tree(mount)
	history := map[string][]string{} // what each revision held
	for n := range 60 {
		for _, name := range []string{"a.md", "b.md", "gone.md"} {
			var was string
			if h := history[name]; len(h) > 0 {
				was = h[len(h)-1]
			}
			text := note(rnd, was, n)
			if a, err := tr.Resolve(name); err != nil {
				save(t, tr, name, text)
			} else {
				overwrite(t, tr, a.ID, text)
			}
			history[name] = append(history[name], text)
		}
		settle(t, s)
		c.pass(7 * time.Hour)
	}
	ok(t, tr.Unlink(Root, "gone.md"))
	settle(t, s)
	s = reopen(t, s, path, c.options())
	before := now(t, s)

	rules := KeepRules{Last: 3, Daily: 4}
	plan := must(s.Prune(context.Background(), rules, true))
	if plan.Revisions == 0 || plan.Run != 0 || len(must(s.History("a.md"))) != 60 {
		t.Fatalf("a dry run: %+v", plan)
	}
	done := must(s.Prune(context.Background(), rules, false))
	if done.Revisions != plan.Revisions || done.Bytes != plan.Bytes || done.Kept != plan.Kept || done.Bytes == 0 {
		t.Errorf("it did %+v, and said %+v", done, plan)
	}
	for range 2 {
		checked(t, s)
		samePicture(t, "the tree", now(t, s), before)
		for name, texts := range history {
			list := must(s.History(name))
			if len(list) < 4 || len(list) > 7 {
				t.Errorf("%s has %d revisions", name, len(list))
			}
			for i, r := range list {
				if i < 3 && r.Number != 60-i {
					t.Errorf("%s: the last but %d is %d", name, i, r.Number)
				}
				content, _, err := s.OpenRevision(name, strconv.Itoa(r.Number))
				ok(t, err)
				if got := string(must(io.ReadAll(content))); got != texts[r.Number-1] {
					t.Errorf("revision %d of %s is another", r.Number, name)
				}
				ok(t, content.Close())
			}
		}
		s = reopen(t, s, path, c.options())
	}
	if again := must(s.Prune(context.Background(), rules, false)); again.Revisions != 0 {
		t.Errorf("pruned twice: %+v", again)
	}
	// What was deleted long ago goes altogether; what is there stays.
	c.pass(100 * 24 * time.Hour)
	last := must(s.Prune(context.Background(), KeepRules{Within: 24 * time.Hour}, false))
	if last.Gone != 1 || len(must(s.History("a.md"))) != 1 || len(must(s.Deleted(""))) != 0 {
		t.Errorf("%+v", last)
	}
	samePicture(t, "the tree", now(t, s), before)
	save(t, s.Tree(mount), "gone.md", "again")
	settle(t, s)
	if list := must(s.History("gone.md")); len(list) != 1 || list[0].Number != 1 {
		t.Errorf("a document that was pruned away goes on: %+v", list)
	}
}

// A merge needs the base, and a person both sides of a conflict.
func TestPruneLeavesWhatIsStillAskedFor(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	a := save(t, tr, "n.md", "revision 1")
	for n := 2; n <= 6; n++ {
		settle(t, s)
		c.pass(time.Hour)
		overwrite(t, tr, a.ID, fmt.Sprint("revision ", n))
	}
	settle(t, s)
	list := must(s.History("n.md"))
	m := must(s.EnsureMirror("mirror", "/nowhere"))
	ok(t, s.AdvanceBase(m.ID, []BaseEntry{{Path: "n.md", Mode: TypeRegular | 0o644, SHA256: list[4].SHA256}}, nil)) // number 2
	lost := must(tr.Keep("n.md", TypeRegular|0o644, 1, strings.NewReader("the other side")))
	ok(t, s.SetConflicts(m.ID, 0, []ConflictRecord{{Mirror: m.ID, Path: "n.md", Kind: "both edited", Space: list[2].SHA256.String(), Dir: lost.SHA256.String()}}))
	c.pass(24 * time.Hour)
	must(s.Prune(context.Background(), KeepRules{Within: time.Minute}, false))
	var left []int
	for _, r := range must(s.History("n.md")) {
		left = append(left, r.Number)
	}
	if fmt.Sprint(left) != "[7 6 4 2]" { // the loser, what is there, the space's side, the base
		t.Errorf("left are %v", left)
	}
}

func TestPruneRefusesToTakeEverything(t *testing.T) {
	s, _ := newSpace(t, calm)
	for _, k := range []KeepRules{{}, {Last: -1}, {Within: -time.Hour}} {
		if _, err := s.Prune(context.Background(), k, false); err == nil {
			t.Errorf("%+v is accepted", k)
		}
	}
}

// A copy that has no history of its own shares chunks with what it was made of.
// Whatever becomes of either, a chunk is there as long as somebody has it.
func TestPruneLeavesNoChunkThatNobodyHas(t *testing.T) {
	t.Run("junk", func(t *testing.T) { pruneBesideACopy(t, "a.md~", 0) })
	t.Run("not sealed yet", func(t *testing.T) { pruneBesideACopy(t, "fresh.md", 1) })
}

func pruneBesideACopy(t *testing.T, name string, later int) {
	c := newClock()
	s, path := newSpace(t, c.options())
	tr := s.Tree(mount)
	text := noise(3 * chunkSize)
	a := save(t, tr, "a.md", string(text))
	settle(t, s)
	copied := save(t, tr, name, "")
	must(tr.CopyRange(a.ID, 0, copied.ID, 0, int64(len(text))))
	ok(t, s.Sync())
	for i := range 3 {
		c.pass(time.Hour)
		overwrite(t, tr, a.ID, string(noise(3*chunkSize-1-i)))
		ok(t, s.sealWhere(context.Background(), func(n *node) bool { return n.id == a.ID }, nil))
		ok(t, s.Sync())
	}
	for range 2 {
		plan := must(s.Prune(context.Background(), KeepRules{Last: 1}, true))
		done := must(s.Prune(context.Background(), KeepRules{Last: 1}, false))
		if done.Revisions != plan.Revisions || done.Bytes != plan.Bytes {
			t.Errorf("it did %+v, and said %+v", done, plan)
		}
		checked(t, s)
	}
	if n := len(must(s.History("a.md"))); n != 1 {
		t.Errorf("%d revisions are left", n)
	}
	if content(t, tr, copied.ID) != string(text) {
		t.Error("the copy went with what it was made of")
	}
	overwrite(t, tr, copied.ID, "otherwise")
	ok(t, s.Sync())
	checked(t, s)
	ok(t, tr.Unlink(Root, name))
	s = reopen(t, s, path, c.options())
	checked(t, s)
	for table, want := range map[string]int{"chunk": 3 + later, "copied": 0} { // a.md's, and its history if it has one
		if n := s.countRows(t, table); int(n) != want {
			t.Errorf("%d rows of %s", n, table)
		}
	}
}
