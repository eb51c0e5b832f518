package bench

import (
	"errors"
	"fmt"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
)

// Config says what to measure.
type Config struct {
	// Program runs the nodes: this program's own file.
	Program string
	// Dir is where the cluster is founded; empty or absent, and on a disk.
	Dir string
	// Nodes is the size of the committee.
	Nodes int
	// Batch is how many readings go into one request; 1 sends them singly.
	Batch int
	// Clients is how many requests are under way at a time; 0 means DefaultClients.
	Clients int
	// Meters is how many meters send readings in each phase.
	Meters int
	// For is how long each phase sends readings.
	For time.Duration

	// Target lists the API URLs of a running cluster to be driven instead.
	Target []string
	// Genesis and Admins are the target's: the keys of as many admins as its
	// threshold, to register the bench's provider, payer and meters.
	Genesis *genesis.Signed
	Admins  []ed25519.PrivateKey
	// Market is the target's market that the readings go to.
	Market string

	// Profiles is a directory for processor profiles of the bench's own nodes and
	// of this process, taken while the first phase's clock runs; empty for none.
	Profiles string

	// VsEtcd lists client URLs of an etcd cluster that gets the same puts, in turns
	// with the first phase; empty for none.
	VsEtcd []string
	// Pending lets the first phase go on until so many readings are open, whatever
	// time it takes, to see the memory that they take; 0 for the time that For says.
	Pending int
	// Leaves lets settlements go on behind the second phase until the journal has so
	// many leaves and nothing is open or held any more, and then measures the first
	// phase again; 0 for neither.
	Leaves int
	// Hold leaves what the first phase sent open and keeps what was settled in its
	// dispute window, so that the state grows with the journal.
	Hold bool

	Version  string
	Progress Progress
}

// Progress is told what happens.
type Progress interface {
	// Say tells of something worth a line of its own.
	Say(format string, args ...any)
	// Show replaces the line of figures.
	Show(line string)
}

// Limits of a run.
const (
	MaxNodes   = 7
	MaxBatch   = 1024
	MaxClients = 1024
	MaxMeters  = 100_000
	MaxFor     = time.Hour
	MaxLeaves  = 100_000_000
)

// DefaultClients keeps a leader busy without a queue that would only be waited in.
func DefaultClients(batch int) int {
	if batch == 1 {
		return 256
	}
	return 16
}

func (c *Config) normal() error {
	if c.Clients == 0 {
		c.Clients = DefaultClients(c.Batch)
	}
	switch {
	case c.Nodes != 3 && c.Nodes != 5 && c.Nodes != MaxNodes:
		return fmt.Errorf("%d nodes: want 3, 5 or 7", c.Nodes)
	case c.Batch < 1 || c.Batch > MaxBatch:
		return fmt.Errorf("batches of %d: want 1 to %d", c.Batch, MaxBatch)
	case c.Clients < 1 || c.Clients > MaxClients:
		return fmt.Errorf("%d clients: want 1 to %d", c.Clients, MaxClients)
	case c.Meters < 1 || c.Meters > MaxMeters:
		return fmt.Errorf("%d meters: want 1 to %d", c.Meters, MaxMeters)
	case c.For <= 0 || c.For > MaxFor:
		return fmt.Errorf("a duration of %v: want up to %v", c.For, MaxFor)
	case c.Pending < 0 || c.Pending > oracle.MaxLiveReadings:
		return fmt.Errorf("%d pending readings: want up to %d", c.Pending, oracle.MaxLiveReadings)
	case c.Leaves < 0 || c.Leaves > MaxLeaves:
		return fmt.Errorf("%d leaves: want up to %d", c.Leaves, MaxLeaves)
	case c.Hold && c.Leaves == 0:
		return errors.New("holding settlements is for a journal that is made long, with a number of leaves")
	case len(c.Target) > 0:
		return c.checkTarget()
	case c.Dir == "":
		return errors.New("no directory is given")
	}
	// A meter's readings must arrive in order, so one belongs to one client.
	c.Clients = min(c.Clients, c.Meters)
	return nil
}

func (c *Config) checkTarget() error {
	if c.Pending > 0 || c.Leaves > 0 {
		return errors.New("pending readings and leaves are for a cluster of the bench's own")
	}
	if c.Genesis == nil {
		return errors.New("driving a running cluster takes its genesis")
	}
	if need := int(c.Genesis.AdminThreshold); len(c.Admins) < need {
		return fmt.Errorf("%d admin keys are given, the cluster's threshold is %d", len(c.Admins), need)
	}
	if c.Market == "" {
		return errors.New("driving a running cluster takes the id of a market")
	}
	c.Clients = min(c.Clients, c.Meters)
	return nil
}
