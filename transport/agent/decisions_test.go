package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/transport/api"
)

func someDecision(n uint64) Decision {
	r := reading(n, 1000+n, int64(n)*1000)
	return decisionOn(r, Verdict{Vote: Accept, Reason: Plausible, Rule: 1, Words: strings.Repeat("within the limits ", 10)}, 5)
}

func open(t *testing.T, path string, o LogOptions) (*Decisions, []Decision) {
	t.Helper()
	d, err := OpenDecisions(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	past, err := d.claim("c1", "olga")
	if err != nil {
		t.Fatal(err)
	}
	return d, past
}

func numbersIn(t *testing.T, path string) (numbers []api.Uint64) {
	t.Helper()
	if err := ReadDecisions(path, func(d Decision) error { numbers = append(numbers, d.Number); return nil }); err != nil {
		t.Fatal(err)
	}
	return numbers
}

func TestDecisionsLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions")
	if err := ReadDecisions(path, nil); !errors.Is(err, ErrNoDecisions) {
		t.Errorf("said %v", err)
	}
	d, past := open(t, path, LogOptions{})
	if len(past) != 0 {
		t.Errorf("a new log holds %v", past)
	}
	if err := d.append([]Decision{someDecision(1), someDecision(2)}); err != nil {
		t.Fatal(err)
	}
	// Others may read, but not write.
	if got := numbersIn(t, path); len(got) != 2 {
		t.Errorf("read %v", got)
	}
	if _, err := OpenDecisions(path, LogOptions{}); err == nil || !strings.Contains(err.Error(), "another agent has the decision log") {
		t.Errorf("opened twice: %v", err)
	}
	d.Close()
	d, past = open(t, path, LogOptions{})
	if len(past) != 2 || past[1].Number != 2 || past[1].Words == "" || past[1].ballot() != (ballot{number: 2, identity: identityOf(2), vote: Accept}) {
		t.Errorf("remembered %+v", past)
	}
	d.Close()
	for _, other := range [][2]string{{"c2", "olga"}, {"c1", "omar"}} {
		d, err := OpenDecisions(path, LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.claim(other[0], other[1]); err == nil || !strings.Contains(err.Error(), "is of oracle olga in cluster c1") {
			t.Errorf("%v took it over: %v", other, err)
		}
		d.Close()
	}
}

func TestDecisionsAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions")
	o := LogOptions{Bytes: 2 * maxLogLine, Files: 3}
	d, _ := open(t, path, o)
	const all = 2000
	for n := uint64(1); n <= all; n += 4 {
		if err := d.append([]Decision{someDecision(n), someDecision(n + 1), someDecision(n + 2), someDecision(n + 3)}); err != nil {
			t.Fatal(err)
		}
	}
	d.Close()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 4 { // and the lock
		t.Errorf("files %v, %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Size() > o.Bytes {
			t.Errorf("%s has %d bytes", file, info.Size())
		}
	}
	got := numbersIn(t, path)
	for i, n := range got {
		if n != api.Uint64(all-len(got)+1+i) {
			t.Fatalf("decision %d of %d is number %d", i, len(got), n)
		}
	}
	if len(got) < 500 || len(got) == all {
		t.Errorf("%d decisions are kept", len(got))
	}
	// Between the renames and the new file nothing is lost.
	if err := os.Rename(path, path+".9"); err != nil {
		t.Fatal(err)
	}
	if _, past := open(t, path, o); len(past) == 0 || len(past) >= len(got) {
		t.Errorf("%d of %d decisions", len(past), len(got))
	}
}

// A crash at any byte of an append costs what was not on the disk, and no more.
func TestDecisionsTornByACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions")
	d, _ := open(t, path, LogOptions{})
	if err := d.append([]Decision{someDecision(1)}); err != nil {
		t.Fatal(err)
	}
	before := d.size
	if err := d.append([]Decision{someDecision(2)}); err != nil {
		t.Fatal(err)
	}
	d.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(whole); cut += 7 {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		d, past := open(t, path, LogOptions{})
		want := 0
		if int64(cut) >= before {
			want = 1
		}
		if len(past) != want {
			t.Fatalf("cut at %d: %d decisions, want %d", cut, len(past), want)
		}
		if err := d.append([]Decision{someDecision(3)}); err != nil {
			t.Fatal(err)
		}
		d.Close()
		if got := numbersIn(t, path); len(got) != want+1 || got[want] != 3 {
			t.Fatalf("cut at %d: then %v", cut, got)
		}
	}
}

func TestDecisionLogsThatAreRefused(t *testing.T) {
	head := `{"log":"tallyvault oracle decisions","version":1,"cluster":"c1","oracle":"olga"}` + "\n"
	for name, text := range map[string]string{
		"another file":  "{\"rules\": []}\n",
		"no JSON":       head + "hello\n",
		"later version": strings.Replace(head, "1", "2", 1),
		"no reading":    head + "{}\n",
		"no vote":       head + `{"market":"e","meter":"m","number":"1","identity":"` + strings.Repeat("00", 32) + `","vote":"maybe"}` + "\n",
		"endless line":  head + strings.Repeat(" ", maxLogLine+1) + "\n",
	} {
		path := filepath.Join(t.TempDir(), "decisions")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDecisions(path, LogOptions{}); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, o := range []LogOptions{{Bytes: 10}, {Files: 1}, {Files: 1001}} {
		if _, err := OpenDecisions(filepath.Join(t.TempDir(), "d"), o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func FuzzDecisionLog(f *testing.F) {
	f.Add([]byte(`{"log":"tallyvault oracle decisions","version":1,"cluster":"c1","oracle":"olga"}` + "\n{\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, size, err := readLogFile(strings.NewReader(string(text)), func(logHead) error { return nil }, func(d Decision) error {
			d.ballot()
			d.claim()
			return nil
		})
		if err == nil && (size != int64(len(text)) || whole > size) {
			t.Errorf("%d whole of %d bytes, %d given", whole, size, len(text))
		}
	})
}

// A rotation that fails is tried again, and nothing is lost by it.
func TestDecisionsRotateAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions")
	o := LogOptions{Bytes: 2 * maxLogLine, Files: 2}
	d, _ := open(t, path, o)
	n := uint64(0)
	for ; d.size+2_000 < o.Bytes; n++ {
		if err := d.append([]Decision{someDecision(n + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path+".1", 0o700); err != nil {
		t.Fatal(err)
	}
	more := func() error {
		for range 10 {
			if err := d.append([]Decision{someDecision(n + 1)}); err != nil {
				return err
			}
			n++
		}
		return nil
	}
	for range 2 {
		if err := more(); err == nil {
			t.Fatal("a directory was rotated away")
		}
	}
	if err := os.Remove(path + ".1"); err != nil {
		t.Fatal(err)
	}
	if err := more(); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if got := numbersIn(t, path); len(got) != int(n) || got[0] != 1 || uint64(got[n-1]) != n {
		t.Errorf("%d decisions were written, and %d are there", n, len(got))
	}
	if _, past := open(t, path, o); len(past) != int(n) {
		t.Errorf("%d decisions were written, and %d are remembered", n, len(past))
	}
}
