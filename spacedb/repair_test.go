package spacedb

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Whatever is wrong around content is mended, and every content is still there.
func TestRepairMendsWithoutLosingContent(t *testing.T) {
	for what, damage := range map[string]string{
		"totals":                      `UPDATE space SET nodes = 77, bytes = 1`,
		"a counter":                   `UPDATE space SET node = 2`,
		"a link count":                `UPDATE node SET nlink = 5 WHERE id = (SELECT node FROM entry WHERE name = CAST('a.md' AS BLOB))`,
		"a directory's link count":    `UPDATE node SET nlink = 9 WHERE id = 1`,
		"a count of chunks":           `UPDATE node SET chunks = 7 WHERE chunk > 0`,
		"a lost document":             `DELETE FROM entry WHERE name = CAST('a.md' AS BLOB)`,
		"a lost directory":            `DELETE FROM entry WHERE name = CAST('d' AS BLOB)`,
		"a directory inside itself":   `UPDATE entry SET parent = node WHERE name = CAST('d' AS BLOB)`,
		"an entry of nothing":         `INSERT INTO entry (parent, name, node) VALUES (1, CAST('x' AS BLOB), 999)`,
		"an entry in nothing":         `UPDATE entry SET parent = 999 WHERE name = CAST('a.md' AS BLOB)`,
		"a name that cannot be":       `UPDATE entry SET name = CAST('a/b' AS BLOB) WHERE name = CAST('a.md' AS BLOB)`,
		"a missing document":          `DELETE FROM document WHERE id = (SELECT document FROM node WHERE document > 0 LIMIT 1)`,
		"a document kept as deleted":  `UPDATE document SET path = CAST('q' AS BLOB), deleted = 1 WHERE path IS NULL`,
		"a document that is nowhere":  `UPDATE document SET path = NULL WHERE path IS NOT NULL`,
		"a revision of another":       `UPDATE node SET revision = 99 WHERE revision > 0`,
		"a document of two nodes":     `UPDATE node SET document = 1, revision = (SELECT revision FROM node WHERE document = 1), sha256 = (SELECT sha256 FROM node WHERE document = 1) WHERE document > 0`,
		"changed content":             `UPDATE chunk SET data = CAST('ALPHA' AS BLOB) WHERE id IN (SELECT chunk FROM node WHERE size = 5)`,
		"a place beyond the end":      `INSERT INTO extent VALUES ((SELECT node FROM entry WHERE name = CAST('a.md' AS BLOB)), 9, (SELECT chunk FROM node WHERE size = 5))`,
		"a chunk that nobody has":     `INSERT INTO chunk VALUES (5000, 0, CAST('nobody''s' AS BLOB))`,
		"a chunk that lost its place": `DELETE FROM extent`,
		"a copied chunk that is gone": `INSERT INTO copied VALUES (4000)`,
		"counts of attributes":        `UPDATE node SET xattrs = 3`,
	} {
		t.Run(what, func(t *testing.T) {
			s, path := newSpace(t, calm)
			tr := s.Tree(mount)
			d := must(tr.Mkdir(Root, "d", 0o755, Cred{}))
			save(t, tr, "a.md", "alpha")
			save(t, tr, "d/b.md", strings.Repeat("beta", 40_000))
			save(t, tr, "d/gone.md", "gamma")
			ok(t, s.Seal(context.Background()))
			ok(t, tr.Unlink(d.ID, "gone.md"))
			ok(t, s.Close())
			c := must(openConn(path, modeWrite))
			ok(t, c.exec(damage))
			if found := must(checkFile(context.Background(), c)); len(found) == 0 {
				t.Error("a check does not find it")
			}
			before := chunkContents(t, c)
			ok(t, c.close())

			r, err := Repair(context.Background(), path)
			ok(t, err)
			for _, f := range r.Mended {
				t.Log("mended: ", f)
			}
			if len(r.Mended) == 0 {
				t.Error("nothing was mended")
			}
			for _, f := range r.Left {
				if what != "changed content" { // the revision's own content is gone for good
					t.Errorf("left: %s", f)
				}
			}
			c = must(openConn(path, modeRead))
			after := chunkContents(t, c)
			ok(t, c.close())
			for id, was := range before {
				if after[id] != was {
					t.Errorf("chunk %d held %.20q, and holds %.20q", id, was, after[id])
				}
			}
			s = must(Open(path, calm))
			if what != "changed content" {
				checked(t, s)
			}
			var all strings.Builder
			for p, line := range now(t, s) {
				fmt.Fprintln(&all, p, line)
			}
			if !strings.Contains(strings.ToLower(all.String()), "alpha") {
				t.Errorf("the document cannot be reached: %.300s", all.String())
			}
			ok(t, s.Close())
			if again := must(Repair(context.Background(), path)); len(again.Mended) > 0 {
				t.Errorf("mended twice: %v", again.Mended)
			}
		})
	}
}

func chunkContents(t *testing.T, c *conn) map[int64]string {
	t.Helper()
	held := map[int64]string{}
	ok(t, c.query(func(r row) error { held[r.int(0)] = string(r.bytes(1)); return nil }, `SELECT id, data FROM chunk`))
	return held
}

func TestASpaceInUseIsNotRepaired(t *testing.T) {
	_, path := newSpace(t, calm)
	if _, err := Repair(context.Background(), path); err == nil {
		t.Error("it is repaired under who has it open")
	}
}
