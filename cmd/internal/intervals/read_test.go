package intervals

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Read reads a CSV file as those who import this package do, and returns its points.
func Read(input io.Reader, o Options) ([]Point, Summary, error) {
	c, err := NewCollector(o)
	if err != nil {
		return nil, Summary{}, err
	}
	if err := c.CSV(input); err != nil {
		return nil, c.summary, err
	}
	f, err := c.Finish()
	if err != nil {
		return nil, f.Summary, err
	}
	points, err := f.Points(c.options.Decimals)
	return points, f.Summary, err
}

// shown writes points as "meter time register" in UTC, one a line.
func shown(points []Point) string {
	var text strings.Builder
	for _, p := range points {
		fmt.Fprintf(&text, "%s %s %d\n", p.Meter, time.UnixMilli(p.MeasuredAt).UTC().Format("01-02T15:04:05"), p.Register)
	}
	return text.String()
}

// lines takes the indentation off a literal.
func lines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

func TestRead(t *testing.T) {
	sydney, utc := mustZone(t, "Australia/Sydney"), time.UTC
	for _, c := range []struct {
		name    string
		options Options
		input   string
		want    string
		errors  []string // parts of the line errors, in order
	}{
		{
			name:    "the example of the package doc, long",
			options: Options{TZ: utc},
			input: `customer,from,kwh
				17,2013-10-05 00:00:00,0.056
				17,2013-10-05 00:30:00,0.052`,
			want: `m-17 10-05T00:00:00 0
				m-17 10-05T00:30:00 56
				m-17 10-05T01:00:00 108`,
		},
		{
			name:    "the example of the package doc, wide",
			options: Options{TZ: utc},
			input: `from,B01,B02
				2022-01-01 00:00,2.2758,1e-07
				2022-01-01 01:00,0.85116667,0.5`,
			want: `b01 01-01T00:00:00 0
				b02 01-01T00:00:00 0
				b01 01-01T01:00:00 2275
				b02 01-01T01:00:00 0
				b01 01-01T02:00:00 3126
				b02 01-01T02:00:00 500`,
		},
		{
			name:    "what is below a watt-hour is carried on",
			options: Options{TZ: utc},
			input: `meter,time,kwh
				a,2022-01-01 00:00,0.0004
				a,2022-01-01 00:30,0.0004
				a,2022-01-01 01:00,0.0004
				a,2022-01-01 01:30,8e-04`,
			want: `a 01-01T00:00:00 0
				a 01-01T00:30:00 0
				a 01-01T01:00:00 0
				a 01-01T01:30:00 1
				a 01-01T02:00:00 2`,
		},
		{
			name:    "watts over a quarter of an hour",
			options: Options{Unit: W},
			input: `timestamp,inverter
				2022-01-01T00:00:00Z,1000
				2022-01-01T00:15:00Z,1
				2022-01-01T00:30:00Z,3`,
			want: `inverter 01-01T00:00:00 0
				inverter 01-01T00:15:00 250
				inverter 01-01T00:30:00 250
				inverter 01-01T00:45:00 251`,
		},
		{
			name:    "watt-hours into a register of whole kilowatt-hours",
			options: Options{TZ: utc, Unit: Wh, Decimals: WholeUnits},
			input: `meter,time,wh
				a,2022-01-01 00:00,900
				a,2022-01-01 00:30,200`,
			want: `a 01-01T00:00:00 0
				a 01-01T00:30:00 0
				a 01-01T01:00:00 1`,
		},
		{
			name:    "no times but a start and an interval",
			options: Options{Start: time.Date(2022, 6, 1, 0, 0, 0, 0, utc), Interval: time.Hour, MeterColumns: []string{"B*"}},
			input: `row,month,hour,B01,B02,note
				0,6,1,1,0.5,x
				1,6,2,,0.5,x
				2,6,3,1,0.5,x`,
			want: `b01 06-01T00:00:00 0
				b02 06-01T00:00:00 0
				b01 06-01T01:00:00 1000
				b02 06-01T01:00:00 500
				b02 06-01T02:00:00 1000
				b01 06-01T03:00:00 2000
				b02 06-01T03:00:00 1500`,
		},
		{
			name:    "columns of the calendar and of words are no meters",
			options: Options{Start: time.Date(2022, 6, 1, 0, 0, 0, 0, utc), Interval: time.Hour},
			input: `row,month,hour,B01,outlier
				0,6,1,1,FALSE`,
			want: `b01 06-01T00:00:00 0
				b01 06-01T01:00:00 1000`,
		},
		{
			name:    "gaps and an unordered file",
			options: Options{TZ: utc, Interval: 30 * time.Minute},
			input: `meter,time,kwh
				a,2022-01-01 03:00,3
				a,2022-01-01 00:00,1
				a,2022-01-01 00:30,
				a,2022-01-01 01:00,1`,
			want: `a 01-01T00:00:00 0
				a 01-01T00:30:00 1000
				a 01-01T01:30:00 2000
				a 01-01T03:30:00 5000`,
		},
		{
			name:    "clocks go forward, labels come twice, nothing is lost",
			options: Options{TZ: sydney},
			input: `customer_id,reading_datetime,general_supply_kwh,controlled_load_kwh
				1,2013-10-06 01:00:00,0.1,9
				1,2013-10-06 01:30:00,0.1,9
				1,2013-10-06 02:00:00,1.372,9
				1,2013-10-06 02:00:00,0.552,9
				1,2013-10-06 02:30:00,1.454,9
				1,2013-10-06 02:30:00,0.296,9
				1,2013-10-06 04:00:00,0.132,9`,
			want: `m-1 10-05T15:00:00 0
				m-1 10-05T15:30:00 100
				m-1 10-05T16:00:00 200
				m-1 10-05T16:15:00 1572
				m-1 10-05T16:30:00 2124
				m-1 10-05T16:45:00 3578
				m-1 10-05T17:00:00 3874
				m-1 10-05T17:30:00 4006`,
		},
		{
			name:    "clocks go back, the second label is the later hour",
			options: Options{TZ: sydney},
			input: `customer_id,reading_datetime,kwh
				1,2013-04-07 01:30:00,1
				1,2013-04-07 02:00:00,2
				1,2013-04-07 02:00:00,4
				1,2013-04-07 02:30:00,3
				1,2013-04-07 02:30:00,5
				1,2013-04-07 03:00:00,6`,
			want: `m-1 04-06T14:30:00 0
				m-1 04-06T15:00:00 1000
				m-1 04-06T15:30:00 3000
				m-1 04-06T16:00:00 6000
				m-1 04-06T16:30:00 10000
				m-1 04-06T17:00:00 15000
				m-1 04-06T17:30:00 21000`,
		},
		{
			name:    "bad rows are skipped and named",
			options: Options{TZ: utc, Interval: 30 * time.Minute},
			input: `meter,time,kwh
				a,2022-01-01 00:00,1
				a,2022-01-01 00:30,-0.5
				a,2022-01-01 01:00,much
				a,2022-01-01 00:00,7
				a,yesterday,1
				a,2022-01-01 01:30
				,2022-01-01 01:30,1
				` + strings.Repeat("x", 65) + `,2022-01-01 01:30,1
				a,2022-01-01 01:30,99999999999999999999
				a,2022-01-01 01:30,9999999999999999999e3
				a,2022-01-01 02:00,2`,
			want: `a 01-01T00:00:00 0
				a 01-01T00:30:00 1000
				a 01-01T02:30:00 3000`,
			errors: []string{
				`line 3, meter "a": value "-0.5": negative`, `line 4, meter "a": value "much": not a decimal`,
				`line 5, meter "a": time "2022-01-01 00:00": another row`, `line 6, meter "a": time "yesterday": not a time`,
				`line 7: 2 fields`, `line 8: unusable meter name`, `line 9: unusable meter name`,
				`line 10, meter "a": value "99999999999999999999": more digits`,
				`line 11, meter "a": time "2022-01-01 01:30": another row`,
			},
		},
		{
			name:    "a value too large for the register",
			options: Options{TZ: utc, Interval: time.Hour},
			input: `meter,time,kwh
				a,2022-01-01 00:00,1
				a,2022-01-01 01:00,9e18
				a,2022-01-01 02:00,1`,
			want: `a 01-01T00:00:00 0
				a 01-01T01:00:00 1000
				a 01-01T03:00:00 2000`,
			errors: []string{`line 3, meter "a": the register would exceed 64 bits`},
		},
		{
			name:    "a meter without a usable row is none",
			options: Options{TZ: utc, Interval: time.Hour},
			input: `time,A,B
				2022-01-01 00:00,1,
				2022-01-01 01:00,1,-1`,
			want: `a 01-01T00:00:00 0
				a 01-01T01:00:00 1000
				a 01-01T02:00:00 2000`,
			errors: []string{`line 3, meter "B": value "-1": negative`},
		},
		{
			name:    "the limits take the first meters and rows",
			options: Options{TZ: utc, Interval: time.Hour, Limit: Limit{Meters: 2, RowsPerMeter: 1}},
			input: `meter,time,kwh
				a,2022-01-01 00:00,1
				b,2022-01-01 00:00,2
				c,2022-01-01 00:00,3
				a,2022-01-01 01:00,4`,
			want: `a 01-01T00:00:00 0
				b 01-01T00:00:00 0
				a 01-01T01:00:00 1000
				b 01-01T01:00:00 2000`,
		},
		{
			name:    "byte order mark, CRLF and quotes",
			options: Options{TZ: utc, Interval: time.Hour, MeterColumn: "Meter, No.", TimeColumn: "When", ValueColumn: "Sum"},
			input:   "\xef\xbb\xbf\"Meter, No.\",When,Sum\r\n\"A 1\",2022-01-01 00:00:00,\"0.5\"\r\n",
			want: `a-1 01-01T00:00:00 0
				a-1 01-01T01:00:00 500`,
		},
		{
			name:    "rows closer together than the interval is long",
			options: Options{TZ: sydney, Interval: time.Hour},
			input: `meter,time,kwh
				a,2013-10-06 01:30:00,1
				a,2013-10-06 02:00:00,1
				a,2013-10-06 02:00:00,1`,
			want: `a 10-05T15:30:00 0
				a 10-05T16:30:00 1000
				a 10-05T16:45:00 2000
				a 10-05T17:00:00 3000`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			input := c.input
			if !strings.Contains(input, "\r") {
				input = lines(input)
			}
			points, summary, err := Read(strings.NewReader(input), c.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(points); got != lines(c.want) {
				t.Errorf("got\n%swant\n%s", got, lines(c.want))
			}
			if summary.Skipped != len(c.errors) || len(summary.Errors) != len(c.errors) {
				t.Errorf("%d skipped, want %d: %v", summary.Skipped, len(c.errors), summary.Errors)
			}
			for i := range min(len(c.errors), len(summary.Errors)) {
				if got := summary.Errors[i].Error(); !strings.HasPrefix(got, c.errors[i]) {
					t.Errorf("error %d is %q, want it to begin with %q", i, got, c.errors[i])
				}
			}
			// A strict reading of the same ends at the first of these errors.
			c.options.Strict = true
			_, _, err = Read(strings.NewReader(input), c.options)
			var line LineError
			if errors.As(err, &line) != (len(c.errors) > 0) || err == nil != (len(c.errors) == 0) {
				t.Errorf("the strict reading ended with %v", err)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	start := time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)
	long := "meter,time,kwh\na,2022-01-01 00:00,1\na,2022-01-01 01:00,1\n"
	for _, c := range []struct {
		name    string
		options Options
		input   string
		want    string
	}{
		{"an empty file", Options{}, "", "the file is empty"},
		{"semicolons", Options{}, "meter;time;kwh\na;2022-01-01 00:00Z;1,5\n", "semicolons between its names"},
		{"tabs", Options{}, "meter\ttime\tkwh\n", "tabs between its names"},
		{"carriage returns", Options{}, "meter,time,kwh\ra,2022-01-01 00:00Z,1\r", "carriage return alone"},
		{"a header alone", Options{}, "meter,time,kwh\n", "no value"},
		{"nothing usable", Options{TZ: time.UTC}, "meter,time,kwh\na,2022-01-01 00:00,-1\n", "negative"},
		{"only what overflows", Options{TZ: time.UTC, Interval: time.Hour}, "meter,time,kwh\na,2022-01-01 00:00,9e18\n", "64 bits"},
		{"times without a zone", Options{}, long, "--tz"},
		{"an unknown interval", Options{TZ: time.UTC}, "meter,time,kwh\na,2022-01-01 00:00,1\n", "--interval"},
		{"a broken quote", Options{TZ: time.UTC}, "meter,time,kwh\na,2022-01-01 00:00,\"1\nb", "reading the file"},
		{"two meters with one id", Options{TZ: time.UTC}, "meter,time,kwh\nA b,2022-01-01 00:00,1\na-b,2022-01-01 00:00,1\n", `"A b" and "a-b" would both become "a-b"`},
		{"two columns with one id", Options{Start: start, Interval: time.Hour}, "B 1,b-1\n1,2\n", `"B 1" and "b-1" would both`},
		{"a column twice", Options{Start: start, Interval: time.Hour}, "B1,B1\n1,2\n", `"B1" twice`},
		{"a meter column that is not there", Options{MeterColumn: "nmi"}, long, `no meter column "nmi"`},
		{"a value column that is not there", Options{ValueColumn: "mwh"}, long, `no value column "mwh"`},
		{"no value column to be seen", Options{Unit: W}, long, "--value-column"},
		{"no time column to be seen", Options{}, "meter,when,kwh\n", "--time-column"},
		{"no time column in a wide file", Options{}, "row,B01\n0,1\n", "--start, --interval"},
		{"a pattern without a column", Options{Start: start, Interval: time.Hour, MeterColumns: []string{"C*"}}, "row,B01\n0,1\n", `no meter column "C*"`},
		{"a broken pattern", Options{Start: start, Interval: time.Hour, MeterColumns: []string{"[B"}}, "row,B01\n0,1\n", "pattern"},
		{"no column of numbers", Options{Start: start, Interval: time.Hour}, "row,B01\n0,yes\n", "--meter-columns"},
		{"a start for a long file", Options{Layout: Long, Start: start, Interval: time.Hour}, long, "rows need times"},
		{"meter columns for a long file", Options{Layout: Long, MeterColumns: []string{"a"}}, long, "one meter column"},
		{"a value column for a wide file", Options{Layout: Wide, ValueColumn: "kwh"}, long, "want meter columns"},
		{"a start without an interval", Options{Start: start}, long, "without an interval"},
		{"a start and a time column", Options{Start: start, Interval: time.Hour, TimeColumn: "time"}, long, "one of them"},
		{"an unknown unit", Options{Unit: "gwh"}, long, "unknown unit"},
		{"an unknown layout", Options{Layout: "tall"}, long, "unknown layout"},
		{"too many decimals", Options{Decimals: 10}, long, "decimals"},
		{"an interval too short", Options{Interval: time.Millisecond}, long, "an interval of"},
		{"an interval too long", Options{Interval: MaxInterval + time.Second}, long, "an interval of"},
		{"an interval between milliseconds", Options{Interval: time.Second + time.Nanosecond}, long, "whole milliseconds"},
		{"a negative limit", Options{Limit: Limit{Meters: -1}}, long, "negative"},
		{"a start before 1970", Options{Start: start.AddDate(-100, 0, 0), Interval: time.Hour}, long, "1970"},
		{"a line above the limit", Options{TZ: time.UTC}, long + strings.Repeat("x", MaxLineBytes+1), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			points, _, err := Read(strings.NewReader(c.input), c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v and %d points, want an error with %q", err, len(points), c.want)
			}
		})
	}
}

func TestLimitsAreReached(t *testing.T) {
	var many strings.Builder
	many.WriteString("meter,time,kwh\n")
	for i := range MaxMeters {
		fmt.Fprintf(&many, "m%d,2022-01-01 00:00,1\n", i)
	}
	options := Options{TZ: time.UTC, Interval: time.Hour}
	if _, summary, err := Read(strings.NewReader(many.String()), options); err != nil || len(summary.Meters) != MaxMeters {
		t.Errorf("at the limit of meters: %d, %v", len(summary.Meters), err)
	}
	many.WriteString("another,2022-01-01 00:00,1\n")
	if _, _, err := Read(strings.NewReader(many.String()), options); err == nil {
		t.Error("one meter above the limit was taken")
	}

	bad := "meter,time,kwh\na,2022-01-01 00:00,1\n" + strings.Repeat("a,2022-01-01 00:00,1\n", MaxLineErrors+5)
	_, summary, err := Read(strings.NewReader(bad), options)
	if err != nil || summary.Skipped != MaxLineErrors+5 || len(summary.Errors) != MaxLineErrors {
		t.Errorf("%d skipped, %d named: %v", summary.Skipped, len(summary.Errors), err)
	}

	// A gigabyte is not read here; the count starts shortly before it, and goes on from
	// one part of an archive to the next.
	c := &Collector{read: MaxBytes - 10}
	if n, err := c.Lines(strings.NewReader("12345")).Read(make([]byte, 9)); n != 5 || err != nil {
		t.Errorf("below the limit of bytes: %d, %v", n, err)
	}
	end := c.Records(strings.NewReader("12345\n"))
	if n, err := end.Read(make([]byte, 5)); n != 5 || err != nil {
		t.Errorf("at the limit of bytes: %d, %v", n, err)
	}
	if _, err := end.Read(make([]byte, 5)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("above the limit of bytes: %v", err)
	}
}

// TestRecordsAreCounted counts rows without a value too, whose times are remembered.
func TestRecordsAreCounted(t *testing.T) {
	c, err := NewCollector(Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.records = MaxRows - 1
	text := "meter,time,kwh\na,2022-01-01 00:00Z,\n"
	if err := c.CSV(strings.NewReader(text)); err != nil {
		t.Errorf("the last record: %v", err)
	}
	if err := c.CSV(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "line 2: more than the 8388608 records") {
		t.Errorf("one record more: %v", err)
	}
	for i := range MaxMeters {
		if err := c.Ignore(fmt.Sprint(i), "var", 1); err != nil {
			t.Fatal(err)
		}
	}
	if c.Ignore("1", "var", 1) != nil || c.Ignore("more", "var", 1) == nil {
		t.Error("the limit of channels without energy is not where it should be")
	}
}

// TestRecordsOverLines lets a quoted field go over the ends of lines, up to the limit of
// a record, however the file is read.
func TestRecordsOverLines(t *testing.T) {
	row := func(size int) string { return "\"a\"\"\",b\n\"" + strings.Repeat("x\n", size/2) + "\"\n1,2\n" }
	for size, fits := range map[int]bool{MaxLineBytes - 4: true, MaxLineBytes + 2: false} {
		for _, chunk := range []int{1, 7, 4096} {
			c := &Collector{}
			text := row(size) + "\"\n" // ends within quotes
			_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{c.Records(strings.NewReader(text))}, make([]byte, chunk))
			if (err == nil) != fits || !fits && !strings.Contains(err.Error(), "a record is longer than") {
				t.Errorf("%d bytes read %d at a time: %v", size, chunk, err)
			}
		}
	}
}

// TestManyQualityWords takes a file in which every value has another word: without an
// index of words its time grows with the square of its rows.
func TestManyQualityWords(t *testing.T) {
	m := &Channel{}
	for i := range 1 << 17 {
		if got, want := m.word(fmt.Sprintf("w%d", i)), uint16(min(i, 1<<16-1)); got != want {
			t.Fatalf("word %d has the number %d, want %d", i, got, want)
		}
	}
	if m.word("W7") != 7 || len(m.words) != 1<<16 {
		t.Errorf("a word that is known has the number %d, of %d", m.word("W7"), len(m.words))
	}
}

func TestSummary(t *testing.T) {
	_, summary, err := Read(strings.NewReader(lines(`
		household,when,import_kwh
		Kyoto 7,2022-01-01 00:30,
		Kyoto 7,2022-01-01 00:00,1.5
		9,2022-01-01 01:00,0.25
		9,2022-01-01 01:30,0.0001
		9,2022-01-01 01:00,0.25
	`)), Options{TZ: time.UTC, TimeColumn: "when"})
	if err != nil {
		t.Fatal(err)
	}
	errs := summary.Errors
	summary.Errors = nil
	at := func(hour, minute int) int64 { return time.Date(2022, 1, 1, hour, minute, 0, 0, time.UTC).UnixMilli() }
	want := Summary{
		Layout: Long, MeterColumn: "household", TimeColumn: "when", ValueColumns: []string{"import_kwh"},
		Interval: 30 * time.Minute,
		From:     at(0, 0),
		To:       at(2, 0),
		Meters: []Meter{
			{ID: "kyoto-7", Name: "Kyoto 7", Rows: 1, From: at(0, 0), To: at(0, 30), KWh: "1.5", Total: 1500, PeakW: 3000},
			{ID: "m-9", Name: "9", Rows: 2, From: at(1, 0), To: at(2, 0), KWh: "0.2501", Total: 250, PeakW: 500},
		},
		Rows: 3, Empty: 1, Skipped: 1,
	}
	if !reflect.DeepEqual(summary, want) {
		t.Errorf("got\n%+v\nwant\n%+v", summary, want)
	}
	if len(errs) != 1 || errs[0].Line != 6 || errs[0].Meter != "9" {
		t.Errorf("errors %v", errs)
	}
}

func TestAverageW(t *testing.T) {
	hour := time.Hour.Milliseconds()
	for _, c := range []struct {
		delta    uint64
		ms       int64
		decimals int
		want     uint64
	}{
		{1000, hour, 3, 1000},
		{1, hour, 0, 1000},
		{1, hour / 2, 3, 2},
		{1, 24 * hour, 3, 1},
		{1_000_000_000, hour, 9, 1000},
		{100_000_000, hour, 8, 1000},
		{0, hour, 3, 0},
		{1 << 63, 1, 0, 1<<64 - 1},
		{1 << 63, 200 * 365 * 24 * hour, 9, 5264482},
	} {
		if got := averageW(c.ms, c.delta, c.decimals); got != c.want {
			t.Errorf("%d units of 10^-%d kWh in %d ms: %d W, want %d", c.delta, c.decimals, c.ms, got, c.want)
		}
	}
}

func TestMeterID(t *testing.T) {
	for name, want := range map[string]string{
		"B01":                   "b01",
		"10006414":              "m-10006414",
		" a/b c ":               "a-b-c",
		"_x.y-z":                "m-_x.y-z",
		"Zähler":                "z-hler",
		"\xff":                  "m--",
		strings.Repeat("a", 64): strings.Repeat("a", 64),
	} {
		if got, err := MeterID(name); got != want || err != nil {
			t.Errorf("MeterID(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", " ", strings.Repeat("a", 65), strings.Repeat("1", 63)} {
		if got, err := MeterID(name); err == nil {
			t.Errorf("MeterID(%q) = %q, want an error", name, got)
		}
	}
}

// TestSeries looks at one meter in more than one resolution, with a gap, and moved
// in time.
func TestSeries(t *testing.T) {
	c, err := NewCollector(Options{TZ: time.UTC, Unit: Wh, QualityColumn: "flag", ExportColumn: "out"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CSV(strings.NewReader(lines(`
		meter,time,wh,out,flag
		a,2022-01-01 00:00,1500,,Good
		a,2022-01-01 00:30,0.5,,Good
		a,2022-01-01 01:30,1,0.25,S14 (late)
	`))); err != nil {
		t.Fatal(err)
	}
	file, err := c.Finish()
	if err != nil || len(file.Series) != 2 {
		t.Fatal(err, len(file.Series))
	}
	minutes := func(points []Point) (said []string) {
		base := time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		for _, p := range points {
			said = append(said, fmt.Sprintf("%d-%d %d %s", (p.Since-base)/60_000, (p.MeasuredAt-base)/60_000, p.Register, p.Quality))
		}
		return said
	}
	for decimals, want := range map[int][]string{
		3:  {"0-0 0 good", "0-30 1500 good", "30-60 1500 good", "90-120 1501 s14--late-"},
		4:  {"0-0 0 good", "0-30 15000 good", "30-60 15005 good", "90-120 15015 s14--late-"},
		0:  {"0-0 0 good", "0-30 1 good", "30-60 1 good", "90-120 1 s14--late-"},
		-3: {"0-0 0 good", "0-30 0 good", "30-60 0 good", "90-120 0 s14--late-"},
	} {
		points, err := file.Series[0].Points(decimals)
		if got := minutes(points); err != nil || !slices.Equal(got, want) {
			t.Errorf("with %d decimals: %v %q, want %q", decimals, err, got, want)
		}
	}
	if _, err := file.Series[0].Points(18); err != nil {
		t.Error(err)
	}
	if _, err := file.Series[0].Points(19); err == nil {
		t.Error("19 decimals were taken")
	}
	m, out := file.Summary.Meters[0], file.Summary.Meters[1]
	if m.KWh != "1.5015" || m.GapCount != 1 || m.Missing != 30*time.Minute || m.Gaps[0].To-m.Gaps[0].From != 1_800_000 || m.Qualities["good"] != 2 || m.Direction != Import {
		t.Errorf("the summary says %+v", m)
	}
	if out.ID != "a-export" || out.KWh != "0.00025" || out.Direction != Export || out.Rows != 1 {
		t.Errorf("the summary says %+v", out)
	}
	before := file.Summary.To
	file.Shift(60_000)
	points, err := file.Points(3)
	if err != nil || points[0].MeasuredAt != file.Summary.From || file.Summary.To != before+60_000 || file.Summary.Meters[0].To != before+60_000 ||
		file.Summary.Meters[0].Gaps[0].To-file.Summary.Meters[0].From != 90*60_000 {
		t.Errorf("moved by a minute: %v, %+v", err, file.Summary)
	}
}

// TestExact writes sums as people read them.
func TestExact(t *testing.T) {
	for want, r := range map[string]*big.Rat{
		"0": new(big.Rat), "0.25": big.NewRat(1, 4), "17": big.NewRat(17, 1), "0.333333333333…": big.NewRat(1, 3), "0.5…": new(big.Rat).Add(big.NewRat(1, 2), big.NewRat(1, 3_000_000_000_000_000)),
	} {
		if got := exact(r); got != want {
			t.Errorf("%s is written %q, want %q", r, got, want)
		}
	}
}

func TestQualityWord(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " ": "", "A": "a", "F14/76": "f14-76", "8": "q-8", "Zähler": "z-hler", "valid": "valid",
		strings.Repeat("9", 40): "q-" + strings.Repeat("9", 30),
	} {
		if got := QualityWord(text); got != want {
			t.Errorf("QualityWord(%q) = %q, want %q", text, got, want)
		}
	}
}
