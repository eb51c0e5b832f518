package households

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func generate(t *testing.T, seed uint64, config Config) []Series {
	t.Helper()
	all, err := Generate(seed, config)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// zone is that of the places below, as far as the tests are concerned.
var zone = time.FixedZone("", 10*60*60)

// daily returns the energy of each whole day of a series in Wh. The series
// must begin at local midnight.
func daily(s Series, perDay int) []uint64 {
	var days []uint64
	for i := perDay; i < len(s.Points); i += perDay {
		days = append(days, s.Points[i].Register-s.Points[i-perDay].Register)
	}
	return days
}

// digest is over everything that a series shows.
func digest(all []Series) string {
	hash := sha256.New()
	for _, s := range all {
		fmt.Fprintln(hash, s.Meter, s.Kind, s.CapacityW)
		for _, p := range s.Points {
			fmt.Fprintln(hash, p.Meter, p.MeasuredAt, p.Register)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// TestSameSeedSameBytes has the digest of a year's start written down, so that
// another processor or version of Go that computes something else is noticed.
func TestSameSeedSameBytes(t *testing.T) {
	config := Config{Households: 12, PV: 6, Start: time.Date(2024, 2, 20, 0, 0, 0, 0, zone), Count: 20 * 48, LatitudeMilli: -33_900}
	const want = "cba7098385093e395fe7ef0dc33a2523dbdb2f6dde27c9d3a2aea0073ba80da4"
	first := generate(t, 7, config)
	if got := digest(first); got != want {
		t.Errorf("the digest is %s, want %s", got, want)
	}
	if !reflect.DeepEqual(first, generate(t, 7, config)) {
		t.Error("two runs differ")
	}
	if digest(generate(t, 8, config)) == want {
		t.Error("another seed gives the same data")
	}
}

// TestIndependentOfTheRest asks for one meter and a few hours of what was asked
// for in full before: the energy must be the same.
func TestIndependentOfTheRest(t *testing.T) {
	start := time.Date(2024, 6, 1, 0, 0, 0, 0, zone)
	full := generate(t, 7, Config{Households: 3, PV: 3, Start: start, Count: 96, LatitudeMilli: 50_000})
	part := generate(t, 7, Config{Households: 1, PV: 1, Start: start.Add(9 * time.Hour), Count: 20, LatitudeMilli: 50_000})
	for i, series := range []Series{full[0], full[3]} {
		for j := 1; j < len(part[i].Points); j++ {
			whole := series.Points[18+j].Register - series.Points[18].Register
			alone := part[i].Points[j].Register - part[i].Points[0].Register
			if whole-alone+1 > 2 { // The sums start at different fractions of a Wh.
				t.Fatalf("%s from 9:00 to interval %d: %d Wh and %d Wh", series.Meter, j, whole, alone)
			}
		}
	}
}

func TestDaysAreBelievable(t *testing.T) {
	for _, place := range []struct {
		name     string
		latitude int
	}{
		{"Sydney", -33_900}, {"Berlin", 52_500}, {"Nairobi", -1_300}, {"Tromso", 69_600}, {"the pole", 90_000}, {"Hobart", -42_900},
	} {
		t.Run(place.name, func(t *testing.T) {
			for _, s := range generate(t, 42, Config{
				Households: 12, PV: 8, Start: time.Date(2023, 1, 1, 0, 0, 0, 0, zone), Count: 365 * 24, Interval: time.Hour, LatitudeMilli: place.latitude,
			}) {
				low, high := uint64(3_000), uint64(60_000)
				if s.Kind == PV {
					low, high = 0, 7*s.CapacityW
				}
				for day, energy := range daily(s, 24) {
					if energy < low || energy > high {
						t.Errorf("%s on day %d: %d Wh, want %d to %d", s.Meter, day, energy, low, high)
					}
				}
			}
		})
	}
}

// TestYearsAreBelievable looks at means, in which the noise of days is gone.
func TestYearsAreBelievable(t *testing.T) {
	all := generate(t, 1, Config{Households: 60, PV: 30, Start: time.Date(2023, 1, 1, 0, 0, 0, 0, zone), Count: 365 * 24, Interval: time.Hour, LatitudeMilli: 50_000})
	var homes, january, july, installed, winterSun, summerSun uint64
	for _, s := range all {
		days := daily(s, 24)
		for day, energy := range days {
			switch {
			case s.Kind == Household && day < 31:
				january += energy
			case s.Kind == Household && day >= 181 && day < 212:
				july += energy
			case s.Kind == PV && day < 31:
				winterSun += energy
			case s.Kind == PV && day >= 151 && day < 182:
				summerSun += energy
			}
			if s.Kind == Household {
				homes += energy
			}
		}
		if s.Kind == PV {
			installed += s.CapacityW
		}
	}
	if mean := homes / 60 / 365; mean < 8_000 || mean > 25_000 {
		t.Errorf("a household takes %d Wh on a mean day", mean)
	}
	if january <= july*11/10 {
		t.Errorf("households take %d Wh in January and %d in July, at 50 degrees north", january, july)
	}
	if ratio := float64(summerSun) / float64(winterSun); ratio < 3 || ratio > 15 {
		t.Errorf("June has %.1f times the sun of January, at 50 degrees north", ratio)
	}
	if hours := summerSun / 30 * 1000 / installed; hours < 2_500 || hours > 6_000 {
		t.Errorf("a kW feeds in %d Wh on a mean day of June", hours)
	}
}

func TestHouseholdsHaveEvenings(t *testing.T) {
	all := generate(t, 3, Config{Households: 80, Start: time.Date(2023, 3, 1, 0, 0, 0, 0, zone), Count: 28 * 48, LatitudeMilli: 45_000})
	var byHour [24]uint64
	cars := 0
	for _, s := range all {
		peak := uint64(0)
		for i := 1; i < len(s.Points); i++ {
			energy := s.Points[i].Register - s.Points[i-1].Register
			byHour[(i-1)/2%24] += energy
			peak = max(peak, energy)
			if energy > s.CapacityW/2 {
				t.Fatalf("%s takes %d Wh in half an hour, above its %d W", s.Meter, energy, s.CapacityW)
			}
		}
		if peak > 1_850 {
			cars++
		}
	}
	night, morning, evening := byHour[3], byHour[7], byHour[18]
	if morning <= night || evening <= morning {
		t.Errorf("at 3, 7 and 18 o'clock the households take %d, %d and %d Wh", night, morning, evening)
	}
	if cars < 5 || cars > 60 {
		t.Errorf("%d of 80 households take as much as one with a car", cars)
	}
}

// TestNightIsDark checks the sun's course against its textbook formula and the
// plants against the sun.
func TestNightIsDark(t *testing.T) {
	for _, latitude := range []int64{-70_000, -33_900, 0, 52_500, 66_000} {
		dark := 0
		config := Config{PV: 3, Start: time.Date(2023, 1, 1, 0, 0, 0, 0, zone), Count: 365 * 48, LatitudeMilli: int(latitude)}
		for _, s := range generate(t, 9, config) {
			for i := 1; i < len(s.Points); i++ {
				energy := s.Points[i].Register - s.Points[i-1].Register
				if s.dark(s.Points[i-1].MeasuredAt, s.Points[i].MeasuredAt) {
					dark++
					if energy != 0 {
						t.Fatalf("%s feeds in %d Wh at night, interval %d", s.Meter, energy, i)
					}
				}
			}
		}
		if dark < 3*365*48/4 {
			t.Errorf("at %d there are %d dark half-hours in a year of three plants", latitude, dark)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		latitude := rapid.Int64Range(-90_000, 90_000).Draw(t, "latitude")
		minute := rapid.Int64Range(0, 200*365*minutesPerDay).Draw(t, "minute")
		day := float64(dayOfYear(minute / minutesPerDay))
		declination := -23.44 * math.Cos(2*math.Pi*(day+10)/365) * math.Pi / 180
		hour := float64(minute%minutesPerDay-noon) / minutesPerDay * 2 * math.Pi
		phi := float64(latitude) / 1000 * math.Pi / 180
		want := math.Sin(phi)*math.Sin(declination) + math.Cos(phi)*math.Cos(declination)*math.Cos(hour)
		if got := float64(sunHeight(minute, latitude)) / million; math.Abs(got-want) > 0.006 {
			t.Fatalf("the sun stands at %.4f, want %.4f", got, want)
		}
	})
}

func TestLies(t *testing.T) {
	all := generate(t, 5, Config{Households: 1, PV: 1, Start: time.Date(2023, 1, 1, 12, 0, 0, 0, zone), Count: 48, LatitudeMilli: -33_900})
	home, plant := all[0], all[1]

	lie, found := plant.SunAtNight(0)
	if !found {
		t.Fatal("there is no night within a day")
	}
	if hour := time.UnixMilli(lie.Point.MeasuredAt).In(zone).Hour(); hour > 6 && hour < 19 {
		t.Errorf("the lie about the night is told at %d o'clock", hour)
	}
	if gain := lie.Point.Register - lie.Honest; gain != plant.CapacityW*4/5/2 {
		t.Errorf("the night has %d Wh, want four fifths of %d W for half an hour", gain, plant.CapacityW)
	}
	if lie.Point.Meter != plant.Meter || lie.Reason == "" {
		t.Errorf("the lie is about %q: %q", lie.Point.Meter, lie.Reason)
	}
	if _, found := home.SunAtNight(0); found {
		t.Error("a household feeds in at night")
	}
	if _, found := plant.SunAtNight(len(plant.Points)); found {
		t.Error("a night was found past the end")
	}

	lie, found = home.Overload(7)
	if delta := lie.Point.Register - home.Points[6].Register; !found || delta != 40*home.CapacityW/2 || lie.Honest != home.Points[7].Register {
		t.Errorf("the overload is %d Wh over a capacity of %d W", delta, home.CapacityW)
	}
	for _, i := range []int{-1, 0, len(home.Points)} {
		if _, found := home.Overload(i); found {
			t.Errorf("there is an interval that ends with point %d", i)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	good := Config{Households: 1, Start: time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1}
	if all := generate(t, 1, good); len(all) != 1 || len(all[0].Points) != 2 || all[0].Points[1].MeasuredAt-all[0].Points[0].MeasuredAt != DefaultInterval.Milliseconds() {
		t.Errorf("one meter with one interval: %+v", all)
	}
	for name, change := range map[string]func(*Config){
		"no meter":             func(c *Config) { c.Households = 0 },
		"no interval":          func(c *Config) { c.Count = 0 },
		"a negative number":    func(c *Config) { c.Households, c.PV = 2, -1 },
		"too many points":      func(c *Config) { c.Households, c.Count = 3, MaxPoints/3 },
		"far too many":         func(c *Config) { c.Households, c.PV = math.MaxInt, math.MaxInt },
		"an interval of secs":  func(c *Config) { c.Interval = 90 * time.Second },
		"an interval too long": func(c *Config) { c.Interval = 25 * time.Hour },
		"a start of seconds":   func(c *Config) { c.Start = c.Start.Add(time.Second) },
		"a start too early":    func(c *Config) { c.Start = time.Time{} },
		"a latitude":           func(c *Config) { c.LatitudeMilli = 90_001 },
	} {
		bad := good
		change(&bad)
		if _, err := Generate(1, bad); err == nil {
			t.Errorf("%s: it was generated all the same", name)
		}
	}
	limit := good
	limit.Households, limit.Count = 3, MaxPoints/3-1
	if err := func() error { limit.Interval = DefaultInterval; return limit.check() }(); err != nil {
		t.Errorf("at the limit of points: %v", err)
	}
}
