package nem12

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// market is the time of the market: UTC+10, without daylight saving.
var market = time.FixedZone("UTC+10", 10*60*60)

const minutesOfDay = 24 * 60

// channel is what a 200 record opens.
type channel struct {
	name    string
	line    int
	wrong   error  // why nothing of it can be used
	ignored string // why it is no energy
	shift   int    // of its unit to kWh
	minutes int
	meter   *intervals.Channel
}

// open takes a 200 record: RecordIndicator, NMI, NMIConfiguration, RegisterID,
// NMISuffix, MDMDataStreamIdentifier, MeterSerialNumber, UOM, IntervalLength,
// NextScheduledReadDate.
func (f *file) open(fields []string) error {
	c := &channel{line: f.line}
	f.channel = c
	if c.wrong = c.read(fields); c.wrong != nil {
		return f.Skip(f.line, "", c.wrong)
	}
	if c.ignored != "" {
		return nil
	}
	var err error
	c.meter, err = f.Channel(c.name, direction(fields[4]))
	return err
}

func (c *channel) read(fields []string) error {
	switch {
	case len(fields) < 9:
		return fmt.Errorf("a 200 record with %d fields: want 9 or 10", len(fields))
	case fields[1] == "" || fields[4] == "":
		return errors.New("a 200 record without NMI or suffix")
	}
	c.name = fields[1] + "/" + fields[4]
	if _, err := intervals.MeterID(c.name); err != nil {
		return err
	}
	minutes, err := strconv.Atoi(fields[8])
	if err != nil || minutes < 1 || minutesOfDay%minutes != 0 {
		return fmt.Errorf("intervals of %.20q minutes: want a whole part of a day, as 5, 15 or 30", fields[8])
	}
	c.minutes = minutes
	c.shift, c.ignored = energy(fields[7])
	return nil
}

// energy is the power of ten that makes kWh of a unit, or why it is none.
func energy(unit string) (shift int, ignored string) {
	switch strings.ToLower(unit) {
	case "wh":
		return -3, ""
	case "kwh":
		return 0, ""
	case "mwh":
		return 3, ""
	case "":
		return 0, "the channel has no unit"
	}
	return 0, fmt.Sprintf("%.10s is no unit of energy", unit)
}

// direction reads the first letter of an active energy suffix, which is as seen
// from the grid, and says it as the customer would.
func direction(suffix string) intervals.Direction {
	switch suffix[0] {
	case 'A', 'B', 'C':
		return intervals.Export
	case 'D', 'E', 'F':
		return intervals.Import
	}
	return ""
}

// day is a 300 record whose 400 records are being read.
type day struct {
	line      int
	start     time.Time
	values    []string
	qualities []string // one for each value, from 400 records; nil without any
	quality   string   // of the whole day
	varies    bool
	covered   int // intervals that 400 records have covered so far
	wrong     error
}

// values takes a 300 record: RecordIndicator, IntervalDate, the values,
// QualityMethod, ReasonCode, ReasonDescription, UpdateDateTime, MSATSLoadDateTime.
func (f *file) values(fields []string) error {
	switch {
	case f.channel == nil:
		return f.Skip(f.line, "", errors.New("a 300 record before any 200 record"))
	case f.channel.wrong != nil:
		return f.Skip(f.line, "", fmt.Errorf("it belongs to the 200 record of line %d, which was refused", f.channel.line))
	}
	f.day = &day{line: f.line}
	f.day.wrong = f.day.read(fields, f.channel.minutes)
	return nil
}

func (d *day) read(fields []string, minutes int) error {
	if len(fields) < 2 {
		return errors.New("a 300 record without a date")
	}
	var err error
	if d.start, err = time.ParseInLocation("20060102", fields[1], market); err != nil || !intervals.Plausible(d.start) {
		return fmt.Errorf("the date %.20q: want one such as 20040201", fields[1])
	}
	rest, want := fields[2:], minutesOfDay/minutes
	found := 0
	for found < len(rest) && !method.MatchString(rest[found]) {
		found++
	}
	switch {
	case found != want:
		return fmt.Errorf("%d values, and a day of %d minutes each has %d", found, minutes, want)
	case found == len(rest):
		return errors.New("no quality method behind the values")
	}
	d.values = rest[:want]
	reason := ""
	if len(rest) > want+1 {
		reason = rest[want+1]
	}
	d.varies = rest[want] == "V"
	d.quality = qualityOf(rest[want], reason)
	return nil
}

