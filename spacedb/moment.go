package spacedb

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrNoPast: the space does not reach back so far.
var ErrNoPast = errors.New("the past does not reach back so far")

// Moment is a point in the past of a space: a time, just before or just after a
// run, or when a revision came to be.
type Moment struct {
	Time   time.Time `json:"time,omitzero"`
	Before int64     `json:"before,omitempty"` // a run
	After  int64     `json:"after,omitempty"`  // a run
	Path   string    `json:"path,omitempty"`   // of a document, and Rev is one of its revisions
	Rev    string    `json:"rev,omitempty"`
}

func (m Moment) String() string {
	switch {
	case m.Before != 0:
		return fmt.Sprintf("before run %d", m.Before)
	case m.After != 0:
		return fmt.Sprintf("after run %d", m.After)
	case m.Path != "":
		return m.Path + "@" + m.Rev
	}
	return m.Time.Local().Format(time.RFC3339)
}

// ParseMoment reads a moment as people write it: a time or a date (RFC 3339,
// the end of that day), how long ago (90m, 2h, 3d, 2w), run:N and before:N, just
// after and just before a run, or PATH@REV, when that revision came to be.
func ParseMoment(text string, now time.Time) (Moment, error) {
	bad := fmt.Errorf("%q is no moment: give a time (2006-01-02T15:04), a date, an age (90m, 2h, 3d), run:N, before:N or PATH@REV", text)
	if word, number, found := strings.Cut(text, ":"); found && (word == "run" || word == "before") {
		run, err := strconv.ParseInt(number, 10, 64)
		switch {
		case err != nil || run <= 0:
			return Moment{}, bad
		case word == "run":
			return Moment{After: run}, nil
		}
		return Moment{Before: run}, nil
	}
	if at, ok := parseTime(text); ok {
		return Moment{Time: at}, nil
	}
	if age, err := ParseAge(text); err == nil {
		return Moment{Time: now.Add(-age)}, nil
	}
	if i := strings.LastIndexByte(text, '@'); i > 0 && i < len(text)-1 {
		return Moment{Path: text[:i], Rev: text[i+1:]}, nil
	}
	return Moment{}, bad
}

// parseTime reads a time; of a date, its end.
func parseTime(text string) (at time.Time, ok bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		at, err := time.ParseInLocation(layout, text, time.Local)
		if err != nil {
			continue
		}
		if layout == "2006-01-02" {
			at = at.AddDate(0, 0, 1)
		}
		return at, true
	}
	return at, false
}

// ParseAge reads a length of time: Go's words, and days, weeks and years
// (1y6w3d12h).
func ParseAge(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	var age time.Duration
	rest := text
	for _, unit := range []struct {
		letter string
		is     time.Duration
	}{{"y", 365 * day}, {"w", 7 * day}, {"d", day}} {
		number, after, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		count, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is no length of time: give 90m, 12h, 3d, 2w or 1y", text)
		}
		age += time.Duration(count) * unit.is
		rest = after
	}
	if rest != "" || age == 0 {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 {
			return 0, fmt.Errorf("%q is no length of time: give 90m, 12h, 3d, 2w or 1y", text)
		}
		age += more
	}
	return age, nil
}

// instant is a moment as the rows have it.
type instant struct {
	seq  uint64 // entries as they were then
	time int64  // content as it was then
	not  int64  // a run whose revisions are later, whatever the clock says; noRun: none
}

const noRun = -1 // 0 is what happens outside runs

// instant finds a moment in the file.
func (c *conn) instant(m Moment) (at instant, err error) {
	if run := m.Before + m.After; run != 0 {
		column := "began, started"
		if m.After != 0 {
			column = "ended, finished"
		}
		found, err := c.one(func(r row) error {
			at = instant{seq: uint64(r.int(0)), time: r.int(1), not: noRun}
			if m.Before != 0 {
				at.not = m.Before
			}
			return nil
		}, `SELECT `+column+` FROM run WHERE id = ?`, run)
		switch {
		case err != nil:
			return at, err
		case !found:
			return at, fmt.Errorf("there is no run %d", run)
		case at.seq == 0:
			return at, fmt.Errorf("run %d did not end, or is older than the space's past: %w", run, ErrNoPast)
		}
		return at, nil
	}
	seq, found, err := c.lastBy(m.Time.UnixNano(), `SELECT seq, time FROM moment WHERE seq >= ? ORDER BY seq LIMIT 1`,
		`SELECT seq, time FROM moment ORDER BY seq DESC LIMIT 1`)
	if err != nil || found {
		return instant{seq: uint64(seq), time: m.Time.UnixNano(), not: noRun}, err
	}
	_, err = c.one(func(r row) error {
		return fmt.Errorf("%w: it begins at %s", ErrNoPast, time.Unix(0, r.int(0)).Local().Format(time.RFC3339Nano))
	}, `SELECT time FROM moment ORDER BY seq LIMIT 1`)
	if err == nil {
		err = ErrNoPast
	}
	return at, err
}

// lastBy finds the last of numbered rows that was by a time, in about as many
// steps as its number has bits. Times grow with numbers, but where the clock was
// set back: of a time that was twice, either row that was the last then is as
// right. atOrAfter and last are queries for a number and its time.
func (c *conn) lastBy(time int64, atOrAfter, last string, args ...any) (number int64, found bool, err error) {
	later := int64(0) // every row from here on is later, as far as we know
	_, err = c.one(func(r row) error {
		if later = r.int(0); r.int(1) <= time {
			number, found = later, true
		}
		return nil
	}, last, args...)
	if err != nil || found {
		return number, found, err
	}
	for from := int64(0); from < later; {
		middle := from + (later-from)/2
		_, err := c.one(func(r row) error {
			if is := r.int(0); is < later && r.int(1) <= time {
				number, found, from = is, true, is+1
			} else {
				later = middle
			}
			return nil
		}, atOrAfter, append(args[:len(args):len(args)], middle)...)
		if err != nil {
			return 0, false, err
		}
	}
	return number, found, nil
}
