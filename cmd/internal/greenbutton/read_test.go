package greenbutton

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

func feedOf(entries ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title>` + "\n" + strings.Join(entries, "\n") + "\n</feed>\n"
}

// entry is an entry with a self link, an up link and related ones.
func entry(content, self, up string, related ...string) string {
	text := `<entry><id>urn:uuid:1</id><link rel="self" href="` + self + `"/><link rel="up" href="` + up + `"/>`
	for _, r := range related {
		text += `<link rel="related" href="` + r + `"/>`
	}
	return text + "<content>" + content + "</content><published>2012</published></entry>"
}

const (
	espi = ` xmlns="http://naesb.org/espi"`
	up   = "/espi/RetailCustomer/9/UsagePoint/01/MeterReading"
)

func typed(id, fields string) string {
	return entry("<ReadingType"+espi+">"+fields+"</ReadingType>", "/espi/ReadingType/"+id, "/espi/ReadingType")
}

// metered is a MeterReading of a type.
func metered(id, typ string) string {
	return entry("<MeterReading"+espi+"/>", up+"/"+id, up, up+"/"+id+"/IntervalBlock", "/espi/ReadingType/"+typ)
}

func blocked(id string, readings ...string) string {
	return entry("<IntervalBlock"+espi+"><interval><duration>9</duration><start>9</start></interval>"+strings.Join(readings, "\n")+"</IntervalBlock>",
		up+"/"+id+"/IntervalBlock/173", up+"/"+id+"/IntervalBlock")
}

// valued is an IntervalReading of a quarter of an hour.
func valued(quarter int, value, quality string) string {
	text := "<IntervalReading><cost>974</cost>"
	if quality != "" {
		text += "<ReadingQuality><quality>" + quality + "</quality></ReadingQuality>"
	}
	return text + fmt.Sprintf("<timePeriod><duration>900</duration><start>%d</start></timePeriod><value>%s</value></IntervalReading>", 1330578000+900*quarter, value)
}

const wh = "<accumulationBehaviour>4</accumulationBehaviour><flowDirection>1</flowDirection><powerOfTenMultiplier>0</powerOfTenMultiplier><uom>72</uom>"

func read(text string, strict bool) (intervals.File, error) {
	c, err := intervals.NewCollector(intervals.Options{Strict: strict})
	if err != nil {
		return intervals.File{}, err
	}
	if err := Read(strings.NewReader(text), c); err != nil {
		return intervals.File{}, err
	}
	return c.Finish()
}

func replaced(text string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(text)
}

func TestRead(t *testing.T) {
	long := strings.Repeat("A", 30)
	for _, c := range []struct {
		name, text string
		meters     string // id, flow, rows, kWh, gaps, qualities
		errors     []string
		ignored    string
	}{
		{
			name:   "one reading with quality",
			text:   feedOf(metered("07", "1"), typed("1", wh), blocked("07", valued(0, "282", "8"), valued(1, "18", "7"), valued(2, "1", ""), valued(3, "0", "99"))),
			meters: "m-01-07-import import 4 0.301 0 map[code-99:1 estimated-reference-day:1 manually-edited:1]",
		},
		{
			name: "import and export, multipliers, any order, a gap",
			text: feedOf(
				blocked("2", valued(0, "5", "")), blocked("1", valued(3, "7", ""), valued(0, "1", "")),
				typed("b", replaced(wh, "Direction>1<", "Direction>19<", "Multiplier>0<", "Multiplier>3<")), metered("1", "a"), metered("2", "b"),
				typed("a", replaced(wh, "Direction>1<", "Direction>0<", "Multiplier>0<", "Multiplier>-3<"))),
			meters: "m-01-1  2 0.000008 1 map[]; m-01-2-export export 1 5 0 map[]",
		},
		{
			name: "prefixes, whole URLs, net flow, no multiplier",
			text: `<a:feed xmlns:a="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">` +
				`<a:entry><a:link rel="self" href="https://x.example/r/UsagePoint/U1/MeterReading/M1/"/><a:link rel="related" href="https://x.example/ReadingType/1?a=b"/><a:content><e:MeterReading/></a:content></a:entry>` +
				`<a:entry><a:link rel="self" href="/ReadingType/1"/><a:content><e:ReadingType><e:uom> 72 </e:uom><e:flowDirection>4</e:flowDirection><e:intervalLength>900</e:intervalLength></e:ReadingType></a:content></a:entry>` +
				`<a:entry><a:link rel="self" href="/r/UsagePoint/U1/MeterReading/M1/IntervalBlock/5"/><a:content type="xml"><e:IntervalBlock><e:IntervalReading><e:timePeriod><e:start>900</e:start></e:timePeriod><e:value>5</e:value></e:IntervalReading></e:IntervalBlock></a:content></a:entry></a:feed>`,
			meters: "u1-m1-net net 1 0.005 0 map[]",
		},
		{
			name:   "long ids",
			text:   strings.ReplaceAll(feedOf(metered("07", "1"), typed("1", wh), blocked("07", valued(0, "1", ""))), "UsagePoint/01", "UsagePoint/"+long),
			meters: "aaaaaaaa-37b9403cf88c-07-import import 1 0.001 0 map[]",
		},
		{
			name: "what is no energy of an interval is counted",
			text: feedOf(
				metered("1", "a"), typed("a", replaced(wh, "uom>72<", "uom>38<")), blocked("1", valued(0, "1", ""), valued(1, "1", "")),
				metered("2", "b"), typed("b", replaced(wh, "Behaviour>4<", "Behaviour>3<")), blocked("2", valued(0, "1", "")),
				metered("3", "c"), typed("c", replaced(wh, "Direction>1<", "Direction>2<")), blocked("3", valued(0, "1", "")),
				metered("4", "d"), typed("d", "<flowDirection>1</flowDirection>"), blocked("4", valued(0, "1", "")),
				metered("5", "e"), typed("e", wh), blocked("5", valued(0, "1", ""))),
			meters: "m-01-5-import import 1 0.001 0 map[]",
			ignored: "01/1/import: uom 38 is not 72, watt-hours (2) 01/2/import: accumulationBehaviour 3 is not 4, what an interval counted (1) " +
				"01/3: flowDirection 2 is neither 1 (forward), 19 (reverse) nor 4 (net) (1) 01/4/import: the type has no uom (1)",
		},
		{
			name: "bad readings are named and the rest goes on",
			text: feedOf(metered("1", "a"), typed("a", wh), typed("a", wh), // 3, 4, 5
				blocked("1", valued(0, "x", ""), // 6
					valued(1, "-5", ""), // 7
					valued(2, "", ""),   // empty
					valued(3, "1", ""),
					valued(3, "1", ""), // 10
					replaced(valued(4, "1", ""), ">900<", ">1800<"), // reaches into the next
					valued(5, "1", ""),                                   // 12
					replaced(valued(6, "1", ""), ">900<", "><"),          // 13
					replaced(valued(7, "1", ""), "<start>", "<start>-"),  // 14
					replaced(valued(8, "1", ""), ">900<", ">99999999<")), // 15
				blocked("2", valued(0, "1", "")),                          // 16
				metered("3", "nowhere"), blocked("3", valued(0, "1", "")), // 17, 18
				typed("z", replaced(wh, "Multiplier>0<", "Multiplier>99<"))), // 19
			meters: "m-01-1-import import 2 0.002 0 map[]",
			errors: []string{
				`line 5: a second ReadingType "espi/ReadingType/a"`,
				`line 6, meter "01/1/import": value "x": not a decimal`, `line 7, meter "01/1/import": value "-5": negative`,
				`line 10, meter "01/1/import": a second value`, `line 12, meter "01/1/import": the interval begins before`, `line 13, meter "01/1/import": the duration ""`,
				`line 14, meter "01/1/import": the start "-1330584300"`, `line 15, meter "01/1/import": the duration "99999999"`,
				"line 16: an IntervalBlock that no MeterReading", "line 18: its MeterReading of line 17 has no ReadingType",
				`line 19: the powerOfTenMultiplier "99"`,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := read(c.text, false)
			if err != nil {
				t.Fatal(err)
			}
			var said, ignored []string
			for _, m := range file.Summary.Meters {
				said = append(said, fmt.Sprintf("%s %s %d %s %d %v", m.ID, m.Direction, m.Rows, m.KWh, m.GapCount, m.Qualities))
			}
			if got := strings.Join(said, "; "); got != c.meters {
				t.Errorf("got  %s\nwant %s", got, c.meters)
			}
			for _, i := range file.Summary.Ignored {
				ignored = append(ignored, fmt.Sprintf("%s: %s (%d)", i.Name, i.Why, i.Values))
			}
			if got := strings.Join(ignored, " "); got != c.ignored {
				t.Errorf("ignored %s\nwant %s", got, c.ignored)
			}
			for i, e := range file.Summary.Errors {
				if i >= len(c.errors) || !strings.HasPrefix(e.Error(), c.errors[i]) {
					t.Errorf("error %d: %s", i, e)
				}
			}
			if len(file.Summary.Errors) != len(c.errors) {
				t.Errorf("%d errors, want %d", len(file.Summary.Errors), len(c.errors))
			}
			if _, err := read(c.text, true); (err != nil) != (len(c.errors) > 0) {
				t.Errorf("strict: %v", err)
			}
		})
	}
}

// TestTimes holds a value against the clock.
func TestTimes(t *testing.T) {
	file, err := read(feedOf(metered("1", "a"), typed("a", wh), blocked("1", valued(0, "5", ""))), false)
	if err != nil {
		t.Fatal(err)
	}
	points, err := file.Points(3)
	begin := time.Date(2012, 3, 1, 5, 0, 0, 0, time.UTC)
	if err != nil || points[0].MeasuredAt != begin.UnixMilli() || points[1].MeasuredAt != begin.Add(15*time.Minute).UnixMilli() || points[1].Register != 5 {
		t.Errorf("%v %+v", err, points)
	}
}

func TestReadRefuses(t *testing.T) {
	good := feedOf(metered("1", "a"), typed("a", wh), blocked("1", valued(0, "5", "")))
	for name, c := range map[string]struct{ text, want string }{
		"an empty file":          {"", "the file is empty"},
		"no element":             {"<!-- nothing -->\n", "no XML element"},
		"no XML":                 {"meter,time,kwh\n", "no XML element"},
		"broken XML":             {"<feed a=b", "reading the XML"},
		"a web page":             {"<html><body/></html>", "the root element is <html>, and not the <feed> of Atom"},
		"a file cut short":       {good[:len(good)-12], "cut short"},
		"a file cut in a value":  {good[:len(good)-150], "line 5: the file is cut short"},
		"tags that do not match": {strings.Replace(good, "</value>", "</valu>", 1), "reading the XML"},
		"another encoding":       {strings.Replace(good, "UTF-8", "UTF-16", 1), "reading the XML"},
		"no values":              {feedOf(metered("1", "a"), typed("a", wh)), "no value in the file"},
		"no energy":              {replaced(good, "uom>72<", "uom>42<"), "no energy in the file: 01/1/import: uom 42"},
		"elements too deep":      {"<feed>" + strings.Repeat("<a>", maxDepth), "line 1: elements lie more than 256 deep"},
		"too deep in a value":    {"<feed><entry><content><IntervalBlock><IntervalReading>" + strings.Repeat("<a>", maxDepth), "elements lie more than 256 deep"},
		"links without end":      {"<feed><entry>" + strings.Repeat("<link/>", maxLinks+1), "more than the 1024 links"},
		"an endless text":        {"<feed><title>" + strings.Repeat("x", intervals.MaxLineBytes+8192), "an element is longer than"},
		"an endless attribute":   {"<feed a='" + strings.Repeat("x", intervals.MaxLineBytes+8192), "an element is longer than"},
		"an entity of its own":   {"<!DOCTYPE feed [<!ENTITY a \"aa\">]><feed>&a;</feed>", "invalid character entity &a;"},
		"nothing claimed":        {feedOf(typed("a", wh), blocked("1", valued(0, "5", ""))), "no MeterReading of the feed claims"},
	} {
		if _, err := read(c.text, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}

// FuzzRead reads anything: an error, or meters whose values have times one behind
// the other and registers that never fall.
func FuzzRead(f *testing.F) {
	f.Add(feedOf(metered("07", "1"), typed("1", wh), blocked("07", valued(0, "282", "8"), valued(1, "18", "7"), valued(5, "1", ""))))
	f.Add(feedOf(blocked("2", valued(0, "5", "")), typed("b", replaced(wh, "Direction>1<", "Direction>19<", "Multiplier>0<", "Multiplier>-9<")), metered("2", "b")))
	f.Add(`<feed><entry><link rel="self" href="a"/><content><MeterReading/></content></entry></feed>`)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := read(text, false)
		if err != nil {
			return
		}
		for _, s := range file.Series {
			points, err := s.Points(3)
			if err != nil || len(points) < 2 {
				t.Fatalf("%d points of %s: %v", len(points), s.Name, err)
			}
			for i := 1; i < len(points); i++ {
				if points[i].MeasuredAt <= points[i-1].MeasuredAt || points[i].Since < points[i-1].MeasuredAt || points[i].Register < points[i-1].Register {
					t.Fatalf("%+v comes after %+v", points[i], points[i-1])
				}
			}
		}
	})
}

// TestLongFeed reads a feed that is longer than any of its elements may be.
func TestLongFeed(t *testing.T) {
	var values []string
	for i := range 10_000 {
		values = append(values, valued(i, "1", "8"))
	}
	text := feedOf(metered("1", "a"), typed("a", wh), blocked("1", values...))
	if len(text) <= intervals.MaxLineBytes {
		t.Fatalf("a feed of %d bytes tries nothing", len(text))
	}
	if file, err := read(text, true); err != nil || file.Summary.Rows != len(values) {
		t.Errorf("%d values of %d: %v", file.Summary.Rows, len(values), err)
	}
}
