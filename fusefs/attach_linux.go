package fusefs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// attach mounts at dir and returns a server that does not serve yet, and the
// number of its open /dev/fuse. The system
// call and the helper are ours and not go-fuse's: its direct mount leaks
// /dev/fuse to children, and a child that has it keeps the mount of a killed
// daemon hanging instead of dead; and what fusermount3 has to say goes to
// standard error, which a daemon does not have.
func attach(fs fuse.RawFileSystem, dir string, options *fuse.MountOptions, o Options) (server *fuse.Server, fd int, err error) {
	fd, err = mountDirectly(dir, o)
	if err == unix.EPERM || err == unix.EACCES {
		fd, err = mountByHelper(dir, o)
	}
	if err != nil {
		return nil, -1, err
	}
	server, err = fuse.NewServer(fs, fmt.Sprintf("/dev/fd/%d", fd), options)
	if err != nil {
		unix.Close(fd)
		return nil, -1, errors.Join(err, detach(dir))
	}
	return server, fd, nil
}

// settled returns once the mount answers.
func settled(_ *fuse.Server, dir string) error {
	// Go's poller asks a file whether it can be polled in a call that the
	// runtime believes never blocks; inside our own mount that could stop every
	// thread. So it is asked here once in a call that may block, of a file that
	// go-fuse keeps for this: the answer, ENOSYS, holds for all.
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Open(filepath.Join(dir, ".go-fuse-epoll-hack"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err
}

// kernelOptions are those that the kernel understands.
func kernelOptions(o Options) string {
	list := fmt.Sprintf("default_permissions,max_read=%d", maxRequest)
	if o.AllowOther {
		list += ",allow_other"
	}
	return list
}

// mountDirectly needs root.
func mountDirectly(dir string, o Options) (fd int, err error) {
	fd, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOATIME) // reading is not heard of, so it says so
	if o.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if o.NoExec {
		flags |= unix.MS_NOEXEC
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,%s", fd, os.Geteuid(), os.Getegid(), kernelOptions(o))
	if err := unix.Mount(o.FsName, dir, "fuse."+typeName, flags, data); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mountByHelper lets fusermount3 mount, as an ordinary user must. It sends the
// open /dev/fuse through the socket whose number it finds in its environment.
func mountByHelper(dir string, o Options) (fd int, err error) {
	bin, err := helper()
	if err != nil {
		return -1, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "fusermount3")
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	list := kernelOptions(o) + ",noatime,subtype=" + typeName + ",fsname=" + escape.Replace(o.FsName)
	if o.ReadOnly {
		list += ",ro"
	}
	if o.NoExec {
		list += ",noexec"
	}
	cmd := exec.Command(bin, "-o", list, "--", dir)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "_FUSE_COMMFD=3")
	cmd.ExtraFiles = []*os.File{theirs}
	out, err := cmd.CombinedOutput()
	theirs.Close()
	if err != nil {
		if text := strings.TrimSpace(string(out)); text != "" {
			err = errors.New(text)
		}
		return -1, err
	}
	return receiveFile(pair[0])
}

// receiveFile takes the file that somebody sent through a socket.
func receiveFile(socket int) (fd int, err error) {
	data, control := make([]byte, 4), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return -1, err
	}
	for _, m := range messages {
		if files, err := unix.ParseUnixRights(&m); err == nil && len(files) == 1 {
			return files[0], nil
		}
	}
	return -1, errors.New("fusermount3 mounted but sent no file")
}
