package spacedb

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"
)

// prose is text as people write it, more or less.
func prose(rng *rand.Rand, size int) []byte {
	words := strings.Fields("the of and to in a is that for it as was with be by on not he his but at are this have from which one had or all their")
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "%s%x ", words[rng.Intn(len(words))], rng.Intn(4000))
	}
	return b.Bytes()[:size]
}

func TestFiftySavesOfANoteAreSmall(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	rng := rand.New(rand.NewSource(1))
	note := prose(rng, 20<<10)
	save(t, tr, "note.md", string(note))
	s = reopen(t, s, path, calm)
	before := must(os.Stat(path)).Size()
	contents := []string{string(note)}
	for range 50 {
		at := rng.Intn(len(note) - 200)
		note = append(append(append([]byte{}, note[:at]...), prose(rng, 100)...), note[at+50:]...)
		tr = s.Tree(mount)
		overwrite(t, tr, must(tr.Resolve("note.md")).ID, string(note))
		orDie(t, s.Seal(context.Background()))
		orDie(t, s.packSuperseded(context.Background()))
		contents = append(contents, string(note))
	}
	s = reopen(t, s, path, calm)
	grown := must(os.Stat(path)).Size() - before
	t.Logf("50 saves added %d KiB", grown>>10)
	if grown > 200<<10 {
		t.Error("that is more than 200 KiB")
	}
	for i, want := range contents {
		if got := revisionText(t, s, "note.md", fmt.Sprint(i+1)); got != want {
			t.Errorf("revision %d is not what was saved", i+1)
		}
	}
}

func TestPackedChunksComeBack(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	for _, size := range []int{0, 1, packLeast, 5000, chunkSize} {
		content := prose(rng, size)
		other := append(append([]byte{}, content[size/2:]...), prose(rng, min(100, chunkSize-size/2))...)
		for _, base := range [][]byte{nil, other, make([]byte, chunkSize)} {
			packed, err := encodeChunk(content, base)
			orDie(t, err)
			got, err := decodeChunk(packed, base)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes against %d: %d bytes, %v", size, len(base), len(got), err)
			}
		}
	}
}

func TestHostilePackingIsRefused(t *testing.T) {
	big, err := encodeChunk(make([]byte, 3*chunkSize), nil)
	orDie(t, err)
	if _, err := decodeChunk(big, nil); err == nil {
		t.Error("a chunk of three chunks' size")
	}
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	save(t, tr, "f", strings.Repeat("first ", 1000))
	orDie(t, s.Seal(context.Background()))
	overwrite(t, tr, must(tr.Resolve("f")).ID, strings.Repeat("second ", 1000))
	orDie(t, s.Seal(context.Background()))
	orDie(t, s.Sync())
	for _, base := range []int64{1, 99, -7} { // itself, nothing, nonsense
		orDie(t, s.write.exec(`UPDATE chunk SET base = ? WHERE id = 1`, base))
		if _, _, err := s.write.chunk(1, 0); err == nil {
			t.Errorf("base %d", base)
		}
	}
	orDie(t, s.write.exec(`UPDATE chunk SET base = 0 WHERE id = 1`))
}

// A document's parts are saved in turns: no part changes at every revision, and
// still none needs more than so many others to be read.
func TestNoChunkNeedsManyOthersToBeRead(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	rng := rand.New(rand.NewSource(5))
	a := save(t, tr, "long.md", string(prose(rng, 2*chunkSize)))
	const saves = 5 * packChain
	for i := range saves {
		must(tr.WriteAt(a.ID, prose(rng, 50), int64(i%2)*chunkSize+int64(rng.Intn(chunkSize-50))))
		ok(t, s.Seal(context.Background()))
		if i%7 == 0 { // several at once, before any of it is durable
			ok(t, s.packSuperseded(context.Background()))
		}
	}
	ok(t, s.packSuperseded(context.Background()))
	ok(t, s.Sync())
	bases := map[int64]int64{}
	ok(t, s.reading(func(c *conn) error {
		return c.query(func(r row) error { bases[r.int(0)] = r.int(1); return nil }, `SELECT id, base FROM chunk WHERE base <> 0`)
	}))
	longest, alone := 0, 0
	for id := range bases {
		links := 0
		for base := bases[id]; base > 0; base = bases[base] {
			links++
		}
		longest = max(longest, links)
		if bases[id] == baseAlone {
			alone++
		}
	}
	t.Logf("of %d packed chunks, %d are alone, and one needs %d others", len(bases), alone, longest)
	if longest > packChain-1 {
		t.Errorf("more than %d", packChain-1)
	}
	if most := saves/packChain + 2; alone > most {
		t.Errorf("more than %d are alone", most)
	}
}
