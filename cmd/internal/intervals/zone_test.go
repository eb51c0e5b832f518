package intervals

import (
	"strings"
	"testing"
	"time"
)

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := ParseZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestClock reads labels in order with one clock each; "" stands for a refusal.
func TestClock(t *testing.T) {
	for _, c := range []struct {
		name, zone string
		labels     [][2]string // label, instant
	}{
		{"with offsets no zone matters", "Australia/Sydney", [][2]string{
			{"2013-10-06T02:00:00+10:00", "2013-10-05T16:00:00Z"},
			{"2013-10-06 03:00:00+11:00", ""}, // the same instant
			{"2010-12-29 14:15:00+0000", "2010-12-29T14:15:00Z"},
			{"2010-12-29T14:30Z", "2010-12-29T14:30:00Z"},
			{"2010-12-29T14:30:00.250Z", "2010-12-29T14:30:00.25Z"},
		}},
		{"plain times once each", "Australia/Sydney", [][2]string{
			{"2013-09-09 00:00:00", "2013-09-08T14:00:00Z"},
			{"2013-09-09 00:30", "2013-09-08T14:30:00Z"},
			{"2013-09-09 00:00:00", ""},
			{"2013-09-09T00:30:00", ""},
		}},
		{"clocks go back, rows sorted by label", "Australia/Sydney", [][2]string{
			{"2013-04-07 01:30:00", "2013-04-06T14:30:00Z"},
			{"2013-04-07 02:00:00", "2013-04-06T15:00:00Z"},
			{"2013-04-07 02:00:00", "2013-04-06T16:00:00Z"},
			{"2013-04-07 02:30:00", "2013-04-06T15:30:00Z"},
			{"2013-04-07 02:30:00", "2013-04-06T16:30:00Z"},
			{"2013-04-07 03:00:00", "2013-04-06T17:00:00Z"},
			{"2013-04-07 02:30:00", ""},
		}},
		{"clocks go back, rows in order of time", "Europe/Berlin", [][2]string{
			{"2023-10-29 02:00:00", "2023-10-29T00:00:00Z"},
			{"2023-10-29 02:30:00", "2023-10-29T00:30:00Z"},
			{"2023-10-29 02:00:00", "2023-10-29T01:00:00Z"},
			{"2023-10-29 02:30:00", "2023-10-29T01:30:00Z"},
			{"2023-10-29 02:00:00", ""},
		}},
		{"clocks go forward over labels that are there all the same", "Australia/Sydney", [][2]string{
			{"2013-10-06 01:30:00", "2013-10-05T15:30:00Z"},
			{"2013-10-06 02:00:00", "2013-10-05T16:00:00Z"},
			{"2013-10-06 02:00:00", "2013-10-05T16:00:00Z"},
			{"2013-10-06 02:00:00", ""},
			{"2013-10-06 02:30:00", "2013-10-05T16:30:00Z"},
			{"2013-10-06 03:00:00", "2013-10-05T16:00:00Z"},
			{"2013-10-06 03:00:00", ""},
			{"2013-10-06 04:00:00", "2013-10-05T17:00:00Z"},
		}},
		{"a change by half an hour", "Australia/Lord_Howe", [][2]string{
			{"2013-04-07 01:45:00", "2013-04-06T14:45:00Z"},
			{"2013-04-07 01:45:00", "2013-04-06T15:15:00Z"},
			{"2013-10-06 02:15:00", "2013-10-05T15:45:00Z"},
		}},
		{"a day that an island skipped", "Pacific/Apia", [][2]string{
			{"2011-12-29 23:00:00", "2011-12-30T09:00:00Z"},
			{"2011-12-30 12:00:00", "2011-12-30T22:00:00Z"},
			{"2011-12-31 00:00:00", "2011-12-30T10:00:00Z"},
		}},
		{"a fixed offset", "+10:00", [][2]string{
			{"2013-10-06 02:00:00", "2013-10-05T16:00:00Z"},
			{"2013-10-06 02:00:00", ""},
		}},
		{"what is not a time", "UTC", [][2]string{
			{"", ""},
			{"06/10/2013 02:00", ""},
			{"2013-13-01 00:00:00", ""},
			{"2013-02-29 00:00:00", ""},
			{"1969-12-31 23:59:59", ""},
			{"9999-01-01 00:00:00", ""},
			{"2013-10-06", ""},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newClock(mustZone(t, c.zone))
			for _, label := range c.labels {
				ms, err := clock.instant(label[0])
				got := ""
				if err == nil {
					got = time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)
				}
				if got != label[1] {
					t.Errorf("%s is %q (%v), want %q", label[0], got, err, label[1])
				}
			}
		})
	}
}

func TestParseZone(t *testing.T) {
	for _, bad := range []string{"", "Local", "Australia/Atlantis", "+25", "10:00", "+10:61"} {
		if _, err := ParseZone(bad); err == nil {
			t.Errorf("the zone %q was accepted", bad)
		}
	}
	at, err := ParseTime("2022-01-01 00:00", mustZone(t, "-05:30"))
	if err != nil || !at.Equal(time.Date(2022, 1, 1, 5, 30, 0, 0, time.UTC)) {
		t.Errorf("the time is %v, %v", at, err)
	}
	if _, err := ParseTime("2022-01-01 00:00", nil); err == nil || !strings.Contains(err.Error(), "--tz") {
		t.Errorf("without a zone: %v, want an error that names --tz", err)
	}
}
