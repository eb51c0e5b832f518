package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
)

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{Dir: "d", Nodes: 3, Batch: 128, Meters: 10_000, For: time.Second}
	}
	for _, c := range []struct {
		name    string
		change  func(*Config)
		clients int
		want    string
	}{
		{"batches", func(*Config) {}, 16, ""},
		{"singles", func(c *Config) { c.Batch = 1 }, 256, ""},
		{"fewer meters than clients", func(c *Config) { c.Meters = 5 }, 5, ""},
		{"most", func(c *Config) { c.Batch, c.Clients = MaxBatch, MaxClients }, MaxClients, ""},
		{"four nodes", func(c *Config) { c.Nodes = 4 }, 0, "4 nodes"},
		{"no batch", func(c *Config) { c.Batch = 0 }, 0, "batches of 0"},
		{"great batch", func(c *Config) { c.Batch = MaxBatch + 1 }, 0, "batches of 1025"},
		{"many clients", func(c *Config) { c.Clients = MaxClients + 1 }, 0, "1025 clients"},
		{"no meters", func(c *Config) { c.Meters = 0 }, 0, "0 meters"},
		{"many meters", func(c *Config) { c.Meters = MaxMeters + 1 }, 0, "100001 meters"},
		{"no time", func(c *Config) { c.For = 0 }, 0, "duration"},
		{"too long", func(c *Config) { c.For = MaxFor + 1 }, 0, "duration"},
		{"too many pending", func(c *Config) { c.Pending = oracle.MaxLiveReadings + 1 }, 0, "pending"},
		{"too many leaves", func(c *Config) { c.Leaves = MaxLeaves + 1 }, 0, "leaves"},
		{"hold without leaves", func(c *Config) { c.Hold = true }, 0, "a journal that is made long"},
		{"no directory", func(c *Config) { c.Dir = "" }, 0, "no directory"},
		{"target with leaves", func(c *Config) { c.Target, c.Leaves = []string{"https://a"}, 1 }, 0, "of the bench's own"},
		{"target without genesis", func(c *Config) { c.Target = []string{"https://a"} }, 0, "takes its genesis"},
		{"target without keys", func(c *Config) {
			c.Target, c.Market = []string{"https://a"}, "energy"
			c.Genesis = &genesis.Signed{Genesis: genesis.Genesis{AdminThreshold: 2}}
		}, 0, "0 admin keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := good()
			c.change(&config)
			err := config.normal()
			switch {
			case c.want == "" && (err != nil || config.Clients != c.clients):
				t.Errorf("%d clients, %v; want %d", config.Clients, err, c.clients)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
