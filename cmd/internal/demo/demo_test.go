package demo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// quiet is progress that nobody watches.
type quiet struct{ t *testing.T }

func (q quiet) Say(format string, args ...any) { q.t.Logf(format, args...) }
func (q quiet) Show(string)                    {}

// verifyHere does in this process what the demo leaves to a child.
func verifyHere(policy, dir string) (int, error) {
	text, err := os.ReadFile(policy)
	if err != nil {
		return 0, err
	}
	p, err := proof.ParsePolicy(text)
	if err != nil {
		return 0, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tlog-proof"))
	if err != nil {
		return 0, err
	}
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return i, err
		}
		if _, err := proof.VerifyProof(p, data); err != nil {
			return i, err
		}
	}
	return len(files), nil
}

// The whole story once, as short as it gets.
func TestDemoHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("runs three nodes")
	}
	dir := t.TempDir()
	s, err := Run(context.Background(), Config{
		Dir: dir, For: 3 * time.Second, Households: 4, PV: 2, Seed: 3, Verify: verifyHere, Progress: quiet{t},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Clean() {
		t.Errorf("not everything held: %+v", s)
	}
	if s.Readings.Accepted != s.Readings.Settled+s.Readings.Baselines+s.Readings.Rejected+s.Readings.Unsettled {
		t.Errorf("readings do not add up: %+v", s.Readings)
	}
	if s.Releases != s.Settlements {
		t.Errorf("%d of %d settlements were released", s.Releases, s.Settlements)
	}
	if _, err := Run(context.Background(), Config{Dir: dir, For: 3 * time.Second, PV: 1, Progress: quiet{t}}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a second run in the same directory: %v", err)
	}
}

func TestFilesBecomeMeters(t *testing.T) {
	var b strings.Builder
	b.WriteString("time,a,b\n")
	for i := range 8 {
		b.WriteString(time.Date(2024, 1, 1, i, 0, 0, 0, time.UTC).Format(time.RFC3339) + ",0.5,1.25\n")
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c, err := intervals.NewCollector(intervals.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CSV(strings.NewReader(b.String())); err != nil {
		t.Fatal(err)
	}
	file, err := c.Finish()
	if err != nil {
		t.Fatal(err)
	}
	meters, err := Config{For: time.Minute, Input: &file}.meters(now)
	if err != nil {
		t.Fatal(err)
	}
	if len(meters) != 2 || len(meters[0].points) != 9 {
		t.Fatalf("%d meters", len(meters))
	}
	if newest := meters[0].points[8].MeasuredAt; newest != now.UnixMilli() {
		t.Errorf("newest reading at %d, want now", newest)
	}
	lie := meters[0].lie
	if lie == nil || lie.Point.Register-meters[0].points[meters[0].lieAt-1].Register != 40*meters[0].capacity {
		t.Errorf("the implausible reading: %+v", lie)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"too short":      {For: time.Second, PV: 1},
		"too long":       {For: 2 * time.Hour, PV: 1},
		"no meters":      {For: time.Minute},
		"too many":       {For: time.Minute, PV: MaxMeters + 1},
		"fewer than":     {For: time.Minute, PV: -1},
		"many in a file": {For: time.Minute, Input: &intervals.File{Series: make([]intervals.Series, MaxMeters+1)}},
	} {
		if _, err := Run(context.Background(), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNightsAreFound(t *testing.T) {
	// Whatever the hour at which the demo starts, a day of readings has a night.
	for hour := range 24 {
		now := time.Date(2026, 6, 21, hour, 10, 0, 0, time.UTC)
		meters, err := Config{For: 20 * time.Second, PV: 1, Seed: 1}.meters(now)
		if err != nil {
			t.Fatal(err)
		}
		if meters[0].lie == nil || !strings.Contains(meters[0].lie.Reason, "sun is down") {
			t.Errorf("starting at %d:10, no plant feeds in at night", hour)
		}
	}
}
