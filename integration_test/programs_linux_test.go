package integration_test

import (
	"os"
	"testing"
)

// What programs rely on that a filesystem seldom hears of otherwise: locks,
// shared mappings, atomic appending, links, attributes, sparse files. Each works
// in a folder of one mount, and what it leaves is checked with its own means.
var programs = []struct {
	name   string
	needs  []string
	script string
}{
	{"git: commit, clone, gc, fsck", []string{"git"}, `
		export GIT_CONFIG_NOSYSTEM=1 HOME="$PWD" GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
		git init -q repo && cd repo
		for c in 1 2 3; do
			mkdir d$c
			for f in $(seq 60); do echo "file $f of $c" > d$c/$f.txt; done
			for f in $(seq 20); do echo "changed by $c" >> d1/$f.txt; done
			git add -A && git commit -q -m $c
		done
		git gc -q --aggressive --prune=now
		git fsck --strict --no-progress
		cd .. && git clone -q --no-local repo clone && git clone -q repo linked
		for r in repo clone linked; do
			git -C $r fsck --strict --no-progress
			test -z "$(git -C $r status --porcelain)"
			test "$(git -C $r rev-list --count HEAD)" = 3
		done
		diff -r --exclude=.git repo clone
		git -C clone mv d2 moved && git -C clone stash -q && git -C clone stash pop -q && test -e clone/moved/7.txt`},

	{"sqlite3: WAL and four writers", []string{"sqlite3"}, `
		sqlite3 db 'PRAGMA journal_mode=WAL; CREATE TABLE t (writer, n, text);' | grep -q wal
		for w in 1 2 3 4; do
			(for n in $(seq 60); do echo "INSERT INTO t VALUES ($w, $n, hex(randomblob(500)));"; done | sqlite3 -cmd '.timeout 60000' db) &
			writers="${writers:-} $!"
		done
		for pid in $writers; do wait $pid; done
		test "$(sqlite3 db 'SELECT count(*), count(DISTINCT writer), sum(n) FROM t; PRAGMA integrity_check;' | tr '\n' ' ')" = '240|4|7320 ok '
		sqlite3 db 'PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA journal_mode=DELETE;' >/dev/null
		test "$(sqlite3 db 'SELECT count(*) FROM t')" = 240 && test ! -e db-wal`},

	{"rsync -aHAX there and back", []string{"rsync", "setfattr", "setfacl"}, sampleTree + `
		rsync -aHAXS sample/ there/
		rsync -aHAXS there/ "$DISK/back/"
		same sample there && same sample "$DISK/back"
		rsync -aHAX --inplace --no-whole-file sample/ there/`},

	{"tar --xattrs --acls there and back", []string{"rsync", "tar", "setfattr", "setfacl"}, sampleTree + `
		mkdir there "$DISK/back"
		tar --acls --xattrs --xattrs-include='user.*' -S -C sample -cf sample.tar .
		tar --acls --xattrs --xattrs-include='user.*' -C there -xpf sample.tar
		tar --acls --xattrs --xattrs-include='user.*' -C there -cf - . | tar --acls --xattrs --xattrs-include='user.*' -C "$DISK/back" -xpf -
		same sample there && same sample "$DISK/back"`},

	{"cp -a and cp --sparse", []string{"rsync", "setfattr", "setfacl"}, sampleTree + `
		cp -a sample there && same sample there
		cp --sparse=always sample/sparse copy && cmp sample/sparse copy
		test "$(stat -c %b copy)" -lt 1000
		cp --reflink=never sample/sparse copy2 && cmp sample/sparse copy2`},

	{"flock: nobody counts twice", []string{"flock"}, `
		echo 0 > n
		for w in 1 2 3 4; do
			(for i in $(seq 25); do (flock 9; echo $(($(cat n) + 1)) > n) 9> lock; done) &
		done
		wait
		test "$(cat n)" = 100`},

	{"append: four processes, whole lines", nil, `
		for w in 1 2 3 4; do
			(for i in $(seq 200); do printf '%s %0200d\n' $w $i >> log; done) &
		done
		wait
		test "$(wc -l < log)" = 800
		test "$(sort -u log | wc -l)" = 800
		test -z "$(grep -vE '^[1-4] [0-9]{200}$' log)"`},

	{"go: a module is built and tested", []string{"go"}, `
		mkdir m && cd m && export GOFLAGS=-mod=mod GOTMPDIR="$PWD"
		printf 'module m\n\ngo 1.21\n' > go.mod
		printf 'package main\n\nfunc main() { println(two()) }\n\nfunc two() int { return 2 }\n' > main.go
		printf 'package main\n\nimport "testing"\n\nfunc TestTwo(t *testing.T) {\n\tif two() != 2 {\n\t\tt.Fatal()\n\t}\n}\n' > main_test.go
		go build -o m . && test "$(./m 2>&1)" = 2 && go test . >/dev/null`},
}

// sampleTree is what is hard to carry over: hard links, symlinks, odd names,
// modes, ACLs, old and far times, attributes, a sparse file. same compares all of it.
const sampleTree = `
	mkdir -p sample/dir/empty
	echo one > sample/one && ln sample/one sample/dir/two && ln -s ../one sample/dir/link && ln -s nowhere sample/dangling
	printf x > "sample/$(printf 'new\nline \xff')" && mkfifo sample/pipe
	truncate -s 20M sample/sparse && printf end >> sample/sparse
	chmod 600 sample/one && chmod 2750 sample/dir
	touch -d '1960-05-05 05:05:05.123456789' sample/one && touch -d '2100-01-01' sample/dir/empty
	setfacl -m u:1000:rw,g:2000:r sample/one && setfacl -d -m u:1000:rwx sample/dir
	setfattr -n user.tag -v value sample/one && setfattr -n user.dir -v 'of a directory' sample/dir
	same() { out=$(rsync -aHAXnic --delete "$1/" "$2/") && test -z "$out" || { echo "$out"; return 1; }; }
`

func TestProgramsWorkAsOnADisk(t *testing.T) {
	needFUSE(t)
	b := newBench(t)
	b.mount("--create", "s.space")
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			needProgram(t, p.needs...)
			in := &bench{T: t, bin: b.bin}
			var err error
			if in.dir, err = os.MkdirTemp(b.path("mnt"), "program-"); err != nil {
				t.Fatal(err)
			}
			t.Setenv("DISK", t.TempDir())
			in.sh(p.script)
		})
	}
	b.unmount()
	b.sound("s.space")
}
