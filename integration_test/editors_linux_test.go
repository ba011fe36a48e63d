package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// saver is a program that saves documents. save makes the document at path,
// which ends in the line "edit N-1", end in the line "edit N"; by itself, in the
// test's directory.
type saver struct {
	name string
	save func(b *bench, path string, n int)
}

// shell is a saver that a script is: $1 is the path, $2 the line.
func shell(name, script string) saver {
	return saver{name, func(b *bench, path string, n int) {
		b.Helper()
		b.sh(fmt.Sprintf("set -- %s 'edit %d'\n%s", path, n, script))
	}}
}

func vim(name, options string) saver {
	return shell(name, `vim -N -u NONE -i NONE -es -c 'set `+options+`' -c "normal Go$2" -c wq $1`)
}

var savers = []saver{
	vim("vim, backupcopy=yes", "nobackup writebackup backupcopy=yes"),
	vim("vim, backupcopy=no", "nobackup writebackup backupcopy=no"),
	vim("vim, backupcopy=yes, backup", "backup backupcopy=yes"),
	vim("vim, backupcopy=no, backup", "backup backupcopy=no"),
	vim("vim, backupcopy=no, backup in .bak", "backup backupcopy=no backupext=.bak"),
	shell("emacs", `emacs -Q --batch $1 --eval "(progn (goto-char (point-max)) (insert \"$2\n\") (save-buffer))" 2>&1`),
	shell("emacs, precious", `emacs -Q --batch $1 --eval "(progn (setq file-precious-flag t) (goto-char (point-max)) (insert \"$2\n\") (save-buffer))" 2>&1`),
	shell("emacs, numbered", `emacs -Q --batch $1 --eval "(progn (setq version-control t) (goto-char (point-max)) (insert \"$2\n\") (save-buffer))" 2>&1`),
	nano("nano", "-I -L"),
	nano("nano -B", "-I -L -B"),
	shell("ed-like: cp over", `cp $1 new.$$; echo "$2" >> new.$$; cp new.$$ $1; rm new.$$`),
	shell("sed -i", `sed -i "\$a $2" $1`),
	shell("sed -i.bak", `sed -i.bak "\$a $2" $1`),
	shell("perl -i", `perl -i -pe "print qq($2\n) if 0; \$_ .= qq($2\n) if eof" $1`),
	shell("perl -i.bak", `perl -i.bak -pe "\$_ .= qq($2\n) if eof" $1`),
	shell("rsync", `mkdir -p src; cp $1 src/; echo "$2" >> src/$(basename $1); rsync -a src/$(basename $1) $(dirname $1)/`),
	shell("rsync --backup", `mkdir -p src; cp $1 src/; echo "$2" >> src/$(basename $1); rsync -a --backup src/$(basename $1) $(dirname $1)/`),
	shell("rsync --inplace", `mkdir -p src; cp $1 src/; echo "$2" >> src/$(basename $1); rsync -a --inplace src/$(basename $1) $(dirname $1)/`),
	shell("patch", `cp $1 after; echo "$2" >> after; diff -u $1 after > p || true; patch -s $1 p`),
	shell("patch -b", `cp $1 after; echo "$2" >> after; diff -u $1 after > p || true; patch -s -b $1 p`),
	shell("mv new old", `cp $1 new; echo "$2" >> new; cp new $1.new; mv $1.new $1`),
	shell("temporary, link, unlink", `cp $1 new; echo "$2" >> new; cp new $1.new; rm $1; ln $1.new $1; rm $1.new`),
	shell("backup by link", `cp $1 new; echo "$2" >> new; rm -f $1~; ln $1 $1~; cp new $1.new; mv $1.new $1`),
	// The others as traced.
	{"VS Code", func(b *bench, path string, n int) {
		text := append(b.text(path), line(n)...)
		f, err := os.OpenFile(b.path(path), os.O_RDWR, 0)
		b.ok(err)
		b.ok(f.Truncate(0))
		_, err = f.WriteAt(text, 0)
		b.ok(err)
		b.ok(unix.Fdatasync(int(f.Fd())))
		b.ok(f.Close())
	}},
	{"VS Code, atomic", func(b *bench, path string, n int) { b.replace(path, path+".vsctmp", n) }},
	{"LibreOffice", func(b *bench, path string, n int) {
		lock := filepath.Join(filepath.Dir(path), ".~lock."+filepath.Base(path)+"#")
		b.ok(os.WriteFile(b.path(lock), []byte(",user,host,24.11.2026 12:00,file:///home/user;"), 0o644))
		b.replace(path, filepath.Join(filepath.Dir(path), "lu24126vqw8m.tmp"), n)
		b.ok(os.Remove(b.path(lock)))
	}},
	{"gedit", func(b *bench, path string, n int) {
		b.replace(path, filepath.Join(filepath.Dir(path), ".goutputstream-"+fmt.Sprintf("%06d", n)), n)
	}},
	{"Kate", func(b *bench, path string, n int) { b.replace(path, path+".Xy7Lp2", n) }},
	{"IntelliJ IDEA", func(b *bench, path string, n int) {
		text := append(b.text(path), line(n)...)
		b.ok(os.WriteFile(b.path(path+"___jb_tmp___"), text, 0o644))
		b.ok(os.Rename(b.path(path), b.path(path+"___jb_old___")))
		b.ok(os.Rename(b.path(path+"___jb_tmp___"), b.path(path)))
		b.ok(os.Remove(b.path(path + "___jb_old___")))
	}},
	{"exchanged", func(b *bench, path string, n int) {
		b.ok(os.WriteFile(b.path(path+".tmp"), append(b.text(path), line(n)...), 0o644))
		b.ok(unix.Renameat2(unix.AT_FDCWD, b.path(path+".tmp"), unix.AT_FDCWD, b.path(path), unix.RENAME_EXCHANGE))
		b.ok(os.Remove(b.path(path + ".tmp")))
	}},
}

