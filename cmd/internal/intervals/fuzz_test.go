package intervals

import (
	"bytes"
	"regexp"
	"testing"
	"time"
)

var idForm = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,63}$`)

// wellFormed checks what Read promises of any points it returns.
func wellFormed(t *testing.T, points []Point) {
	t.Helper()
	last := map[string]Point{}
	for i, point := range points {
		if !idForm.MatchString(point.Meter) {
			t.Fatalf("the meter id %q", point.Meter)
		}
		if i > 0 && point.MeasuredAt < points[i-1].MeasuredAt {
			t.Fatalf("point %d is before point %d", i, i-1)
		}
		before, known := last[point.Meter]
		switch {
		case !known && point.Register != 0:
			t.Fatalf("the baseline of %s is %d", point.Meter, point.Register)
		case known && point.MeasuredAt <= before.MeasuredAt:
			t.Fatalf("%s has two points at or before %d", point.Meter, point.MeasuredAt)
		case known && point.Register < before.Register:
			t.Fatalf("the register of %s runs backwards at %d", point.Meter, point.MeasuredAt)
		}
		last[point.Meter] = point
	}
}

// FuzzRead reads anything in any way: an error or well-formed points whose
// number and sums the summary has right.
func FuzzRead(f *testing.F) {
	sydney, err := ParseZone("Australia/Sydney")
	if err != nil {
		f.Fatal(err)
	}
	start := time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)
	ways := []Options{
		{TZ: sydney},
		{TZ: sydney, Unit: W, Interval: 15 * time.Minute, Decimals: 9},
		{Unit: Wh, Decimals: WholeUnits, Start: start, Interval: time.Hour},
		{TZ: sydney, MeterColumn: "a", TimeColumn: "b", ValueColumn: "c", Interval: time.Hour, Limit: Limit{Meters: 2, RowsPerMeter: 3}},
		{MeterColumns: []string{"B*"}, Strict: true},
	}
	for i, text := range []string{
		"customer_id,reading_datetime,general_supply_kwh\n1,2013-10-06 02:00:00,1.372\n1,2013-10-06 02:00:00,0.552\n1,2013-10-06 02:30:00,1e-07\n",
		"from,B01,B02\n2013-04-07 02:00,2.2,1\n2013-04-07 02:00,3,1\n",
		"row,B01,B02\n0,2.2,1e-07\n1,,9e18\n",
		"a,b,c\nx,2022-01-01T00:00:00Z,1\ny,2022-01-01T00:30:00Z,\"1\"\n",
		"timestamp,B\n2022-01-01T00:00:00+01:00,-1\n2022-01-01T00:00:00.001+01:00,1\n",
	} {
		f.Add([]byte(text), uint8(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, way uint8) {
		points, summary, err := Read(bytes.NewReader(text), ways[int(way)%len(ways)])
		if err != nil {
			return
		}
		wellFormed(t, points)
		if len(points) == 0 || len(points) != summary.Rows+len(summary.Meters) {
			t.Fatalf("%d points of %d rows and %d meters", len(points), summary.Rows, len(summary.Meters))
		}
		last := map[string]uint64{}
		for _, point := range points {
			last[point.Meter] = point.Register
		}
		for _, meter := range summary.Meters {
			if last[meter.ID] != meter.Total {
				t.Fatalf("the summary says %d of %s, the points %d", meter.Total, meter.ID, last[meter.ID])
			}
		}
		if points[0].MeasuredAt != summary.From || points[len(points)-1].MeasuredAt != summary.To {
			t.Fatalf("the summary reaches from %d to %d", summary.From, summary.To)
		}
	})
}
