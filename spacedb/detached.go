package spacedb

// detached is the history that waits at a path; document 0 says that nothing
// does although the file may still have one.
type detached struct {
	history
	at uint64
}

// detachments are the identities that left their path since the last commits; the
// file has the older ones. Guarded by Store.mu.
//
// Invariant: where has exactly the documents in byPath, at most one path each.
type detachments struct {
	byPath map[string]detached
	where  map[int64]string // a document's path
}

func (ds *detachments) at(path string) (d detached, known bool) {
	d, known = ds.byPath[path]
	return d, known
}

func (ds *detachments) put(path string, d detached) {
	ds.drop(path)
	if ds.byPath == nil {
		ds.byPath, ds.where = map[string]detached{}, map[int64]string{}
	}
	if d.document != 0 {
		if before, waits := ds.where[d.document]; waits {
			ds.byPath[before] = detached{at: d.at} // it waits here now, and there no more
		}
		ds.where[d.document] = path
	}
	ds.byPath[path] = d
}

func (ds *detachments) drop(path string) {
	if d := ds.byPath[path]; d.document != 0 {
		delete(ds.where, d.document)
	}
	delete(ds.byPath, path)
}

// settle drops what is durable: the file has it from now on.
func (ds *detachments) settle(seq uint64) {
	for path, d := range ds.byPath {
		if d.at <= seq {
			ds.drop(path)
		}
	}
}
