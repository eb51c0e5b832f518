package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

const (
	market       = "energy"
	readyWithin  = 60 * time.Second
	answerWithin = 2 * time.Second // of a node that is asked how it is
	stopWithin   = 30 * time.Second
)

// rig is a committee of processes.
type rig struct {
	t         *testing.T
	dir       string
	committee *trial.Committee
	nodes     []*node
	watchers  []*client.Client
	random    *rand.Rand
	network   *network         // nil on the loopback device
	disks     map[string]*disk // by the node's directory, nil without file systems of their own
}

// size is how many nodes a committee has.
const size = 3

// node is one process, and the next in its place.
type node struct {
	trial.Seat
	rig     *rig
	wrapper []string // a command line that runs the program's, or nothing

	process *os.Process
	ended   chan struct{}
	err     error
	running atomic.Bool
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOn(t, nil, nil)
}

// newRigOn puts each node's directory where dir says, which gets the rig's, and the
// nodes into a network. Both may be nil. Others may change the market's row.
func newRigOn(t *testing.T, dir func(dir string, node int) string, on *network, change ...func(*genesis.Market)) *rig {
	t.Helper()
	seed := *seeded
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	r := &rig{t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 1)), network: on}
	places, err := trial.LoopbackPlaces(size)
	if err != nil {
		t.Fatal(err)
	}
	if on != nil {
		on.random = rand.New(rand.NewPCG(seed, 3))
		on.move(places)
	}
	g, err := genesis.Preset(genesis.ProfileCustom)
	if err != nil {
		t.Fatal(err)
	}
	row := &g.Markets[0]
	row.QuorumThresholdPpm = 600_000 // two oracles of three
	row.MaxPendingPerMeter, row.MaxLiveReadings = oracle.MaxPendingPerMeter, oracle.MaxLiveReadings
	for _, f := range change {
		f(row)
	}
	plan := trial.Plan{Name: "faults", Dir: r.dir, Places: places, Genesis: g, Oracles: 3}
	if dir != nil {
		plan.NodeDir = func(node int) string { return dir(r.dir, node) }
	}
	r.committee, err = trial.Found(plan)
	if err != nil {
		t.Fatal(err)
	}
	for i, seat := range r.committee.Seats {
		n := &node{Seat: seat, rig: r}
		if on != nil {
			n.wrapper = on.inside(i)
		}
		r.nodes = append(r.nodes, n)
	}
	if r.watchers, err = r.committee.Watchers(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.clear)
	for _, n := range r.nodes {
		n.start()
	}
	r.ready()
	return r
}

// clear ends what still runs, and shows the logs after a failure.
func (r *rig) clear() {
	for _, n := range r.nodes {
		if n.running.Load() {
			_ = n.process.Signal(syscall.SIGCONT)
			n.kill()
		}
		if r.t.Failed() {
			r.t.Logf("the end of %s's log:\n%s", n.Name, n.tail(25))
		}
	}
	for _, w := range r.watchers {
		w.Close()
	}
}

// clockFile says by how many milliseconds the node's clock is off, to a program that
// was built for it.
func (n *node) clockFile() string { return filepath.Join(n.rig.dir, n.Name+".clock") }

func (n *node) logFile() string { return filepath.Join(n.rig.dir, n.Name+".log") }

func (n *node) tail(lines int) string {
	text, err := os.ReadFile(n.logFile())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// start runs the node's process, under its wrapper and in its namespace.
func (n *node) start() {
	n.rig.t.Helper()
	if n.running.Load() {
		n.rig.t.Fatalf("%s runs already", n.Name)
	}
	line := append(slices.Clone(n.wrapper),
		binary, "serve", "--dir", n.Dir, "--genesis", n.rig.committee.File, "--ops-addr", n.Ops,
		"--checks-per-second", "1000000", "--connections-per-address", "1024",
	)
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.rig.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "TALLYVAULT_WRONG_CLOCK="+n.clockFile())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	n.ended = make(chan struct{})
	ended, started := n.ended, make(chan error, 1)
	go func() {
		// Pdeathsig goes by thread: it must live as long as the process.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			n.err = cmd.Wait()
			n.running.Store(false)
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		n.rig.t.Fatalf("starting %s: %v", n.Name, err)
	}
	n.process = cmd.Process
	n.running.Store(true)
}

// kill ends the process without warning.
func (n *node) kill() {
	_ = n.process.Kill()
	<-n.ended
}

func (n *node) pause()  { n.signal(syscall.SIGSTOP) }
func (n *node) resume() { n.signal(syscall.SIGCONT) }

func (n *node) signal(s syscall.Signal) {
	n.rig.t.Helper()
	if err := n.process.Signal(s); err != nil {
		n.rig.t.Fatalf("signalling %s: %v", n.Name, err)
	}
}

// gone waits until the process has ended by itself, and gives how.
func (n *node) gone(bound time.Duration) error {
	n.rig.t.Helper()
	select {
	case <-n.ended:
		return n.err
	case <-time.After(bound):
		n.rig.t.Fatalf("%s has not ended within %v", n.Name, bound)
		return nil
	}
}

// halt stops all nodes in order.
func (r *rig) halt() {
	r.t.Helper()
	for _, n := range r.nodes {
		n.signal(syscall.SIGTERM)
	}
	for _, n := range r.nodes {
		if err := n.gone(stopWithin); err != nil {
			r.t.Errorf("%s did not stop in order: %v", n.Name, err)
		}
	}
}

// ask gets a node's own view of itself.
func (r *rig) ask(i int) (api.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	return r.watchers[i].Status(ctx)
}

// ready waits until all nodes serve.
func (r *rig) ready() {
	r.t.Helper()
	for i, n := range r.nodes {
		within(r.t, readyWithin, n.Name+" gets ready", func() error {
			if !n.running.Load() {
				r.t.Fatalf("%s has ended: %v", n.Name, n.err)
			}
			s, err := r.ask(i)
			if err == nil && !s.Ready {
				err = fmt.Errorf("not ready: %v", s.Reasons)
			}
			return err
		})
	}
}

// leader is the node that leads.
func (r *rig) leader() *node {
	r.t.Helper()
	var found *node
	within(r.t, readyWithin, "somebody leads", func() error {
		for i, n := range r.nodes {
			if s, err := r.ask(i); err == nil && s.Role == "leader" && s.Ready {
				found = n
				return nil
			}
		}
		return errors.New("nobody does")
	})
	return found
}

// tallyvault runs the program and demands that it is content.
func (r *rig) tallyvault(args ...string) string {
	r.t.Helper()
	cmd := exec.Command(binary, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		r.t.Errorf("tallyvault %s: %v\n%s%s", strings.Join(args, " "), err, out, &complaint)
	}
	return string(out)
}
