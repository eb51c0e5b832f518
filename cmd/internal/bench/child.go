package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopWithin is how long a node may take to stop in order.
const stopWithin = 20 * time.Second

// checksPerSecond is what the nodes allow this machine's address: more than
// any machine can verify.
const checksPerSecond = 10_000_000

// child is a node's process.
type child struct {
	name, dir, ops string

	process *os.Process
	ended   chan struct{} // closed when the process is reaped
	err     error         // how it ended
	life    usage         // what it used in its life, known when it is reaped
}

// start runs all nodes. One that ends while ctx lasts ends the run: fail is
// called with the reason.
func (s *site) start(ctx context.Context, c Config, fail context.CancelCauseFunc) error {
	for _, n := range s.nodes {
		log, err := os.OpenFile(filepath.Join(n.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		cmd := exec.Command(c.Program, "serve", "--dir", n.dir, "--genesis", s.File, "--ops-addr", n.ops,
			"--checks-per-second", strconv.Itoa(checksPerSecond), "--connections-per-address", strconv.Itoa(2*MaxClients))
		cmd.Args[0] = "tallyvault"
		cmd.Env, cmd.Stdout, cmd.Stderr = withoutSettings(os.Environ()), log, log
		err = n.run(cmd, func() {
			if ctx.Err() == nil {
				fail(fmt.Errorf("%s ended by itself (%w); its log is %s", n.name, n.err, log.Name()))
			}
		})
		if err := errors.Join(err, log.Close()); err != nil {
			return fmt.Errorf("starting %s: %w", n.name, err)
		}
	}
	return nil
}

// withoutSettings leaves out what would be settings of the nodes: they were
// meant for this process.
func withoutSettings(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		if !strings.HasPrefix(entry, "TALLYVAULT_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// run starts the process and reaps it on one thread, see apart.
func (n *child) run(cmd *exec.Cmd, gone func()) error {
	n.ended = make(chan struct{})
	started := make(chan error, 1)
	go func() {
		cmd.SysProcAttr = apart()
		if err := cmd.Start(); err != nil {
			close(n.ended)
			started <- err
			return
		}
		n.process = cmd.Process
		started <- nil
		n.err = cmd.Wait()
		n.life.cpuSeconds = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		close(n.ended)
		gone()
	}()
	return <-started
}

// stop ends all nodes and returns when all are reaped.
func (s *site) stop() error {
	errs := make([]error, len(s.nodes))
	var all sync.WaitGroup
	for i, n := range s.nodes {
		if n.process != nil {
			all.Go(func() { errs[i] = n.stop() })
		}
	}
	all.Wait()
	return errors.Join(errs...)
}

func (n *child) stop() error {
	if err := n.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", n.name, err)
	}
	select {
	case <-n.ended:
		if n.err != nil {
			return fmt.Errorf("%s did not end in order: %w", n.name, n.err)
		}
		return nil
	case <-time.After(stopWithin):
	}
	err := n.process.Kill()
	<-n.ended
	return errors.Join(fmt.Errorf("%s did not stop within %v and was killed", n.name, stopWithin), err)
}
