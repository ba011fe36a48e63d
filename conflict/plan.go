package conflict

import (
	"fmt"
	"sort"

	"spacefs/internal/attributes"
)

// Op is what an action does.
type Op uint8

const (
	Adopt    Op = iota // nothing but agree: the base takes what both sides hold
	Write              // a file's content and mode
	Mkdir              // a directory
	Link               // a symlink
	Chmod              // the mode alone
	Remove             // whatever is there
	Move               // from another path, with what is below
	Metadata           // the extended attributes alone
)

var ops = [...]string{"adopt", "write", "mkdir", "symlink", "chmod", "remove", "move", "metadata"}

func (o Op) String() string { return ops[o] }

// ParseOp reads what String writes.
func ParseOp(text string) (Op, error) {
	for o, name := range ops {
		if name == text {
			return Op(o), nil
		}
	}
	return 0, fmt.Errorf("no action is called %q", text)
}

// Action is one step of a plan. It holds only as long as its side holds Expect
// and the other side holds Source; whoever executes it looks first.
type Action struct {
	Path   string
	From   string // of a Move; there Side holds Expect
	Op     Op
	Side   Side
	Expect Entry // on Side
	Source Entry // on the other side
	Want   Entry // on Side, and then in the base
	Base   Entry
	// Content says where a Write takes its content from.
	Content Supplier
	// Conflict: Expect lost one, and must be in history before it goes.
	Conflict bool
	// Divided: some extended attributes are left alone on both sides; the base does
	// not take Want's but Agreed.
	Divided bool
	Agreed  attributes.Set
	Reason  string // the rule that asked for it
}

// Agreement is what the base holds once an action is done.
func (a Action) Agreement() Entry {
	e := a.Want
	if a.Divided {
		e.Attributes = a.Agreed
	}
	return e
}

// Steps are the actions that make a's side hold a.Want instead of a.Expect. A
// directory that makes way for something else is removed first, and so is what
// makes way for a directory.
func (a Action) Steps() []Action { return a.appendSteps(nil) }

func (a *Action) appendSteps(steps []Action) []Action {
	expect, want := a.Expect.Kind, a.Want.Kind
	if expect != Absent && want != Absent && expect != want && (expect == Directory || want == Directory) {
		steps = append(steps, *a)
		remove := &steps[len(steps)-1]
		remove.Op, remove.Want = Remove, Entry{}
		a.Expect, a.Conflict = Entry{}, false
	}
	switch {
	case a.Expect.Same(a.Want):
		a.Op = Adopt
	case want == Absent:
		a.Op = Remove
	case a.Expect.SameDocument(a.Want):
		a.Op = Metadata
	case a.Expect.sameContent(a.Want):
		a.Op = Chmod
	case want == Directory:
		a.Op = Mkdir
	case want == Symlink:
		a.Op = Link
	default:
		a.Op = Write
	}
	return append(steps, *a)
}

// Supplier is where the content of a write comes from.
type Supplier uint8

const (
	OtherSide Supplier = iota // the other side's, which must hold Source
	MergeOf                   // Expect, Source and Base, merged
	History                   // the space's history has it: it lost a conflict
)

// ConflictKind names a conflict.
type ConflictKind string

const (
	BothEdited       ConflictKind = "both edited"
	BothCreated      ConflictKind = "both created"
	EditedAndDeleted ConflictKind = "edited and deleted"
	KindChanged      ConflictKind = "kind changed"
	DeletedAbove     ConflictKind = "edited in a deleted directory"
	ModeOnly         ConflictKind = "mode"
	NameCollision    ConflictKind = "name collision"
	AttributeChanged ConflictKind = "attribute"
)

// Conflict is a path that both sides changed to different results, or one of its
// extended attributes.
type Conflict struct {
	Path string
	Kind ConflictKind
	// Attribute is the name, of an AttributeChanged; the entries have the value as
	// their Target.
	Attribute string
	Base      Entry
	Space     Entry
	Mirror    Entry
	Strategy  Strategy // that ended or left it
	Winner    Winner   // NoWinner: both sides stay as they are
	Copy      string   // where keep_both keeps the loser; "": it is in history only
}

// Left is a path that differs and stays as it is.
type Left struct {
	Path   string
	Reason string
}

// Plan is what a sync decided: actions in an order in which they can be done,
// and everything it left alone.
type Plan struct {
	Actions   []Action
	Conflicts []Conflict
	Left      []Left
}

// Empty says whether there is nothing to do and nothing to tell.
func (p Plan) Empty() bool { return len(p.Actions)+len(p.Conflicts)+len(p.Left) == 0 }

// Deletions counts what each side would lose: removed files and symlinks whose
// content no other path of that side gets. A move is not a deletion.
func (p Plan) Deletions() (space, mirror int) {
	type copyOf struct {
		side    Side
		content Hash
		target  string
	}
	written := map[copyOf]int{}
	for i := range p.Actions {
		if a := &p.Actions[i]; a.Op == Write || a.Op == Link {
			written[copyOf{a.Side, a.Want.Hash, a.Want.Target}]++
		}
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		if a.Op != Remove || a.Expect.Kind == Directory {
			continue
		}
		key := copyOf{a.Side, a.Expect.Hash, a.Expect.Target}
		if written[key] > 0 {
			written[key]--
		} else if a.Side == Space {
			space++
		} else {
			mirror++
		}
	}
	return space, mirror
}

// Sort puts actions in the order in which they work: removals first, children
// before parents, so that a file can take a directory's place; then everything
// else, parents before children. A removal at a path comes before the creation
// there.
func (p *Plan) Sort() {
	before := func(i, j int) bool {
		a, b := &p.Actions[i], &p.Actions[j]
		if (a.Op == Remove) != (b.Op == Remove) {
			return a.Op == Remove
		}
		if a.Op == Remove {
			return a.Path > b.Path
		}
		if a.Path != b.Path {
			return a.Path < b.Path
		}
		return a.Side < b.Side
	}
	if !sort.SliceIsSorted(p.Actions, before) { // they are large to move, and mostly come in order
		sort.SliceStable(p.Actions, before)
	}
	sort.SliceStable(p.Conflicts, func(i, j int) bool { return p.Conflicts[i].Path < p.Conflicts[j].Path })
	sort.SliceStable(p.Left, func(i, j int) bool { return p.Left[i].Path < p.Left[j].Path })
}
