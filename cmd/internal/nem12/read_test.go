package nem12

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// day writes a 300 record of a day with so many values, the first of which are
// given and the others 0.
func day300(date string, n int, tail string, first ...string) string {
	values := append(append([]string{}, first...), make([]string, n-len(first))...)
	for i := len(first); i < n; i++ {
		values[i] = "0"
	}
	return "300," + date + "," + strings.Join(values, ",") + "," + tail
}

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

const (
	head = "100,NEM12,200405011135,MDP1,Ret1\n"
	e1   = "200,VABD000163,E1B1,1,E1,N1,METSER123,kWh,30,\n"
	b1   = "200,VABD000163,E1B1,1,B1,N1,METSER123,Wh,15,20050503\n"
	end  = "900\n"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, text string
		meters     string   // id, flow, rows, kWh, missing hours, qualities
		errors     []string // as they begin
		ignored    string
		empty      int
	}{
		{
			name:   "two channels in two units and lengths",
			text:   head + e1 + day300("20040201", 48, "A,,,20040202120025,20040202142516", "1.5", ".25") + "\n" + b1 + day300("20040201", 96, "A", "250") + "\n" + end,
			meters: "vabd000163-b1 export 96 0.25 map[actual:96]; vabd000163-e1 import 48 1.75 map[actual:48]",
		},
		{
			name: "quality by ranges, and what does not exist",
			text: head + e1 + day300("20040201", 48, "V,,,20040202120025", "1", "2", "4") + "\n400,1,1,A,,\n400,2,2,F14,76,Comms fault\n400,3,46,N\n400,47,48,S52,\n" + end,
			// 3 to 46 is a gap, whatever number stands there.
			meters: "vabd000163-e1 import 4 3 22h0m0s map[actual:1 final-substitute.14.76:1 substitute.52:2]",
			empty:  44,
		},
		{
			name:   "a substituted day with a reason, and a day of nothing",
			text:   head + e1 + day300("20040201", 48, "E64,32,Text", "1") + "\n" + day300("20040202", 48, "N", "9") + "\n" + day300("20040203", 48, "S", "1") + "\n" + end,
			meters: "vabd000163-e1 import 96 2 24h0m0s map[estimated.64.32:48 substitute:48]",
			empty:  48,
		},
		{
			name:   "upper and lower case, Windows lines, blanks, padding, a mark and quotes",
			text:   "\xef\xbb\xbf" + strings.ReplaceAll(head+"\n"+"200,N1,E1,,E1,,,KWH,30,,,,,\n"+day300("20040201", 48, `A,,"a, b",`, " 1 ", `"2"`)+",,,\n\n900,,,\n\n", "\n", "\r\n"),
			meters: "n1-e1 import 48 3 map[actual:48]",
		},
		{
			name:    "what is no energy is counted",
			text:    head + "200,N1,Q1V1,,Q1,,,kVArh,30\n" + day300("20040201", 48, "A") + "\n200,N1,Q1V1,,V1,,,,30\n" + day300("20040201", 48, "A") + "\n200,N1,E1,,E1,,,MWh,30\n" + day300("20040201", 48, "A", "0.001") + "\n" + end,
			meters:  "n1-e1 import 48 1 map[actual:48]",
			ignored: "N1/Q1: kVArh is no unit of energy (48) N1/V1: the channel has no unit (48)",
		},
		{
			name:   "whole files behind each other, orders in between",
			text:   head + e1 + day300("20040201", 48, "A", "1") + "\n500,O,S01009,20040201120000,001123.5\n" + end + head + e1 + day300("20040202", 48, "A", "1") + "\n" + end,
			meters: "vabd000163-e1 import 96 2 map[actual:96]",
		},
		{
			name: "bad records are named and the rest goes on",
			text: head + // 1
				day300("20040201", 48, "A") + "\n" + // 2
				e1 + // 3
				day300("20040201", 48, "A", "1", "x", "-3", "4") + "\n" + // 4
				day300("20040202", 47, "A") + "\n" + // 5
				day300("20040203", 49, "A") + "\n400,1,48,A\n" + // 6, 7
				day300("20040230", 48, "A") + "\n" + // 8
				day300("20040204", 48, "Z") + "\n" + // 9
				day300("20040201", 48, "A") + "\n" + // 10
				"300\n" + // 11
				"777,1\n" + // 12
				"200,N1,E1,,E1,,,kWh,7\n" + // 13
				day300("20040201", 48, "A") + "\n400,1,48,A\n" + // 14, 15
				"200,,E1,,E1,,,kWh,30\n" + // 16
				"200,N1,E1,,E1\n" + // 17
				"250,a\n" + // 18
				"100x,\"a\n" + // 19
				end,
			meters: "vabd000163-e1 import 46 5 1h0m0s map[actual:46]",
			errors: []string{
				"line 2: a 300 record before any 200",
				`line 4, meter "VABD000163/E1": value "x": not a decimal`, `line 4, meter "VABD000163/E1": value "-3": negative`,
				`line 5, meter "VABD000163/E1": 47 values, and a day of 30 minutes each has 48`,
				`line 6, meter "VABD000163/E1": 49 values, and a day of 30 minutes each has 48`,
				`line 8, meter "VABD000163/E1": the date "20040230"`,
				`line 9, meter "VABD000163/E1": 49 values`,
				`line 10, meter "VABD000163/E1": the channel has this day in line 4 already`,
				`line 11, meter "VABD000163/E1": a 300 record without a date`,
				`line 12: NEM12 has no records that begin with "777"`,
				`line 13: intervals of "7" minutes`, "line 14: it belongs to the 200 record of line 13",
				"line 16: a 200 record without NMI", "line 17: a 200 record with 5 fields",
				`line 18: NEM12 has no records that begin with "250"`, "line 19: not a line of CSV",
			},
		},
		{
			name: "400 records that do not fit their day",
			text: head + e1 +
				day300("20040201", 48, "V") + "\n400,1,20,A\n400,21,47,A\n" + // 3
				day300("20040202", 48, "V") + "\n400,1,20,A\n400,22,48,A\n" + // 6
				day300("20040203", 48, "V") + "\n400,1,20,A\n400,20,48,A\n" + // 9
				day300("20040204", 48, "V") + "\n400,1,49,A\n" + // 12
				day300("20040205", 48, "V") + "\n400,1,48,V\n" + // 14
				day300("20040206", 48, "V") + "\n400,0,48,A\n" + // 16
				day300("20040207", 48, "V") + "\n400,1\n" + // 18
				day300("20040208", 48, "V") + "\n" + // 20
				day300("20040209", 48, "A") + "\n400,1,2,A\n" + // 21
				day300("20040210", 48, "A", "1") + "\n400,1,48,E52\n" + end, // 23
			meters: "vabd000163-e1 import 48 1 map[estimated.52:48]",
			errors: []string{
				`line 3, meter "VABD000163/E1": its 400 records cover 47 of 48`, `line 6, meter "VABD000163/E1": its 400 record of line 8: it begins at interval 22 where 21`,
				`line 9, meter "VABD000163/E1": its 400 record of line 11: it begins at interval 20`, `line 12, meter "VABD000163/E1": its 400 record of line 13: it reaches to interval 49`,
				`line 14, meter "VABD000163/E1": its 400 record of line 15: the quality method "V"`, `line 16, meter "VABD000163/E1": its 400 record of line 17: intervals "0"`,
				`line 18, meter "VABD000163/E1": its 400 record of line 19: 2 fields`, `line 20, meter "VABD000163/E1": its 400 records cover 0 of 48`,
				`line 21, meter "VABD000163/E1": its 400 records cover 2 of 48`,
			},
		},
		{
			name: "reads of NEM13",
			text: "100,NEM13,200401101030,MDA1,Ret1\n" +
				"250,N1,11,1,11,11,M,E,006342.8,20031005093055,A,,,007654.9,20040107100333,A,,,1312.1,kWh,20040407, 20040108100333,20040108091133\n550,N,,E,\n" +
				"250,N1,11,1,11,11,M,E,0,20040107100333,A,,,0,20040207,E64,72,,10,kWh\n" +
				"250,N1,11,1,41,41,M,I,0,20040107100333,A,,,0,20040207100333,A,,,500,Wh\n" +
				"250,N1,11,1,51,41,M,E,0,20040107100333,A,,,0,20040207100333,A,,,500,kVArh\n" +
				"250,N1,11,1,11,11,M,E,0,20040107100333,A,,,0,20040107100333,A,,,1,kWh\n" + // 7
				"250,N1,11,1,11,11,M,X,0,20040107100333,A,,,0,20040108100333,A,,,1,kWh\n" + // 8
				"250,N1,11,1,11,11,M,E,0,2004,A,,,0,20040108100333,A,,,1,kWh\n" + // 9
				"250,N1,11,1,11,11,M,E,0,20040207,A,,,0,20040308,A,,,-1,kWh\n" + // 10
				"250,N1,11,1,11,11,M,E,5,20040101,A,,,6,20040108,A,,,1,kWh\n" + // 11
				"250,N1,11,1,11,11,M,E,0,20050101,A,,,0,20050108,N,,,1,kWh\n" + // 12
				"250,N1\n300,1\n" + // 13, 14
				"250,N2,11,1,11,11,M,E,140,20040401,A,,,150.00,20040630,A,,,10,kWh\n" +
				"250,N2,11,1,11,11,M,E,150.00,20040601,A,,,160,20040930,A,,,10,kWh\n" + end,
			meters:  "n1-11 import 2 1322.1 map[actual:1 estimated.64.72:1]; n1-41 export 1 0.5 map[actual:1]; n2-11 import 2 20 map[actual:2]",
			ignored: "N1/51: kVArh is no unit of energy (1)",
			empty:   1,
			errors: []string{
				"line 7: the current read of 20040107100333 is not after", `line 8: the direction "X"`, `line 9: the time "2004"`,
				`line 10, meter "N1/11": value "-1": negative`, `line 11, meter "N1/11": the interval begins before the one before it ends`,
				"line 13: a 250 record with 2 fields", `line 14: NEM13 has no records that begin with "300"`,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := read(c.text, false)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, m := range file.Summary.Meters {
				text := fmt.Sprintf("%s %s %d %s", m.ID, m.Direction, m.Rows, m.KWh)
				if m.Missing > 0 {
					text += " " + m.Missing.String()
				}
				said = append(said, fmt.Sprintf("%s %v", text, m.Qualities))
			}
			if got := strings.Join(said, "; "); got != c.meters {
				t.Errorf("got  %s\nwant %s", got, c.meters)
			}
			var ignored []string
			for _, i := range file.Summary.Ignored {
				ignored = append(ignored, fmt.Sprintf("%s: %s (%d)", i.Name, i.Why, i.Values))
			}
			if got := strings.Join(ignored, " "); got != c.ignored || file.Summary.Empty != c.empty {
				t.Errorf("ignored %s, %d empty", got, file.Summary.Empty)
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

// TestTimes holds the first and the last interval of a day against the clock: the
// market's day begins at 14:00 UTC the day before, in summer as in winter.
func TestTimes(t *testing.T) {
	for _, date := range []string{"20040201", "20040801", "20131006"} {
		file, err := read(head+e1+day300(date, 48, "A", "1", "2")+"\n"+end, false)
		if err != nil {
			t.Fatal(err)
		}
		points, err := file.Points(3)
		if err != nil {
			t.Fatal(err)
		}
		midnight, err := time.Parse("20060102", date)
		if err != nil {
			t.Fatal(err)
		}
		begin := midnight.Add(-10 * time.Hour).UnixMilli()
		if points[0].MeasuredAt != begin || points[1].MeasuredAt != begin+1_800_000 || points[1].Register != 1000 ||
			points[2].Register != 3000 || points[48].MeasuredAt != begin+86_400_000 {
			t.Errorf("%s: %+v … %+v", date, points[:3], points[48])
		}
	}
}

func TestReadRefuses(t *testing.T) {
	good := e1 + day300("20040201", 48, "A", "1") + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"an empty file":              {"", "the file is empty"},
		"empty lines":                {"\n\r\n,,\n", "the file is empty"},
		"no header":                  {"\n" + good + end, `line 2: the file begins with "200" and not with a 100 record`},
		"something else":             {"<html>\n", `line 1: the file begins with "<html>"`},
		"quotes that do not close":   {"<feed a=\"b\">\n", `line 1: the file begins with "<feed a=\"b\">"`},
		"another version":            {"100,NEM11,2004\n" + good + end, "line 1: the 100 record is of neither NEM12 nor NEM13"},
		"no end":                     {head + good, "cut short"},
		"a cut line":                 {(head + good)[:60], "cut short"},
		"a header within":            {head + good + head + good + end, "line 4: a second 100 record"},
		"data behind the end":        {head + good + end + good + end, "line 5: a record behind the 900 record of line 4"},
		"a date beyond any meter":    {head + e1 + day300("22010101", 48, "A", "1") + "\n" + end, `the date "22010101"`},
		"nothing in it":              {head + end, "no value"},
		"a channel without a day":    {head + e1 + end, "no value"},
		"no energy":                  {head + "200,N1,Q1,,Q1,,,kVArh,30\n" + day300("20040201", 48, "A") + "\n" + end, "no energy in the file: N1/Q1: kVArh"},
		"days of another length":     {head + b1 + day300("20040201", 48, "A") + "\n" + end, "48 values, and a day of 15 minutes each has 96"},
		"400 records of another":     {head + e1 + day300("20040201", 48, "V") + "\n400,1,96,A\n" + end, "reaches to interval 96 of a day that has 48"},
		"400 records that end early": {head + b1 + day300("20040201", 96, "V") + "\n400,1,48,A\n" + end, "cover 48 of 96"},
		"a line that never ends":     {head + strings.Repeat("3", intervals.MaxLineBytes+10), "a line is longer than"},
		"two meters with one id":     {head + "200,N-1,,,E1,,,kWh,30\n200,N 1,,,E1,,,kWh,30\n" + end, "would both become"},
	} {
		if _, err := read(c.text, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}

// FuzzRead reads anything: an error, or meters whose values have times one behind
// the other and registers that never fall.
func FuzzRead(f *testing.F) {
	f.Add(head + e1 + day300("20040201", 48, "V", "1.5") + "\n400,1,20,F14,76,\n400,21,48,A\n500,O,S\n" + b1 + day300("20040201", 96, "A", "7") + "\n" + end)
	f.Add("100,NEM13,1,a,b\n250,N1,11,1,11,11,M,E,0,20031005093055,A,,,7,20040107100333,A,,,1312.1,kWh\n550,N,,E,\n900")
	f.Add(head + "200,N1,Q1,,Q1,,,kVArh,30\n" + day300("20040201", 48, "N") + "\n900,,\n" + head + "900")
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
