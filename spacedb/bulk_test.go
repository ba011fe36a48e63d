package spacedb

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

// What comes in bulk is committed while more comes: neither the clock nor a full
// memory has to ask for it.
func TestDocumentsInBulkAreCommittedMeanwhile(t *testing.T) {
	s, _ := newSpace(t, calm)
	tree := s.Tree(Actor{Origin: OriginImport})
	before := s.commits.Load()
	for i := 0; i*bulkCommit/4 <= bulkCommit; i++ {
		content := bytes.Repeat([]byte{byte(i)}, bulkCommit/4)
		name := fmt.Sprintf("%d.bin", i)
		for _, p := range tree.PlaceFiles("", []NewFile{{Name: name, Expect: Guard{Absent: true}, Content: content, SHA256: sha256.Sum256(content), Perm: 0o644}}) {
			if p.Err != nil {
				t.Fatal(p.Err)
			}
		}
	}
	for deadline := time.Now().Add(20 * time.Second); s.commits.Load() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was committed")
		}
	}
}
