package spacedb

import (
	"context"
	"testing"

	"spacefs/internal/attributes"
)

var syncing = Actor{Origin: OriginSync, Run: 1}

func set(values ...string) attributes.Set {
	m := map[string]string{}
	for i := 0; i < len(values); i += 2 {
		m[values[i]] = values[i+1]
	}
	return attributes.Of(m)
}

func all(string) bool { return true }

// attributesOf asks memory and a snapshot, which must agree.
func attributesOf(t *testing.T, s *Store, id NodeID) attributes.Set {
	t.Helper()
	tree := s.Tree(mount)
	m := map[string]string{}
	for _, name := range must(tree.ListXattr(id)) {
		m[name] = string(must(tree.GetXattr(id, name)))
	}
	v := must(s.Snapshot(context.Background()))
	defer v.Close()
	if stored := must(v.Xattrs(id, all)); stored != attributes.Of(m) {
		t.Errorf("memory has %q, the file %q", m, stored.Map())
	}
	return attributes.Of(m)
}

func TestXattrsChangeTogetherOrNotAtAll(t *testing.T) {
	s, _ := newSpace(t, calm)
	tree := s.Tree(syncing)
	a := save(t, s.Tree(mount), "f", "text")
	was := set("user.a", "1", "user.empty", "", "user.\xff", "\x00\xff")
	must(tree.ChangeXattrs("f", GuardOf(a), attributes.Changes("", was)))
	if got := attributesOf(t, s, a.ID); got != was {
		t.Fatalf("%q", got.Map())
	}
	// Somebody else changes one.
	ok(t, s.Tree(mount).SetXattr(a.ID, "user.empty", []byte("no more"), 0))
	if _, err := tree.ChangeXattrs("f", GuardOf(a), attributes.Changes(was, set("user.b", "2"))); err != ErrChanged {
		t.Errorf("what changed was changed: %v", err)
	}
	now := attributesOf(t, s, a.ID)
	if _, had := now.Get("user.a"); !had {
		t.Errorf("half of it was done: %q", now.Map())
	}
	must(tree.ChangeXattrs("f", GuardOf(a), attributes.Changes(now, "")))
	if got := attributesOf(t, s, a.ID); got != "" {
		t.Errorf("%q stayed", got.Map())
	}
}

// A sync has to hear of it, and a mount.
func TestAnAttributeThatChangesIsInTheJournalAndTold(t *testing.T) {
	s, _ := newSpace(t, calm)
	a := save(t, s.Tree(mount), "f", "text")
	ok(t, s.Sync())
	since := s.Seq()
	pulse, stop := s.Pulse()
	defer stop()
	w := s.Watch()
	defer w.Close()
	ok(t, s.Tree(mount).SetXattr(a.ID, "user.a", []byte("1"), 0))
	select {
	case <-pulse:
	default:
		t.Error("no pulse")
	}
	must(s.Tree(syncing).ChangeXattrs("f", GuardOf(a), attributes.Changes("", set("user.b", "2"))))
	if changes, _ := w.Next(); len(changes) != 1 || changes[0].What != AttrChanged || changes[0].Node != a.ID {
		t.Errorf("told %+v", changes)
	}
	v := must(s.Snapshot(context.Background()))
	defer v.Close()
	if paths, complete, err := v.Changed(since); err != nil || !complete || len(paths) != 1 || paths[0] != "f" {
		t.Errorf("changed: %q, %v, %v", paths, complete, err)
	}
}

func TestWhatIsPlacedHasTheAttributesOfWhatWasThere(t *testing.T) {
	s, _ := newSpace(t, calm)
	tree := s.Tree(syncing)
	a := save(t, s.Tree(mount), "f", "text")
	ok(t, s.Tree(mount).SetXattr(a.ID, "user.a", []byte("1"), 0))
	for _, text := range []string{"other", "other, and more"} { // a new node, and the same one
		g := tree.Stage()
		must(g.Write([]byte(text)))
		ok(t, s.Seal(context.Background()))
		a = must(tree.Place("f", Guard{}, g, 0o644, 1))
		if got := attributesOf(t, s, a.ID); got != set("user.a", "1") {
			t.Errorf("with %q it has %q", text, got.Map())
		}
	}
}

