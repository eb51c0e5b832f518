package agent

import (
	"fmt"
	"math"
	"time"
)

// The sun's place is computed with NOAA's approximation of its yearly course
// (General Solar Position Calculations, Global Monitoring Division), which is
// within a quarter of a degree of the truth. Elevations are rounded to
// hundredths of a degree before anything is decided, so that two machines that
// differ in the last bit of a sine come to the same verdict.

// elevation is how high the sun stands at a site, in hundredths of a degree,
// without the bending of light by the air: it sets at -83.
func (s Site) elevation(ms int64) int {
	declination, equation := sunOf(ms)
	solarMinutes := float64(((ms%dayMs)+dayMs)%dayMs)/minuteMs + equation + 4*s.Longitude
	hourAngle := radians(solarMinutes/4 - 180)
	latitude := radians(s.Latitude)
	sine := math.Sin(latitude)*math.Sin(declination) + math.Cos(latitude)*math.Cos(declination)*math.Cos(hourAngle)
	return int(math.Round(math.Asin(min(1, max(-1, sine))) * 180 / math.Pi * 100))
}

// sunOf is the sun's declination in radians and the equation of time in minutes.
func sunOf(ms int64) (declination, equation float64) {
	t := time.UnixMilli(ms).UTC()
	days := 365.0
	if year := t.Year(); year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		days = 366
	}
	hour := float64(t.Hour()) + float64(t.Minute())/60
	g := 2 * math.Pi / days * (float64(t.YearDay()-1) + (hour-12)/24)
	equation = 229.18 * (0.000075 + 0.001868*math.Cos(g) - 0.032077*math.Sin(g) - 0.014615*math.Cos(2*g) - 0.040849*math.Sin(2*g))
	declination = 0.006918 - 0.399912*math.Cos(g) + 0.070257*math.Sin(g) - 0.006758*math.Cos(2*g) +
		0.000907*math.Sin(2*g) - 0.002697*math.Cos(3*g) + 0.00148*math.Sin(3*g)
	return declination, equation
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }

// highest is the sun's greatest elevation between two moments: that of one of
// them, or of a noon between them.
func (s Site) highest(from, to int64) int { return s.extreme(from, to, 720, true) }

// lowest is its least elevation, likewise with midnights.
func (s Site) lowest(from, to int64) int { return s.extreme(from, to, 0, false) }

// extreme looks at both ends and at each time between them when the sun is
// highest or lowest, which is when true solar time has so many minutes.
func (s Site) extreme(from, to int64, minutes float64, high bool) int {
	best := s.elevation(from)
	look := func(at int64) {
		if e := s.elevation(at); high == (e > best) {
			best = e
		}
	}
	look(to)
	from = max(from, to-400*dayMs) // the sun has no news after a year
	for day := from/dayMs - 1; day <= to/dayMs+1; day++ {
		_, equation := sunOf(day*dayMs + dayMs/2)
		at := day*dayMs + int64((minutes-equation-4*s.Longitude)*minuteMs)
		if at > from && at < to {
			look(at)
		}
	}
	return best
}

// degrees writes hundredths of a degree.
func degrees(hundredths int) string { return fmt.Sprintf("%.2f°", float64(hundredths)/100) }

// hundredths of what a policy says in degrees.
func hundredths(degrees float64) int { return int(math.Round(degrees * 100)) }
