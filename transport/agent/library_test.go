package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const goodBook = "meter,note,measured_at,register\nm,x,2026-01-10T12:00:00+10:00,100\nm,x,1768012200000,150\nn,,2026-01-10 02:00:00Z,7\n"

func TestBooks(t *testing.T) {
	b, err := ReadBook(strings.NewReader(goodBook), formatCSV)
	if err != nil {
		t.Fatal(err)
	}
	start := int64(1768010400000)
	for _, tt := range []struct {
		meter string
		at    int64
		gap   time.Duration
		want  uint64
		ok    bool
	}{
		{"m", start, 0, 100, true},
		{"m", start + 1_800_000, 0, 150, true},
		{"m", start + 900_000, time.Hour, 125, true},
		{"m", start + 900_000, time.Minute, 0, false},
		{"m", start - 1, time.Hour, 0, false},
		{"m", start + 1_800_001, time.Hour, 0, false},
		{"n", start, 0, 7, true},
		{"o", start, time.Hour, 0, false},
	} {
		if got, ok := b.at(tt.meter, tt.at, tt.gap); got != tt.want || ok != tt.ok {
			t.Errorf("%s at %d: %d, %v", tt.meter, tt.at, got, ok)
		}
	}
	same, err := ReadBook(strings.NewReader(`[{"meter": "m", "measured_at": "2026-01-10T12:00:00+10:00", "register": "100", "more": 1}, {"meter": "m", "measured_at": 1768012200000, "register": 150}]`), formatJSON)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := same.at("m", start+900_000, time.Hour); got != 125 || !ok {
		t.Errorf("JSON says %d, %v", got, ok)
	}
}

func TestBooksThatAreRefused(t *testing.T) {
	head := "meter,measured_at,register\n"
	for text, want := range map[string]string{
		"":                            "reading the header",
		"meter,register\n":            "no column measured_at",
		head + "m,yesterday,1\n":      `line 2: measured_at "yesterday"`,
		head + "m,0,1\nm,1,-1\n":      `line 3: register "-1"`,
		head + "m,0,1.5\n":            `line 2: register "1.5"`,
		head + ",0,1\n":               "line 2: the meter is empty",
		head + "m,0\n":                "wrong number of fields",
		head + "m,0,1\nm,0,1\n":       "two registers",
		head + "m,5,1\nm,3,2\n":       "the register of meter m falls at 1970-01-01T00:00:00Z from 2 to 1",
		head + "m,2026-01-10T12:00,1": "neither a time",
	} {
		if _, err := ReadBook(strings.NewReader(text), formatCSV); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                 "want a list",
		"{}":               "want a list",
		"[":                "does not end",
		"[{]":              "element 1",
		`[{"meter": "m"}]`: "element 1: measured_at",
		`[{"meter": "m", "measured_at": 1, "register": null}]`: `element 1: register "null"`,
	} {
		if _, err := ReadBook(strings.NewReader(text), formatJSON); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzBook(f *testing.F) {
	f.Add(goodBook, false)
	f.Add(`[{"meter": "m", "measured_at": 1, "register": "5"}]`, true)
	f.Fuzz(func(t *testing.T, text string, asJSON bool) {
		format := formatCSV
		if asJSON {
			format = formatJSON
		}
		b, err := ReadBook(strings.NewReader(text), format)
		if err != nil {
			return
		}
		for meter, rows := range b.rows {
			first, last := rows[0], rows[len(rows)-1]
			middle := first.MeasuredAt/2 + last.MeasuredAt/2
			if got, ok := b.at(meter, middle, 1<<62); ok && (got < first.Value || got > last.Value) {
				t.Errorf("%d is not between %d and %d", got, first.Value, last.Value)
			}
		}
	})
}

// server answers with what is set, as a caching server does.
type server struct {
	*httptest.Server
	text        string
	asked, sent int
	wait        time.Duration
}

func serve(t *testing.T, text string) *server {
	s := &server{text: text}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked++
		if s.wait > 0 {
			<-r.Context().Done()
			return
		}
		if s.text == "" {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		tag := fmt.Sprintf("%q", fmt.Sprint(len(s.text)))
		if w.Header().Set("ETag", tag); r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.sent++
		fmt.Fprint(w, s.text)
	}))
	t.Cleanup(s.Close)
	return s
}

