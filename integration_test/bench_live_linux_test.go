package integration_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// latencies are how long edits took to the other side.
type latencies []time.Duration

// at is the time within which a share of them was there.
func (l latencies) at(share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(l))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func (l latencies) String() string {
	round := func(share float64) time.Duration { return l.at(share).Round(time.Millisecond) }
	return fmt.Sprintf("%d edits: median %v, p90 %v, p99 %v, longest %v", len(l), round(0.5), round(0.9), round(0.99), round(1))
}

// TestOneEditIsSoonOnTheOtherSide edits one document of many at a time, in place
// and by rename in turn, and waits until the other side has it. In make live it
// does so often enough to say what one of a hundred takes.
func TestOneEditIsSoonOnTheOtherSide(t *testing.T) {
	needFUSE(t)
	edits, often := 5, false
	if s := os.Getenv("SPACEFS_LIVE_EDITS"); s != "" {
		edits, _ = strconv.Atoi(s)
		often = true
	}
	b := newBench(t)
	b.mkdir("mirror")
	b.sh(`for d in $(seq 20); do mkdir mirror/$d; for f in $(seq 50); do echo "text $d $f" > mirror/$d/$f.md; done; done`)
	b.mount("--create", "--mirror", "mirror", "live.space")
	b.appears(b.path("mnt/20/50.md"), "text 20 50\n")
	for _, way := range []struct{ from, to string }{{"mnt", "mirror"}, {"mirror", "mnt"}} {
		var took latencies
		for i := range edits {
			name := fmt.Sprintf("%d/%d.md", i%20+1, i%50+1)
			text := fmt.Sprintf("edit %d in the %s\n", i, way.from)
			at := b.path(way.from, name)
			if i%2 == 0 {
				b.ok(os.WriteFile(at, []byte(text), 0o644))
			} else {
				b.ok(os.WriteFile(at+".new", []byte(text), 0o644))
				b.ok(os.Rename(at+".new", at))
			}
			took = append(took, b.appears(b.path(way.to, name), text))
		}
		t.Logf("from the %s to the %s, %s", way.from, way.to, took)
		if often && (took.at(0.5) > 300*time.Millisecond || took.at(0.99) > time.Second) {
			t.Errorf("that is more than 300ms at the median, or 1s at the 99th percentile")
		}
	}
	b.unmount()
	b.agree("live.space", "mirror")
	b.sound("live.space")
}
