package materialize

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"spacefs/spacedb"
)

// Live keeps a space and a mirror in step until it is told to end. It waits for
// a change on either side and for a moment of quiet after it, and syncs what
// changed. Everything is looked at when it starts, when hints were lost, and once
// in a while; and again and again where not everything can be watched.
//
// One goroutine does it all. Times are measured by the monotonic clock: neither
// a clock that is set nor a machine that sleeps makes a difference.
type Live struct {
	store   *spacedb.Store
	dir     string
	options LiveOptions
	watch   *watcher
	recent  deletions
	place   os.FileInfo // of the directory when all of it was looked at

	// What the next sync is about.
	junk      []string // as the last one had it
	full      string   // why everything is to be looked at; "": only what follows
	stirred   bool     // the space changed
	first     time.Time
	last      time.Time // of the changes that wait
	seq       uint64
	left      []string
	again     []string
	conflicts map[string]string
	// When it may or must be.
	notBefore time.Time
	retry     time.Time
	patience  time.Duration // between retries
	rescan    time.Time

	mu     sync.Mutex // guards what follows
	status LiveStatus
	behind time.Time // since when something waits; zero: nothing does
}

// LiveOptions of a Live.
type LiveOptions struct {
	Sync SyncOptions
	// Quiet is how long a document of the space must have rested that no program
	// has open for writing.
	Quiet time.Duration
	// Alone runs a sync so that it is the only one of this space; nil just runs it.
	Alone func(func())
	// Synced is told of every sync that did something, or could not.
	Synced func(SyncResult, error)
}

// LiveStatus tells how a live mirror is.
type LiveStatus struct {
	State     LiveState `json:"state"`
	Reason    string    `json:"reason,omitempty"` // of a state that is not live
	LagMillis int64     `json:"lag_ms"`           // how long the oldest change that is not synced has waited
	Queue     int       `json:"queue"`            // paths that wait
	Syncs     int64     `json:"syncs"`            // that did something
	LastSync  time.Time `json:"last_sync,omitzero"`
	LastError string    `json:"last_error,omitempty"`
}

// LiveState is how a mirror is kept in step.
type LiveState string

const (
	LiveOn       LiveState = "live"
	LiveDegraded LiveState = "degraded" // by looking at everything again and again
	LivePaused   LiveState = "paused"   // a guard stopped it, or the mirror is away
	LiveFailing  LiveState = "failing"  // it is tried again
)

const (
	settle      = 100 * time.Millisecond // of quiet after a change
	waitAtMost  = 500 * time.Millisecond // for quiet
	lookAgain   = 100 * time.Millisecond // at what was just being written; longer each time
	lookAtMost  = 2 * time.Second
	probeEvery  = time.Second      // whether a mirror that went is back
	heldEvery   = 30 * time.Second // whether what a guard stopped is no more
	beatEvery   = 5 * time.Second  // whether the mirror is where it was
	rescanEvery = 10 * time.Minute // although everything is watched
)

// NewLive makes the live mirror dir of a space; Run runs it.
func NewLive(store *spacedb.Store, dir string, o LiveOptions) *Live {
	if o.Alone == nil {
		o.Alone = func(work func()) { work() }
	}
	if o.Synced == nil {
		o.Synced = func(SyncResult, error) {}
	}
	if o.Sync.Reporter == nil {
		o.Sync.Reporter = silent{}
	}
	l := &Live{store: store, dir: dir, options: o, full: "it begins", rescan: time.Now()}
	l.options.Sync.seal = func(ctx context.Context) error { return store.SealRested(ctx, o.Quiet) }
	l.options.Sync.guard = l.recent.with
	l.status.State = LiveOn
	return l
}

// Status may be asked at any time.
func (l *Live) Status() LiveStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.status
	if !l.behind.IsZero() {
		st.LagMillis = time.Since(l.behind).Milliseconds()
	}
	return st
}

// Run returns when ctx is done.
func (l *Live) Run(ctx context.Context) {
	pulse, stop := l.store.Pulse()
	defer stop()
	l.watch = newWatcher(l.dir, l.store.Junk)
	defer func() { l.watch.close() }()
	timer, heart := time.NewTimer(0), time.NewTicker(beatEvery)
	defer timer.Stop()
	defer heart.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pulse:
			l.stirred = true
			l.notice()
		case <-l.watch.ready:
			if lost, _, _ := l.watch.state(); lost != "" {
				l.full = lost
			}
			l.notice()
		case <-heart.C:
			if info, err := os.Stat(l.dir); l.place != nil && (err != nil || !os.SameFile(info, l.place)) {
				l.full = "the mirror is not where it was"
				l.notice()
			}
		case <-timer.C:
		}
		now := time.Now()
		if due := l.due(); !due.IsZero() && !now.Before(due) {
			l.sync(ctx, now)
		}
		timer.Reset(time.Until(l.due()))
	}
}