func line(n int) string { return fmt.Sprintf("edit %d\n", n) }

func (b *bench) text(path string) []byte {
	b.Helper()
	text, err := os.ReadFile(b.path(path))
	b.ok(err)
	return text
}

// replace saves by a temporary that is renamed over the document.
func (b *bench) replace(path, temporary string, n int) {
	b.Helper()
	f, err := os.OpenFile(b.path(temporary), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	b.ok(err)
	_, err = f.Write(append(b.text(path), line(n)...))
	b.ok(err)
	b.ok(f.Sync())
	b.ok(f.Close())
	b.ok(os.Rename(b.path(temporary), b.path(path)))
}

// However a program saves, a document has one history and each save is one
// revision of it: in a mount, in one whose mirror is followed, where documents
// count as at rest much sooner, and in that mirror.
func TestEveryEditorsSavesAreOneHistory(t *testing.T) {
	needFUSE(t)
	needProgram(t, "vim", "emacs", "nano", "tmux", "rsync", "patch", "perl", "sed", "git", "sqlite3")
	t.Run("in the mount", func(t *testing.T) { saveEverywhere(t, "mnt", "") })
	t.Run("in the mount while a mirror is followed", func(t *testing.T) { saveEverywhere(t, "mnt", "mirror") })
	t.Run("in the mirror that is followed", func(t *testing.T) { saveEverywhere(t, "mirror", "mnt") })
}

// saveEverywhere saves in a directory; what is there then soon is in the other
// one too, if there is one.
func saveEverywhere(t *testing.T, in, other string) {
	const rounds = 3
	b := newBench(t)
	b.mkdir("mirror")
	if other == "" {
		b.mount("--create", "docs.space")
	} else {
		b.mount("--create", "--mirror", "mirror", "docs.space")
	}
	b.mkdir(in + "/git")
	git := b.git(in + "/git")
	b.sh(git + `init -q; git config gc.auto 0; for n in 0 1 2 3; do echo "edit $n" >> f; git add f; git commit -q -m $n; git tag v$n; done; git checkout -q v0`)
	savers := append(slices.Clip(savers), saver{"git checkout", func(b *bench, path string, n int) {
		b.sh(git + fmt.Sprintf("checkout -q v%d", n))
	}})
	paths := make([]string, len(savers)) // below both directories
	for i, s := range savers {
		dir := fmt.Sprintf("%02d", i)
		paths[i] = dir + "/note.md"
		if s.name == "git checkout" {
			paths[i] = "git/f"
			continue
		}
		b.mkdir(in + "/" + dir)
		b.ok(os.WriteFile(b.path(in, paths[i]), []byte(line(0)), 0o644))
	}
	rest := func() {
		for _, p := range paths {
			if other != "" {
				b.appears(b.path(other, p), string(b.text(in+"/"+p)))
			}
		}
		b.rest("docs.space")
	}
	// The repository's commits came in quick succession: how many revisions that
	// made is not the question here.
	rest()
	before := len(b.log("docs.space", "git/f"))
	for n := 1; n <= rounds; n++ {
		for i, s := range savers {
			s.save(b, in+"/"+paths[i], n)
		}
		rest()
	}
	for i, s := range savers {
		list := b.log("docs.space", paths[i])
		made := len(list) - 1
		if s.name == "git checkout" {
			made = len(list) - before
		}
		t.Logf("%-36s %d revisions of %d saves", s.name, made, rounds)
		if made != rounds {
			t.Errorf("%s: %d revisions of %d saves: %+v\n%s", s.name, made, rounds, list, b.sh("ls -la "+filepath.Dir(in+"/"+paths[i])))
			continue
		}
		for back := 0; back <= rounds; back++ { // oldest last
			want := rounds - back
			text := b.done("cat", "docs.space", paths[i]+"@"+strconv.Itoa(list[back].Number))
			if !strings.HasSuffix(text, line(want)) || strings.Count(text, "\n") != want+1 {
				t.Errorf("%s: revision %d is %q", s.name, list[back].Number, text)
			}
		}
	}
	b.unmount()
	if other == "" {
		b.done("sync", "docs.space", "mirror")
	}
	if in == "mnt" {
		if junk := b.sh(`find mirror \( -name '*~' -o -name '.*.sw?' -o -name '.~lock*' -o -name '.goutput*' -o -name '.#*' -o -name '.spacefs-tmp-*' \)`); junk != "" {
			t.Errorf("junk reached the mirror:\n%s", junk)
		}
	}
	// No temporary left a history of its own; a backup that is a document may, and so
	// may, where a mirror is followed, one that lay closed for longer than a sync waits:
	// on a busy machine any of them may.
	if strays := b.sh(`sqlite3 -readonly docs.space "select distinct path from revisions
		where path not glob '*/note.md' and path not glob '*/note.md.bak' and path not glob '*/note.md.orig' and path not glob 'git/*'"`); strays != "" {
		t.Logf("these have revisions:\n%s", strays)
		if other == "" {
			t.Fail()
		}
	}
	if in == "mirror" {
		b.sh(`find mirror \( -name '*~' -o -name '.#*' \) -delete`) // is junk, and was left where the editor put it
	}
	b.agree("docs.space", "mirror")
	b.sound("docs.space")
}

func (b *bench) git(dir string) string {
	return fmt.Sprintf("export GIT_CONFIG_NOSYSTEM=1 HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; cd %s; git -c advice.detachedHead=false ", dir)
}

// revision is a line of `spacefs log --json` that tells of one.
type revision struct {
	What     string
	Document string
	Number   int
	Path     string
	Origin   string
	Time     string
	Size     int64
}

func (b *bench) log(space, path string) (list []revision) {
	b.Helper()
	b.ok(json.Unmarshal([]byte(b.done("log", "--json", space, path)), &list))
	return slices.DeleteFunc(list, func(r revision) bool { return r.What != "saved" })
}

// rest waits until everything has come to rest and has its revision.
func (b *bench) rest(space string) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var st struct{ Unsealed int }
		out := b.done("status", "--json", space)
		b.ok(json.Unmarshal([]byte(out), &st))
		if st.Unsealed == 0 {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("it never came to rest:\n%s", out)
		}
	}
}

func nano(name, flags string) saver {
	return saver{name, func(b *bench, path string, n int) {
		b.Helper()
		b.typeIntoNano(path, flags, fmt.Sprintf("edit %d", n))
	}}
}
