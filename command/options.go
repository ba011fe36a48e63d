package command

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

const ourOptions = "ro, rw, noexec, allow_other, mirror=DIR, create, debug"

// mountOptions reads -o as mount(8) and fstab(5) pass it. What only mount(8) or
// systemd means is let through, and what a mount of ours is in any case.
func mountOptions(r *daemon.MountRequest, lists []string) error {
	for _, list := range lists {
		for o := range strings.SplitSeq(list, ",") {
			name, value, _ := strings.Cut(o, "=")
			switch name {
			case "ro":
				r.ReadOnly = true
			case "rw":
				r.ReadOnly = false
			case "noexec":
				r.NoExec = true
			case "exec":
				r.NoExec = false
			case "allow_other":
				r.AllowOther = true
			case "create":
				r.Create = true
			case "mirror":
				if !filepath.IsAbs(value) {
					return usage("mount: the mirror in -o %s must be an absolute path", o)
				}
				r.Mirrors = append(r.Mirrors, value)
			case "debug":
				r.Debug = true
			case "", "defaults", "auto", "noauto", "nofail", "user", "nouser", "users", "owner", "group", "_netdev", "uhelper", "helper", "comment",
				"dev", "nodev", "suid", "nosuid", "async", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime",
				"default_permissions", "fsname", "subtype":
			default:
				if !strings.HasPrefix(name, "x-") && !strings.HasPrefix(name, "X-") {
					return usage("mount: there is no mount option %q; there are %s", o, ourOptions)
				}
			}
		}
	}
	return nil
}

// asMount lets mount(8) run us: as its helper, mount.spacefs, and through FUSE's,
// which runs `spacefs SPACE DIR -o OPTIONS`. fake: mount -f, which mounts nothing.
func asMount(app *cli.App, args []string) (ours []string, fake bool) {
	if len(args) == 0 {
		return args, false
	}
	if !slices.Contains([]string{"mount.spacefs", "mount.fuse.spacefs"}, filepath.Base(args[0])) {
		if len(args) > 2 && app.Command(args[1]) == nil && looksLikeSpace(args[1]) {
			return slices.Insert(slices.Clone(args), 1, "mount"), false
		}
		return args, false
	}
	ours = []string{"spacefs", "mount"}
	for i := 1; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-t" || a == "-N": // with its value
			i++
		case a == "-o" && i+1 < len(args):
			i++
			ours = append(ours, a, args[i])
		case len(a) > 1 && a[0] == '-' && strings.Trim(a, "-sfnv") == "":
			fake = fake || strings.Contains(a, "f")
		default:
			ours = append(ours, a)
		}
	}
	return ours, fake
}