// notice begins or prolongs the wait for quiet.
func (l *Live) notice() {
	l.last = time.Now()
	if l.first.IsZero() {
		l.first = l.last
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.behind.IsZero() {
		l.behind = l.last
	}
	l.status.Queue = l.queue()
}

func (l *Live) queue() int {
	_, _, queued := l.watch.state()
	if l.stirred {
		queued++
	}
	return queued + len(l.again)
}

// due is when the next sync is.
func (l *Live) due() time.Time {
	due := l.rescan
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	sooner(l.retry)
	if !l.first.IsZero() {
		sooner(l.last.Add(settle))
		sooner(l.first.Add(waitAtMost))
	}
	if due.Before(l.notBefore) {
		due = l.notBefore
	}
	return due
}

// sync syncs what is due.
func (l *Live) sync(ctx context.Context, now time.Time) {
	switch junk := l.store.JunkPatterns(); {
	case !slices.Equal(junk, l.junk):
		l.full, l.junk = "what is junk has changed", junk
	case l.full == "" && !now.Before(l.rescan):
		l.full = "it is time"
	}
	o, more := l.options.Sync, time.Time{}
	o.enter = l.watch.enter
	if l.full != "" {
		l.watch.forget()
		l.place, _ = os.Stat(l.dir) // if it is not there, the sync says so
	} else {
		o.focus = &focus{since: l.seq, paths: append(l.again, l.left...), known: l.conflicts}
		o.focus.mirror, more = l.watch.take()
	}
	l.first, l.stirred, l.retry = time.Time{}, false, more
	var result SyncResult
	var err error
	begun := time.Now()
	l.options.Alone(func() {
		begun = time.Now()
		result, err = Sync(ctx, l.store, l.dir, o)
	})
	if ctx.Err() != nil {
		return
	}
	took := time.Since(begun)
	l.notBefore = time.Now().Add(min(took, 10*time.Second))
	if err != nil {
		l.failed(err)
	} else {
		l.synced(result, took)
	}
	if err != nil || result.Run != 0 {
		l.options.Synced(result, err)
	}
}

// synced plans what comes after a sync.
func (l *Live) synced(r SyncResult, took time.Duration) {
	now := time.Now()
	wasFull := l.full != ""
	l.full = ""
	l.seq, l.left, l.again, l.conflicts = r.leftover.seq, r.leftover.left, r.leftover.again, r.leftover.conflicts
	l.recent.add(r)
	_, blind, queued := l.watch.state()
	switch {
	case blind != "":
		l.rescan = now.Add(min(max(10*took, time.Second), time.Minute))
		if !wasFull {
			l.rescan = now.Add(time.Second)
		}
	case wasFull:
		l.rescan = now.Add(rescanEvery)
	}
	if len(l.again) > 0 {
		l.patience = min(max(2*l.patience, lookAgain), lookAtMost)
		if at := now.Add(l.patience); l.retry.IsZero() || at.Before(l.retry) {
			l.retry = at
		}
	} else {
		l.patience = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.State, l.status.Reason = LiveOn, ""
	if blind != "" {
		l.status.State, l.status.Reason = LiveDegraded, blind+"; everything is looked at again and again"
	}
	l.status.LastSync = now
	l.status.LastError = ""
	if len(r.Failed) > 0 {
		l.status.LastError = r.Failed[0].Error()
		if n := len(r.Failed); n > 1 {
			l.status.LastError += fmt.Sprintf(" (and %d more)", n-1)
		}
	}
	if r.Run != 0 {
		l.status.Syncs++
	}
	l.status.Queue = len(l.again) + queued
	if l.status.Queue == 0 {
		l.behind = time.Time{}
	}
}

// failed plans what comes after a sync that did not happen. Whatever was known
// by then is known no more: the next one looks at everything.
func (l *Live) failed(err error) {
	now := time.Now()
	l.full = "the last sync did not happen"
	state := LiveFailing
	var guard *GuardError
	switch {
	case errors.As(err, &guard) && guard.Deletions:
		state, l.patience = LivePaused, heldEvery
	case errors.As(err, &guard):
		l.place = nil
		state, l.patience = LivePaused, probeEvery
		l.watch.close() // what it watched may be another filesystem's
		l.watch = newWatcher(l.dir, l.store.Junk)
	default:
		l.patience = min(max(2*l.patience, probeEvery), heldEvery)
	}
	l.retry, l.rescan = now.Add(l.patience), now.Add(l.patience)
	l.notBefore = now.Add(min(l.patience, probeEvery))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.State, l.status.Reason, l.status.LastError = state, err.Error(), err.Error()
	if l.behind.IsZero() {
		l.behind = now
	}
}