func libraryOf(s Source) *Library {
	return NewLibrary(Policy{References: map[string]Source{"r": s}}, slog.New(slog.DiscardHandler))
}

func TestLibraryAsksServers(t *testing.T) {
	s := serve(t, goodBook)
	l := libraryOf(Source{URL: s.URL, Timeout: Duration(50 * time.Millisecond)})
	must := func(want string) {
		t.Helper()
		err := l.Load(context.Background())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("said %v, want %q", err, want)
		}
		if l.Books()["r"] == nil {
			t.Error("the book is gone")
		}
	}
	must("")
	must("")
	if s.asked != 2 || s.sent != 1 {
		t.Errorf("asked %d times, sent %d times", s.asked, s.sent)
	}
	// Whatever comes instead, what was read before stays.
	s.text = ""
	must("answered 500")
	s.text = goodBook + "m,x,1768012200000,1\n"
	must("two registers")
	must("two registers") // and is not taken for read
	s.text = goodBook + "m,x,1768012200001,160\n"
	must("")
	if registers, meters := l.Books()["r"].Registers(); registers != 4 || meters != 2 {
		t.Errorf("%d registers of %d meters", registers, meters)
	}
	s.wait = time.Minute
	must("deadline exceeded")
}

func TestLibraryBounds(t *testing.T) {
	s := serve(t, goodBook)
	l := libraryOf(Source{URL: s.URL, MaxBytes: 20})
	if err := l.Load(context.Background()); err == nil || !strings.Contains(err.Error(), "more than 20 bytes") || len(l.Books()) != 0 {
		t.Errorf("said %v, has %v", err, l.Books())
	}
	elsewhere := httptest.NewServer(http.RedirectHandler(s.URL, http.StatusFound))
	t.Cleanup(elsewhere.Close)
	l = libraryOf(Source{URL: elsewhere.URL})
	if err := l.Load(context.Background()); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("followed a redirect: %v", err)
	}
}

func TestLibraryReadsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.csv")
	l := libraryOf(Source{File: path, MaxAge: Duration(time.Hour)})
	if err := l.Load(context.Background()); err == nil || len(l.Books()) != 0 {
		t.Errorf("read a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte(goodBook), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Load(context.Background()); err != nil || l.Books()["r"] == nil {
		t.Fatal(err)
	}
	// What is too old counts no more.
	l.shelves["r"].since = time.Now().Add(-time.Hour - time.Second)
	if len(l.Books()) != 0 {
		t.Error("an old book is used")
	}
	if err := l.Load(context.Background()); err != nil || l.Books()["r"] == nil {
		t.Errorf("a file that is as it was is not fresh: %v", err)
	}
}

// Whoever reads the log hears of a failure once, and of its end.
func TestFailingReferencesAreToldOnce(t *testing.T) {
	var said strings.Builder
	l := NewLibrary(Policy{References: map[string]Source{"r": {File: "x"}}}, slog.New(slog.NewTextHandler(&said, nil)))
	for _, err := range []error{nil, os.ErrNotExist, os.ErrNotExist, nil, nil, os.ErrNotExist} {
		l.tell(l.shelves["r"], err)
	}
	if text := said.String(); strings.Count(text, "cannot be read") != 2 || strings.Count(text, "read again") != 1 {
		t.Errorf("said %s", text)
	}
}

