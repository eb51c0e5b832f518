package intervals

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // A zone must mean the same on machines without its database.
)

const (
	minYear = 1970
	maxYear = 2200
)

var (
	errNoZone = errors.New("the time has no offset: name the zone that the file's times are in (--tz, for example Australia/Sydney or +10:00)")
	errTime   = errors.New("not a time such as 2013-10-06 02:00:00 or 2013-10-05T16:00:00Z")
)

// Times with and without an offset, after any T has become a blank. Fractions
// of a second are accepted by package time after the seconds.
var (
	offsetLayouts = []string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04Z0700"}
	localLayouts  = []string{"2006-01-02 15:04:05", "2006-01-02 15:04"}
)

// Plausible says whether a time lies in the years that a file may be of.
func Plausible(at time.Time) bool { return at.Year() >= minYear && at.Year() <= maxYear }

// ParseZone reads the name of a zone (Australia/Sydney), UTC, or a fixed
// offset (+10:00).
func ParseZone(text string) (*time.Location, error) {
	if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		at, err := time.Parse("-07:00", text)
		if err != nil {
			return nil, fmt.Errorf("time zone %q: want an offset such as +10:00", text)
		}
		_, offset := at.Zone()
		return time.FixedZone(text, offset), nil
	}
	// LoadLocation takes "" for UTC and "Local" for whatever the machine is set
	// to; neither was named.
	if text == "" || text == "Local" {
		return nil, fmt.Errorf("time zone %q: want a name such as Australia/Sydney, UTC, or an offset such as +10:00", text)
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: want a name such as Australia/Sydney, UTC, or an offset such as +10:00: %w", text, err)
	}
	return zone, nil
}

// ParseTime reads one time as it may stand in a file or after a flag; a time
// without an offset is local to the zone, the earlier one where there are two.
func ParseTime(text string, zone *time.Location) (time.Time, error) {
	ms, err := newClock(zone).instant(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q: %w", text, err)
	}
	return time.UnixMilli(ms).UTC(), nil
}

// clock gives the rows of one meter their instants, each at most once. A wide
// file has one clock for all its columns.
type clock struct {
	zone    *time.Location
	taken   map[int64]bool // instants given out, unix ms
	skipped map[int64]int  // rows seen for a label that the zone skips
}

func newClock(zone *time.Location) *clock {
	return &clock{zone: zone, taken: map[int64]bool{}, skipped: map[int64]int{}}
}

// instant reads a time and returns it in unix ms. For a label that the zone has
// twice it returns the first instant not taken; for one that the zone skips it
// returns the instant after the change, up to two times.
func (c *clock) instant(text string) (int64, error) {
	at, local, err := parseLabel(text)
	if err != nil {
		return 0, err
	}
	if !Plausible(at) {
		return 0, fmt.Errorf("the year %d is not between %d and %d", at.Year(), minYear, maxYear)
	}
	if !local {
		if !c.take(at.UnixMilli()) {
			return 0, errors.New("a second row for this meter and time")
		}
		return at.UnixMilli(), nil
	}
	if c.zone == nil {
		return 0, errNoZone
	}
	candidates, moved := instants(at, c.zone)
	for _, candidate := range candidates {
		if c.take(candidate.UnixMilli()) {
			return candidate.UnixMilli(), nil
		}
	}
	if len(candidates) == 0 && c.skipped[at.UnixMilli()] < 2 {
		c.skipped[at.UnixMilli()]++
		return moved.UnixMilli(), nil
	}
	return 0, fmt.Errorf("another row for this meter and time, which %s does not have more often", c.zone)
}

func (c *clock) take(instant int64) bool {
	if c.taken[instant] {
		return false
	}
	c.taken[instant] = true
	return true
}

// parseLabel reads a time. Where it has no offset, local is true and the label
// is returned as if it were UTC.
func parseLabel(text string) (at time.Time, local bool, err error) {
	text = strings.Trim(text, " \t")
	if len(text) > len("2006-01-02T") && text[10] == 'T' {
		text = text[:10] + " " + text[11:]
	}
	for _, layout := range localLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true, nil
		}
	}
	for _, layout := range offsetLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, false, nil
		}
	}
	return time.Time{}, false, errTime
}

// instants are the moments at which the zone shows the label: one, two when
// clocks go back over it, none when they go forward over it. For the last case
// moved is the moment at which it would have come without the change.
func instants(label time.Time, zone *time.Location) (found []time.Time, moved time.Time) {
	year, month, day := label.Date()
	near := time.Date(year, month, day, label.Hour(), label.Minute(), label.Second(), label.Nanosecond(), zone)
	start, end := near.ZoneBounds()
	around := []time.Time{near}
	if !start.IsZero() && near.Sub(start) < changeReach {
		around = append(around, start.Add(-time.Nanosecond))
	}
	if !end.IsZero() && end.Sub(near) < changeReach {
		around = append(around, end)
	}
	for _, moment := range around {
		_, offset := moment.In(zone).Zone()
		candidate := label.Add(-time.Duration(offset) * time.Second)
		if _, shown := candidate.In(zone).Zone(); shown == offset && !slices.ContainsFunc(found, candidate.Equal) {
			found = append(found, candidate)
		}
		// The offset before a forward change is the smaller one.
		if moved.IsZero() || candidate.After(moved) {
			moved = candidate
		}
	}
	slices.SortFunc(found, time.Time.Compare)
	return found, moved
}

// changeReach is further than any change of clocks moves a label, the skipped
// days at the date line included.
const changeReach = 48 * time.Hour
