package agent

import (
	"fmt"
	"time"
)

// Duration is a time.Duration in its textual form.
type Duration time.Duration

// MarshalText writes like "26h0m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration like 26h or 90m", text)
	}
	*d = Duration(parsed)
	return nil
}

// Clock is a time of day in minutes.
type Clock int

// MarshalText writes like "22:00".
func (c Clock) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%02d:%02d", c/60, c%60), nil }

// UnmarshalText reads "HH:MM" from 00:00 to 23:59.
func (c *Clock) UnmarshalText(text []byte) error {
	t, err := time.Parse("15:04", string(text))
	if err != nil || len(text) != len("15:04") {
		return fmt.Errorf("%q is not a time of day like 22:00", text)
	}
	*c = Clock(t.Hour()*60 + t.Minute())
	return nil
}

// Offset is a fixed offset from UTC in minutes.
type Offset int

// MarshalText writes like "+10:00".
func (o Offset) MarshalText() ([]byte, error) {
	sign, minutes := '+', int(o)
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	return fmt.Appendf(nil, "%c%02d:%02d", sign, minutes/60, minutes%60), nil
}

// UnmarshalText reads "+HH:MM" or "-HH:MM", or "Z".
func (o *Offset) UnmarshalText(text []byte) error {
	t, err := time.Parse("Z07:00", string(text))
	if err != nil {
		return fmt.Errorf("%q is not an offset like +10:00", text)
	}
	_, seconds := t.Zone()
	*o = Offset(seconds / 60)
	return nil
}

const (
	hourMs   = 3_600_000
	dayMs    = 24 * hourMs
	minuteMs = 60_000
)

// covers says whether the whole time from one moment to another lies in one
// window of one day. Time that is only partly in it says nothing.
func (h Hours) covers(from, to int64) bool {
	length := int64(h.To-h.From) * minuteMs
	if length < 0 {
		length += dayMs
	}
	local := from + int64(h.UTCOffset)*minuteMs - int64(h.From)*minuteMs
	since := ((local % dayMs) + dayMs) % dayMs
	return since+(to-from) <= length
}

func (h Hours) String() string {
	from, _ := h.From.MarshalText()    // cannot fail
	to, _ := h.To.MarshalText()        // cannot fail
	at, _ := h.UTCOffset.MarshalText() // cannot fail
	return fmt.Sprintf("%s to %s (%s)", from, to, at)
}

func (n Night) hours() Hours { return Hours{n.From, n.To, n.UTCOffset} }

// span is a length of time in words.
func span(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }

// moment is a time in words.
func moment(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