func TestReferences(t *testing.T) {
	start := int64(1768010400000)
	book := &Book{rows: map[string][]Register{"m": {{500, start}, {1500, start + hourMs}}, "sun": {{0, start}, {200, start + hourMs}}}}
	half := start + hourMs/2
	tests := []struct {
		name     string
		ref      Reference
		register uint64
		at       int64
		vote     Vote
		why      Reason
		observed uint64
	}{
		{"the same", Reference{}, 10_500, half, Accept, Plausible, 0},
		{"one more", Reference{}, 10_501, half, Reject, OffReference, 0},
		{"one less", Reference{}, 10_499, half, Reject, OffReference, 0},
		{"tolerated", Reference{Tolerance: 10, TolerancePPM: 20_000}, 10_520, half, Accept, Plausible, 0},
		{"no more tolerated", Reference{Tolerance: 10, TolerancePPM: 20_000}, 10_521, half, Reject, OffReference, 0},
		{"reported", Reference{Tolerance: 10, Report: true}, 10_505, half, Accept, Plausible, 10_500},
		{"reported with a reject", Reference{Report: true}, 10_505, half, Reject, OffReference, 10_500},
		{"scaled", Reference{Meter: "sun", ScalePPM: 5_000_000}, 10_500, half, Accept, Plausible, 0},
		{"too far apart", Reference{MaxGap: Duration(time.Minute)}, 10_500, half, Abstain, NoReference, 0},
		{"behind the end", Reference{Missing: Accept}, 10_500, start + 2*hourMs, Accept, NoReference, 0},
		{"nobody's meter", Reference{Meter: "x", Missing: Reject}, 10_500, half, Reject, NoReference, 0},
		{"no series", Reference{Series: "other"}, 10_500, half, Abstain, NoReference, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.ref.Series == "" {
				tt.ref.Series = "r"
			}
			j := NewJudge(Policy{Rules: []Rule{{Market: "energy", Meter: "*", Reference: &tt.ref}}}, map[string]*Book{"r": book})
			v := j.Verdict(Claim{Market: "energy", Meter: "m", Register: Register{tt.register, tt.at}, Base: &Register{10_000, start}})
			if v.Vote != tt.vote || v.Reason != tt.why || v.Words == "" {
				t.Errorf("%+v", v)
			}
			if (v.Observed != nil) != (tt.observed > 0) || v.Observed != nil && *v.Observed != tt.observed {
				t.Errorf("observed %v", v.Observed)
			}
		})
	}
}

// A difference that is small each time and lasts shows over a time.
func TestReferencesOverATime(t *testing.T) {
	sun := &Book{rows: map[string][]Register{}}
	for i := range int64(200) {
		sun.rows["m"] = append(sun.rows["m"], Register{uint64(i) * 100, i * quarter})
	}
	verdicts := func(over Duration, each uint64, rebaseAt int64) (rejects int, first int64) {
		j := NewJudge(Policy{Rules: []Rule{{Market: "energy", Meter: "*", Reference: &Reference{Series: "r", Tolerance: 50, TolerancePPM: 100_000, Over: over}}}}, map[string]*Book{"r": sun})
		offset := uint64(1000)
		for i := range int64(200) {
			c := Claim{Market: "energy", Meter: "m"}
			if rebaseAt > 0 && i == rebaseAt {
				// A new device: the committee set its register at the last moment but a
				// minute.
				offset = 5_000_000
				c.Base = &Register{offset + uint64(i-1)*each, (i-1)*quarter + minuteMs}
			}
			c.Register = Register{offset + uint64(i)*each, i * quarter}
			if v := j.Verdict(c); v.Vote != Accept {
				if rejects++; rejects == 1 {
					first = i
				}
			}
		}
		return rejects, first
	}
	day := Duration(24 * time.Hour)
	if n, _ := verdicts(0, 60, 0); n != 0 {
		t.Errorf("since the last reading %d differ too much", n)
	}
	if n, first := verdicts(day, 60, 0); n < 190 || first < 1 || first > 5 {
		t.Errorf("over a day %d differ too much, the first is %d", n, first)
	}
	if n, _ := verdicts(day, 95, 0); n != 0 {
		t.Errorf("%d of those that are about right differ too much", n)
	}
	if n, first := verdicts(day, 95, 100); n != 0 {
		t.Errorf("after a rebase %d differ too much, the first is %d", n, first)
	}
}
