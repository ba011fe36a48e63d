package fusefs

import "github.com/hanwen/go-fuse/v2/fuse"

// xattrRefusal: names have no namespaces here.
func xattrRefusal(string) fuse.Status { return fuse.OK }

func xattrVisible(string, uint32) bool { return true }

// isACL: ACLs are of another kind here.
func isACL(string) bool { return false }

func keepsSetGID(*fuse.SetXAttrIn) bool { return true }
