package outbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallyvault/tallyvault/transport/client"
)

func measurement(meter, minute int) Measurement {
	return Measurement{
		Market: energy, Meter: meterOf(meter), Register: 1000 + uint64(minute),
		MeasuredAt: time.Now().Add(-time.Hour).Truncate(time.Hour).Add(time.Duration(minute) * time.Minute),
	}
}

func configFor(t *testing.T, c *committee) Config {
	return Config{
		Path: filepath.Join(t.TempDir(), "outbox"), Cluster: &link{committee: c, met: func(string) error { return nil }},
		Signer: c.signer("sunny"), Provider: "sunny",
	}
}

func mustOpen(t *testing.T, c Config) *Outbox {
	t.Helper()
	box, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Close() })
	return box
}

func TestStoreRefuses(t *testing.T) {
	box := mustOpen(t, configFor(t, found(t, 1)))
	good := measurement(0, 1)
	if err := box.Store(good, good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Measurement){
		"no meter":         func(m *Measurement) { m.Meter = "" },
		"a meter of bytes": func(m *Measurement) { m.Meter = "a\x00b" },
		"a long market":    func(m *Measurement) { m.Market = strings.Repeat("m", 65) },
		"no moment":        func(m *Measurement) { m.MeasuredAt = time.Time{} },
	} {
		bad, other := good, measurement(0, 2)
		change(&bad)
		if err := box.Store(other, bad); err == nil {
			t.Errorf("%s: stored", name)
		}
		if _, ok, err := box.Fate(other.Meter, other.MeasuredAt); ok || err != nil {
			t.Errorf("%s: what came with it was stored: %v", name, err)
		}
	}
	other := good
	other.Register++
	var conflict *ConflictError
	if err := box.Store(other); !errors.As(err, &conflict) || conflict.Have.Register != good.Register {
		t.Errorf("another register: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	c := found(t, 1)
	config := configFor(t, c)
	box := mustOpen(t, config)
	if _, err := Open(config); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	other := config
	other.Signer = c.signer("city")
	if _, err := Open(other); err == nil || !strings.Contains(err.Error(), "the outbox is of") {
		t.Errorf("opened with another key: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"no cluster":  func(c *Config) { c.Cluster = nil },
		"no provider": func(c *Config) { c.Provider = "" },
		"no key":      func(c *Config) { c.Signer = client.Signer{} },
		"no time":     func(c *Config) { c.TTL = time.Millisecond },
		"no place":    func(c *Config) { c.Path = filepath.Join(c.Path, "x", "y") },
	} {
		bad := config
		change(&bad)
		if _, err := Open(bad); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if err := os.WriteFile(config.Path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(config); err == nil {
		t.Error("opened nonsense")
	}
}

// A full outbox forgets what has come to its end, the oldest first, and nothing else.
func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := found(t, 2)
		config := configFor(t, c)
		config.Capacity = 4
		p := &process{life: &life{t: t, c: c, stored: map[string]Measurement{}}, ended: make(chan error, 1)}
		p.start(config)
		for minute := range 4 {
			if err := p.box.Store(measurement(0, minute)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.box.Store(measurement(0, 4)); !errors.Is(err, ErrFull) {
			t.Errorf("a fifth: %v", err)
		}
		for range 60 {
			<-time.After(time.Second)
			c.tick()
			c.attest()
			synctest.Wait()
		}
		if err := p.box.Store(measurement(1, 0), measurement(1, 1)); err != nil {
			t.Errorf("two more when all was paid: %v", err)
		}
		var left []string
		for fate, err := range p.box.Fates("", time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			left = append(left, fate.Meter)
		}
		if strings.Join(left, " ") != "meter-0 meter-0 meter-1 meter-1" {
			t.Errorf("there are left %v", left)
		}
		p.end()
	})
}
