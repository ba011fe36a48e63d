package fusefs

import (
	"errors"
	"log/slog"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

const (
	enospc     = fuse.Status(syscall.ENOSPC)
	enotty     = fuse.Status(syscall.ENOTTY)
	eopnotsupp = fuse.Status(syscall.EOPNOTSUPP)
)

// errnos is what programs are told. ErrNotFound comes first: it is the usual
// one.
var errnos = []struct {
	err   error
	errno syscall.Errno
}{
	{spacedb.ErrNotFound, syscall.ENOENT},
	{spacedb.ErrExist, syscall.EEXIST},
	{spacedb.ErrNotDir, syscall.ENOTDIR},
	{spacedb.ErrIsDir, syscall.EISDIR},
	{spacedb.ErrNotEmpty, syscall.ENOTEMPTY},
	{spacedb.ErrNameTooLong, syscall.ENAMETOOLONG},
	{spacedb.ErrInvalid, syscall.EINVAL},
	{spacedb.ErrPermission, syscall.EPERM},
	{spacedb.ErrDenied, syscall.EACCES},
	{spacedb.ErrTooLarge, syscall.EFBIG},
	{spacedb.ErrTooManyLink, syscall.EMLINK},
	{spacedb.ErrNoXattr, syscall.Errno(fuse.ENOATTR)},
	{spacedb.ErrNoData, syscall.ENXIO},
	{spacedb.ErrRange, syscall.ERANGE},
	{spacedb.ErrUnsupported, syscall.EOPNOTSUPP},
	{spacedb.ErrNoSpace, syscall.ENOSPC},
	{spacedb.ErrReadOnly, syscall.EROFS},
	{spacedb.ErrClosed, syscall.ENODEV},
}

// status translates an error of the store. What no program could make sense of
// is EIO, and a line in the log says why.
func status(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	for _, e := range errnos {
		if errors.Is(err, e.err) {
			return fuse.Status(e.errno)
		}
	}
	slog.Error("a request failed", "err", err)
	return fuse.EIO
}