func TestAttributesAgreedOnGoWithTheBase(t *testing.T) {
	s, path := newSpace(t, calm)
	m := must(s.EnsureMirror("u", "/m"))
	ok(t, s.SetMetadata(m.ID, MetadataInForce))
	base := BaseEntry{Path: "f", Mode: TypeRegular | 0o644, MirrorCtime: 7}
	ok(t, s.AdvanceBaseWith(m.ID, []BaseEntry{base}, nil, map[string]attributes.Set{"f": set("user.a", "1")}))
	ok(t, s.AdvanceBase(m.ID, []BaseEntry{base}, nil)) // says nothing of them
	agreed := func() attributes.Set {
		v := must(s.Snapshot(context.Background()))
		defer v.Close()
		return must(v.BaseXattrs(m.ID, "f"))
	}
	if got := agreed(); got != set("user.a", "1") {
		t.Errorf("agreed on %q", got.Map())
	}
	s = reopen(t, s, path, calm)
	if known := must(s.Mirrors()); !known[0].Metadata || known[0].MetadataState != MetadataInForce {
		t.Errorf("%+v", known)
	}
	ok(t, s.AdvanceBase(m.ID, nil, []string{"f"}))
	ok(t, s.AdvanceBase(m.ID, []BaseEntry{base}, nil)) // another one
	if got := agreed(); got != "" {
		t.Errorf("the attributes of what is gone: %q", got.Map())
	}
	ok(t, s.AdvanceBaseWith(m.ID, nil, nil, map[string]attributes.Set{"f": set("user.a", "2")}))
	ok(t, s.SetMetadata(m.ID, MetadataOff))
	if got := agreed(); got != "" {
		t.Errorf("it is off and %q is agreed on", got.Map())
	}
	// What comes into force looks at everything.
	ok(t, s.SetMetadata(m.ID, MetadataInForce))
	ok(t, s.Base(m.ID, func(b BaseEntry) error {
		if b.MirrorCtime != 0 {
			t.Errorf("%s looks as it did", b.Path)
		}
		return nil
	}))
}

func TestRecordsKeepAttributes(t *testing.T) {
	s, _ := newSpace(t, calm)
	m := must(s.EnsureMirror("u", "/m"))
	run := must(s.BeginRun("sync", m.ID))
	some, none := set("user.a", "\x00"), attributes.Set("")
	state := func(a *attributes.Set) State { return State{Mode: TypeRegular | 0o644, Attributes: a} }
	ok(t, s.RecordActions(run.ID, []ActionRecord{{Path: "f", Op: "metadata", Side: "space", Before: state(&some), After: state(&none), Base: state(nil)}}))
	_, actions, err := s.RunActions(run.ID)
	ok(t, err)
	if a := actions[0]; *a.Before.Attributes != some || a.After.Attributes == nil || *a.After.Attributes != "" || a.Base.Attributes != nil {
		t.Errorf("%+v", a)
	}
	ok(t, s.SetApart(m.ID, []Apart{{Path: "f", Run: run.ID, Space: state(&some), Mirror: state(nil)}}, nil))
	v := must(s.Snapshot(context.Background()))
	defer v.Close()
	if list := must(v.Apart(m.ID)); *list[0].Space.Attributes != some || list[0].Mirror.Attributes != nil {
		t.Errorf("%+v", list)
	}
	// Two conflicts at a path, about two attributes, do not end each other.
	found := []ConflictRecord{{Path: "f", Kind: "attribute", Attribute: "user.a"}, {Path: "f", Kind: "attribute", Attribute: "user.b"}}
	ok(t, s.SetConflicts(m.ID, run.ID, found))
	ok(t, s.SetConflicts(m.ID, run.ID, found))
	ok(t, s.SetConflicts(m.ID, run.ID, found[1:]))
	if open := must(s.Conflicts(true)); len(open) != 1 || open[0].Attribute != "user.b" {
		t.Errorf("%+v", open)
	}
}