// method is a quality flag, and the method of an estimate or substitute.
var method = regexp.MustCompile(`^([ANV]|[EFS][0-9]{0,2})$`)

// qualityOf is what a reading says of its value; "" for a value that there is not.
func qualityOf(method, reason string) string {
	word := map[byte]string{'A': "actual", 'E': "estimated", 'F': "final-substitute", 'S': "substitute", 'V': "varies", 'N': ""}[method[0]]
	if word == "" {
		return ""
	}
	for _, part := range []string{method[1:], reason} {
		if part != "" {
			word += "." + part
		}
	}
	return word
}

// quality takes a 400 record: RecordIndicator, StartInterval, EndInterval,
// QualityMethod, ReasonCode, ReasonDescription.
func (f *file) quality(fields []string) error {
	if f.day == nil {
		if f.version == nem12 && f.channel != nil && f.channel.wrong != nil {
			return nil //nolint:nilerr // it was refused with its channel
		}
		return f.Skip(f.line, "", errors.New("a 400 record without a 300 record before it"))
	}
	if f.day.wrong == nil {
		f.day.wrong = f.day.apply(fields)
		if f.day.wrong != nil {
			f.day.wrong = fmt.Errorf("its 400 record of line %d: %w", f.line, f.day.wrong)
		}
	}
	return nil
}

func (d *day) apply(fields []string) error {
	if len(fields) < 4 {
		return fmt.Errorf("%d fields, want 4 at least", len(fields))
	}
	from, err := strconv.Atoi(fields[1])
	to, err2 := strconv.Atoi(fields[2])
	switch {
	case err != nil || err2 != nil || from < 1 || to < from:
		return fmt.Errorf("intervals %.10q to %.10q", fields[1], fields[2])
	case to > len(d.values):
		return fmt.Errorf("it reaches to interval %d of a day that has %d", to, len(d.values))
	case from != d.covered+1:
		return fmt.Errorf("it begins at interval %d where %d comes next", from, d.covered+1)
	case fields[3] == "V" || !method.MatchString(fields[3]):
		return fmt.Errorf("the quality method %.10q", fields[3])
	}
	reason := ""
	if len(fields) > 4 {
		reason = fields[4]
	}
	for range to - from + 1 {
		d.qualities = append(d.qualities, qualityOf(fields[3], reason))
	}
	d.covered = to
	return nil
}

// calendarDay is a day of a channel, by the unix ms of its midnight.
type calendarDay struct {
	channel  string
	midnight int64
}

// finishDay hands the values of a day on, once all about it was read.
func (f *file) finishDay() error {
	d, c := f.day, f.channel
	f.day = nil
	if d == nil {
		return nil
	}
	if d.wrong == nil && (d.varies || d.covered > 0) && d.covered != len(d.values) {
		d.wrong = fmt.Errorf("its 400 records cover %d of %d intervals", d.covered, len(d.values))
	}
	if err := f.Record(d.line); err != nil {
		return err
	}
	if key := (calendarDay{c.name, d.start.UnixMilli()}); d.wrong == nil {
		if first := f.days[key]; first > 0 {
			d.wrong = fmt.Errorf("the channel has this day in line %d already", first)
		} else {
			f.days[key] = d.line
		}
	}
	if d.wrong != nil {
		return f.Skip(d.line, c.name, d.wrong)
	}
	if c.ignored != "" {
		return f.Ignore(c.name, c.ignored, len(d.values))
	}
	return f.hand(d)
}

func (f *file) hand(d *day) error {
	length := int64(f.channel.minutes) * time.Minute.Milliseconds()
	for i, text := range d.values {
		quality := d.quality
		if d.qualities != nil {
			quality = d.qualities[i]
		}
		if quality == "" {
			f.Empty(1)
			continue
		}
		if err := f.Add(f.channel.meter, intervals.Value{
			Line: d.line, Start: d.start.UnixMilli() + int64(i)*length, Length: length,
			Text: text, Shift: f.channel.shift, Quality: quality,
		}); err != nil {
			return err
		}
	}
	return nil
}
