package fusefs

// macFUSE passes no notifications on, and FSEvents are the kernel's own.

func (e *echo) introduce(*Server) {}

func (e *echo) removed(*Server, entryChange) {}

func (e *echo) moved(*Server, place, entryChange) bool { return false }

func (e *echo) replaced(*Server, entryChange) bool { return false }

func (e *echo) added(*Server, entryChange) {}

func (e *echo) changed(*Server, nodeChange) {}
