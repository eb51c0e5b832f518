package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMeasurement(t *testing.T) {
	m, err := measurement("energy", "roof-1, 1200500, 2026-01-31T12:30:00+01:00")
	want := time.Date(2026, 1, 31, 11, 30, 0, 0, time.UTC)
	if err != nil || m.Market != "energy" || m.Meter != "roof-1" || m.Register != 1_200_500 || !m.MeasuredAt.Equal(want) {
		t.Errorf("%+v, %v", m, err)
	}
	for line, says := range map[string]string{
		"roof-1,1200500":                       "2 fields",
		"roof-1,12.5,2026-01-31T12:30:00Z":     "no whole number",
		"roof-1,-1,2026-01-31T12:30:00Z":       "no whole number",
		"roof-1,1,2026-01-31 12:30":            "RFC 3339",
		"roof-1,1,2026-01-31T12:30:00Z,please": "4 fields",
	} {
		if _, err := measurement("energy", line); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	nonsense := filepath.Join(t.TempDir(), "nonsense.key")
	if err := os.WriteFile(nonsense, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"no key":     {nil, "--key"},
		"no genesis": {[]string{"--key", "k", "--provider", "sunny", "--genesis", filepath.Join(t.TempDir(), "none")}, "no such file"},
		"no file":    {[]string{"--key", filepath.Join(t.TempDir(), "none"), "--provider", "sunny", "--genesis", "../vectors/genesis.json"}, "no such file"},
		"not a key":  {[]string{"--key", nonsense, "--provider", "sunny", "--genesis", "../vectors/genesis.json"}, "key file " + nonsense},
	} {
		var out, stderr bytes.Buffer
		if err := run(context.Background(), tt.args, strings.NewReader(""), &out, &stderr); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
