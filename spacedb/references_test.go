package spacedb

import (
	"math/rand"
	"runtime"
	"testing"

	"spacefs/internal/seed"
)

// TestReferencesAreCounted as a plain map would count them, and take no room when
// there are none.
func TestReferencesAreCounted(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	var refs references
	plain := map[NodeID]uint64{}
	for range 20_000 {
		id := NodeID(1 + rng.Intn(3*blockNodes))
		switch count := uint64(rng.Intn(4)); rng.Intn(3) {
		case 0:
			if have := refs.take(id); have != plain[id] {
				t.Fatalf("node %d has %d references instead of %d", id, have, plain[id])
			}
			refs.put(id, count)
			plain[id] = count
		default:
			refs.forget(id, count)
			plain[id] -= min(count, plain[id])
		}
	}
	for id, want := range plain {
		if have := refs.take(id); have != want {
			t.Fatalf("node %d has %d references instead of %d", id, have, want)
		}
	}
	if len(refs.single)+len(refs.more) != 0 {
		t.Errorf("nothing is referenced, and %d blocks and %d numbers are left", len(refs.single), len(refs.more))
	}
}

// TestAMillionReferencesTakeLittle: less than a byte each, so that a walk over
// all of a large space leaves nothing behind that counts.
func TestAMillionReferencesTakeLittle(t *testing.T) {
	var refs references
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for id := range NodeID(1_000_000) {
		refs.put(id+2, 1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("they take %d bytes", grown)
	}
	if refs.take(1_000_000) != 1 {
		t.Error("one is missing")
	}
}
