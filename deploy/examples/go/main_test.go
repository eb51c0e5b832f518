package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/transport/client"
	"github.com/tallyvault/tallyvault/transport/client/outbox"
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

// nobody is a cluster that is not asked.
type nobody struct{ outbox.Cluster }

func (nobody) Now() time.Time { return time.Now() }

func emptyBox(t *testing.T) *outbox.Outbox {
	t.Helper()
	box, err := outbox.Open(outbox.Config{
		Path: filepath.Join(t.TempDir(), "box"), Cluster: nobody{}, Provider: "sunny",
		Signer: client.Signer{Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// A line that is wrong is left out; a line that cannot be kept ends the program, since
// nobody would hear of it again.
func TestStoreLosesNothing(t *testing.T) {
	box := emptyBox(t)
	const good = "roof-1,1200500,2026-01-31T12:30:00Z\n"
	var stderr bytes.Buffer
	wrong := "nonsense\nroof/1,1,2026-01-31T12:30:00Z\nroof-1,7,2026-01-31T12:30:00Z\n"
	if err := store(box, "energy", strings.NewReader(good+wrong), &stderr); err != nil || strings.Count(stderr.String(), "is left out") != 3 {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store(box, "energy", strings.NewReader(good), &stderr); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("an outbox that keeps nothing: %v", err)
	}
}

// A gateway whose input does not end hears of what ends it.
func TestServeEndsWithItsContext(t *testing.T) {
	box := emptyBox(t)
	in, end := io.Pipe()
	defer end.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, box, settings{market: "energy"}, in, io.Discard) }()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for its input")
	}
	if err := box.Close(); err != nil {
		t.Error(err)
	}
}
