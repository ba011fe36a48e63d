package fusefs_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/spacedb"
)

// as runs a shell script in the mount as somebody else and says what it printed.
func (m *mounted) as(uid int, script string) string {
	m.Helper()
	cmd := exec.CommandContext(m.Context(), "setpriv", "--reuid", fmt.Sprint(uid), "--regid", fmt.Sprint(uid), "--clear-groups", "sh", "-c", script)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C", "M="+m.dir)
	out, _ := cmd.CombinedOutput()
	return strings.TrimSpace(string(out))
}

// openWay lets others reach the mount point.
func (m *mounted) openWay() {
	m.Helper()
	m.ok(exec.Command("chmod", "a+x", m.dir+"/..").Run())
	m.ok(exec.Command("chmod", "a+x", m.dir+"/../..").Run())
	m.ok(os.Chmod(m.dir, 0o755))
}

func TestOthersMayWhatModesAndOwnersSay(t *testing.T) {
	needRoot(t)
	m := mountWith(t, spacedb.Options{}, fusefs.Options{AllowOther: true})
	m.openWay()
	m.write("public", "everybody's")
	m.write("private", "mine")
	m.ok(os.Chmod(m.path("private"), 0o600))
	m.ok(os.Mkdir(m.path("shared"), 0o777))
	m.ok(unix.Chmod(m.path("shared"), 0o1777))
	m.write("shared/mine", "")
	m.write("theirs", "before")
	m.ok(os.Chown(m.path("theirs"), 65534, 65534))
	m.ok(unix.Chmod(m.path("theirs"), 0o6755))
	for _, c := range []struct{ script, want string }{
		{`cat $M/public`, "everybody's"},
		{`cat $M/private`, "Permission denied"},
		{`echo x > $M/public`, "Permission denied"},
		{`rm -f $M/public`, "Permission denied"},
		{`echo new > $M/shared/theirs && stat -c '%u %g' $M/shared/theirs`, "65534 65534"},
		{`rm -f $M/shared/mine`, "Operation not permitted"},
		{`echo after >> $M/theirs && stat -c %a $M/theirs`, "755"},
		{`chown 0 $M/theirs`, "Operation not permitted"},
		{`umask 027; touch $M/shared/masked && stat -c %a $M/shared/masked`, "640"},
		{`df $M >/dev/null && echo told`, "told"},
	} {
		if got := m.as(65534, c.script); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.script, got, c.want)
		}
	}
}

func TestOthersStayOutUnlessAllowed(t *testing.T) {
	needRoot(t)
	m := mount(t, spacedb.Options{})
	m.openWay()
	m.write("public", "everybody's")
	if got := m.as(65534, `cat $M/public`); !strings.HasSuffix(got, "Permission denied") {
		t.Errorf("without allow_other: %q", got)
	}
}

func TestACLsAreEnforced(t *testing.T) {
	needRoot(t)
	m := mountWith(t, spacedb.Options{}, fusefs.Options{AllowOther: true})
	m.openWay()
	m.write("f", "for one")
	m.ok(os.Chmod(m.path("f"), 0o600))
	const name = "system.posix_acl_access"
	m.ok(unix.Setxattr(m.path("f"), name, accessList([][3]int{{1, 6}, {2, 4, 1000}, {4, 0}, {0x10, 4}, {0x20, 0}}), 0))
	for uid, want := range map[int]string{1000: "for one", 65534: "Permission denied"} {
		if got := m.as(uid, `cat $M/f`); !strings.HasSuffix(got, want) {
			t.Errorf("as %d: %q, want %q", uid, got, want)
		}
	}
	m.ok(os.Chmod(m.path("f"), 0o600)) // the group's digit is the mask
	if got := m.as(1000, `cat $M/f`); !strings.HasSuffix(got, "Permission denied") {
		t.Errorf("after chmod: %q", got)
	}
	m.refused("what is no ACL", unix.Setxattr(m.path("f"), name, []byte("no"), 0), unix.EINVAL)
}
