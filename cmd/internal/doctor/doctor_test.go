package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keyDir is a directory with the keys' files, all as node init makes them.
func keyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"node.key", "cosigner.key", "sealing.key"} {
		if err := os.WriteFile(filepath.Join(dir, "keys", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPermissions(t *testing.T) {
	for _, c := range []struct {
		path string
		mode os.FileMode
		want State
	}{
		{".", 0o700, OK},
		{".", 0o755, OK},
		{".", 0o775, Warn},
		{"keys", 0o750, Fail},
		{"keys/node.key", 0o400, OK},
		{"keys/node.key", 0o640, Fail},
		{"keys/cosigner.key", 0o604, Fail},
		{"keys/sealing.key", 0o620, Fail},
	} {
		dir := keyDir(t)
		path := filepath.Join(dir, c.path)
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		var r Report
		r.permissions(dir)
		if r.Worst() != c.want {
			t.Errorf("%s with %04o: %s, want %s: %+v", c.path, c.mode, r.Worst(), c.want, r.Findings)
		}
		for _, f := range r.Findings {
			if (f.State == OK) != (f.Do == "") {
				t.Errorf("%s: %q says what to do: %q", c.path, f.Seen, f.Do)
			}
			if f.State != OK && !strings.Contains(f.Do, "chmod") {
				t.Errorf("%s: to do: %q", c.path, f.Do)
			}
		}
	}
}

func TestPermissionsOfMissingKey(t *testing.T) {
	dir := keyDir(t)
	if err := os.Remove(filepath.Join(dir, "keys", "sealing.key")); err != nil {
		t.Fatal(err)
	}
	var r Report
	r.permissions(dir)
	if r.Count(Fail) != 1 || r.Count(OK) != 4 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		ahead time.Duration
		want  State
	}{
		{0, OK},
		{2500 * time.Millisecond, OK}, // within the doubt
		{-2500 * time.Millisecond, OK},
		{2700 * time.Millisecond, Warn},
		{-11 * time.Second, Warn},
		{13 * time.Second, Fail},
		{-time.Hour, Fail},
	} {
		e := &examination{Report: &Report{}}
		e.clock("node-b", c.ahead, 600*time.Millisecond)
		if e.Worst() != c.want {
			t.Errorf("%s: %s, want %s", c.ahead, e.Worst(), c.want)
		}
	}
}

func TestDiskLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	var r Report
	r.disk(dir)
	var checks []string
	for _, f := range r.Findings {
		checks = append(checks, f.Check)
	}
	if got := strings.Join(checks, " "); got != "disk room sync" && got != "disk sync" {
		t.Errorf("examined %s", got)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left there: %v, %v", left, err)
	}
	r = Report{}
	r.disk(filepath.Join(dir, "nowhere"))
	if r.Worst() != Fail {
		t.Errorf("of no directory: %+v", r.Findings)
	}
}

func TestWorst(t *testing.T) {
	for states, want := range map[string]State{
		"": OK, "ok": OK, "ok warn ok": Warn, "warn fail warn": Fail, "fail ok": Fail,
	} {
		var r Report
		for _, s := range strings.Fields(states) {
			r.Findings = append(r.Findings, Finding{State: State(s)})
		}
		if r.Worst() != want {
			t.Errorf("%q: %s, want %s", states, r.Worst(), want)
		}
	}
}

func TestHostPort(t *testing.T) {
	for url, want := range map[string]string{
		"https://127.0.0.1:7201": "127.0.0.1:7201",
		"https://node-a.example": "node-a.example:443",
		"https://[::1]":          "[::1]:443",
	} {
		if got := hostPort(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
