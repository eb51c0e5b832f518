package greenbutton

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// link is a link of an entry.
type link struct {
	Rel  string `xml:"rel,attr"`
	Href string `xml:"href,attr"`
}

// path is where a link points to, without host, query and slashes around it.
func (l link) path() string {
	if u, err := url.Parse(l.Href); err == nil {
		return strings.Trim(u.Path, "/")
	}
	return strings.Trim(l.Href, "/")
}

// readingType is what the values of a MeterReading are.
type readingType struct {
	Uom        string `xml:"uom"`
	Power      string `xml:"powerOfTenMultiplier"`
	Flow       string `xml:"flowDirection"`
	Behaviour  string `xml:"accumulationBehaviour"`
	Length     string `xml:"intervalLength"`
	line       int
	shift      int
	direction  intervals.Direction
	unsuitable string // why its values are no energy
}

// Codes of ESPI.
const (
	uomWh           = "72"
	behaviourDelta  = "4"
	maxPower        = 15 // beyond peta-watt-hours there is no meter
	flowForward     = "1"
	flowNet         = "4"
	flowReverse     = "19"
	wattHoursInAKWh = 3 // as a power of ten
)

// understand turns codes into what they mean. An error says that the type is
// malformed.
func (t *readingType) understand() error {
	power := 0
	if text := strings.TrimSpace(t.Power); text != "" {
		var err error
		if power, err = strconv.Atoi(text); err != nil || power < -maxPower || power > maxPower {
			return fmt.Errorf("the powerOfTenMultiplier %.20q", text)
		}
	}
	t.shift = power - wattHoursInAKWh
	switch flow := strings.TrimSpace(t.Flow); flow {
	case flowForward:
		t.direction = intervals.Import
	case flowReverse:
		t.direction = intervals.Export
	case flowNet:
		t.direction = intervals.Net
	case "", "0":
	default:
		t.unsuitable = fmt.Sprintf("flowDirection %.10s is neither 1 (forward), 19 (reverse) nor 4 (net)", flow)
	}
	if behaviour := strings.TrimSpace(t.Behaviour); behaviour != behaviourDelta && behaviour != "" && behaviour != "0" {
		t.unsuitable = fmt.Sprintf("accumulationBehaviour %.10s is not 4, what an interval counted", behaviour)
	}
	if uom := strings.TrimSpace(t.Uom); uom != uomWh {
		t.unsuitable = fmt.Sprintf("uom %.10s is not 72, watt-hours", uom)
		if uom == "" {
			t.unsuitable = "the type has no uom"
		}
	}
	return nil
}

// meterReading ties blocks to their type.
type meterReading struct {
	line    int
	self    string
	related []string
}

// names are the usage point and the reading in the self link of a MeterReading.
func (m meterReading) names() (point, reading string) {
	parts := strings.Split(m.self, "/")
	reading = parts[len(parts)-1]
	for i, part := range parts[:len(parts)-1] {
		if part == "UsagePoint" {
			point = parts[i+1]
		}
	}
	return point, reading
}

// short keeps ids of some utilities, which are long, within what a meter's id may
// have, and two of them apart.
func short(id string) string {
	const most, kept = 24, 8
	if len(id) <= most {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return id[:kept] + "-" + hex.EncodeToString(sum[:6])
}

// name is what the meter is called: what has no direction is called by its point and
// reading alone.
func (m meterReading) name(d intervals.Direction) string {
	point, reading := m.names()
	name := short(reading)
	if point != "" {
		name = short(point) + "/" + name
	}
	if d != "" {
		name += "/" + string(d)
	}
	return name
}

// claims are the links by which blocks are of the reading.
func (m meterReading) claims() []string {
	if m.self == "" {
		return m.related
	}
	return append([]string{m.self + blocksBelow}, m.related...)
}

const blocksBelow = "/IntervalBlock"

// block is an IntervalBlock entry.
type block struct {
	line     int
	self, up string
	values   []value
}

// places are the links by which a block may be claimed.
func (b block) places() []string {
	list := []string{b.up, b.self}
	if at := strings.LastIndex(b.self, blocksBelow+"/"); at >= 0 {
		list = append(list, b.self[:at]+blocksBelow)
	}
	return list
}

// value is an IntervalReading.
type value struct {
	line int
	reading
}

// reading is an IntervalReading as it is written.
type reading struct {
	Value    string   `xml:"value"`
	Start    string   `xml:"timePeriod>start"`
	Duration string   `xml:"timePeriod>duration"`
	Quality  []string `xml:"ReadingQuality>quality"`
}

// qualities are the words of QualityOfReading.
var qualities = map[string]string{
	"0": "valid", "7": "manually-edited", "8": "estimated-reference-day", "9": "estimated-interpolation",
	"10": "questionable", "11": "derived", "12": "projected", "13": "mixed", "14": "raw", "15": "weather-normalized",
	"16": "other", "17": "validated", "18": "verified", "19": "revenue-quality",
}

// quality is the word of a reading's last code.
func (r reading) quality() string {
	if len(r.Quality) == 0 {
		return ""
	}
	code := strings.TrimSpace(r.Quality[len(r.Quality)-1])
	if word := qualities[code]; word != "" {
		return word
	}
	return "code-" + code
}
