package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// program is a gateway in another language, with an outbox and meters of its own.
type program struct {
	name     string
	rig      *rig
	line     []string                        // runs it
	askew    func(by time.Duration) []string // runs it with a clock that is wrong
	outbox   string                          // a file; others lie beside it
	key      string                          // a file
	meters   []string
	measured map[measured]uint64 // register
}

// measured is what the cluster may take one reading for.
type measured struct {
	meter string
	at    int64
}

// example is the path of an example program. It is read, so that a result that the go
// command remembers is forgotten when the program changes.
func example(name string) (string, error) {
	file, err := filepath.Abs(filepath.Join("../../../deploy/examples", name))
	if err == nil {
		_, err = os.ReadFile(file)
	}
	return file, err
}

// python and nodejs find the languages.
func python() (line []string, askew func(time.Duration) []string, err error) {
	file, err := example("python/tallyvault.py")
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import cryptography").Run() == nil {
			return []string{name, file}, func(by time.Duration) []string {
				text := "import sys, time; sys.path.insert(0, %q); import tallyvault as t; sys.exit(t.main(sys.argv[1:], t.Clock(lambda: time.time() + %d)))"
				return []string{name, "-c", fmt.Sprintf(text, filepath.Dir(file), int(by.Seconds()))}
			}, nil
		}
	}
	return nil, nil, errors.New("no python3 with the package cryptography")
}

func nodejs() (line []string, askew func(time.Duration) []string, err error) {
	file, err := example("nodejs/tallyvault.mjs")
	if err != nil {
		return nil, nil, err
	}
	name, err := exec.LookPath("node")
	return []string{name, file}, func(by time.Duration) []string {
		text := "import { main, Clock } from %q; process.exitCode = await main(process.argv.slice(1), new Clock(() => Date.now() + %d));"
		return []string{name, "--input-type=module", "-e", fmt.Sprintf(text, file, by.Milliseconds()), "--"}
	}, err
}

func (p *program) start(line []string, input string, verb string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	line = append(append([]string{}, line...), verb, "--outbox", p.outbox)
	switch verb {
	case "send", "follow", "receipt", "statement", "get":
		line = append(line, "--genesis", p.rig.committee.File, "--key", p.key)
	}
	if verb == "verify" || verb == "get" { // which have no outbox
		line = append(line[:len(p.line)+1], line[len(p.line)+3:]...)
	}
	cmd := exec.Command(line[0], append(line[1:], args...)...)
	cmd.Env = append(cmd.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin = strings.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, &out, &said
}

// run runs the program to its end and demands an exit status.
func (p *program) run(status int, input string, verb string, args ...string) (string, error) {
	return p.runAs(p.line, status, input, verb, args...)
}

func (p *program) runAs(line []string, status int, input string, verb string, args ...string) (string, error) {
	cmd, out, said := p.start(line, input, verb, args...)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	timer := time.AfterFunc(drillWithin, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // the status is looked at
	timer.Stop()
	if cmd.ProcessState.ExitCode() != status {
		return "", fmt.Errorf("%s %s: %v, want exit status %d\n%s%s", p.name, verb, cmd.ProcessState, status, out, said)
	}
	return out.String() + said.String(), nil
}

var errEnded = errors.New("it ended before it could be killed")

// killed runs the program until done says so, and kills it with signal 9.
func (p *program) killed(line []string, done func() bool, verb string, args ...string) error {
	cmd, out, said := p.start(line, "", verb, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case err := <-ended:
			if err == nil {
				err = errEnded
			}
			return fmt.Errorf("%s %s: %w\n%s%s", p.name, verb, err, out, said)
		case <-tick.C:
		}
	}
	_ = cmd.Process.Kill()
	<-ended
	return nil
}

// measure stores half-hours from one on, and remembers what.
func (p *program) measure(first, count int, since time.Time) error {
	var lines strings.Builder
	for n := first; n < first+count; n++ {
		for _, meter := range p.meters {
			at := since.Add(time.Duration(n) * halfHour).UnixMilli()
			register := uint64(n+1) * step
			p.measured[measured{meter, at}] = register
			fmt.Fprintf(&lines, `{"meter":%q,"register":"%d","measured_at":%d}`+"\n", meter, register, at)
		}
	}
	_, err := p.run(0, lines.String(), "add")
	return err
}

// shown is a line of show --json.
type shown struct {
	Seq    int    `json:"seq"`
	Meter  string `json:"meter"`
	Fate   string `json:"fate"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Final  bool   `json:"final"`
	Done   bool   `json:"done"`
}

func (p *program) show() (rows []shown, err error) {
	out, err := p.run(0, "", "show", "--json")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		var row shown
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return nil, fmt.Errorf("%s show: %w: %s", p.name, err, line)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// waits demands that each meter has taken what it has room for, and that the next
// reading says for what it waits.
func (p *program) waits() error {
	rows, err := p.show()
	if err != nil {
		return err
	}
	waiting := 0
	for _, row := range rows {
		if row.Fate == "stored" && row.Code == string(fsm.LimitExceeded) && strings.Contains(row.Detail, "pending_per_meter") {
			waiting++
		}
	}
	if waiting != len(p.meters) {
		return fmt.Errorf("%s: %d readings wait for room, want one for each of %d meters", p.name, waiting, len(p.meters))
	}
	return nil
}

// follow waits for the ends: a baseline of each meter, and money for all the others.
func (p *program) follow() error {
	if _, err := p.run(0, "", "follow", "--until-done", "--for", "280"); err != nil {
		return err
	}
	rows, err := p.show()
	if err != nil {
		return err
	}
	baselines, released := 0, 0
	for _, row := range rows {
		switch {
		case row.Fate == "closed" && row.Detail == "baseline" && row.Final && row.Done:
			baselines++
		case row.Fate == "released" && row.Final && row.Done:
			released++
		default:
			return fmt.Errorf("%s: reading %d of %s is %s %s %s", p.name, row.Seq, row.Meter, row.Fate, row.Code, row.Detail)
		}
	}
	if baselines != len(p.meters) || baselines+released != len(p.measured) {
		return fmt.Errorf("%s: %d baselines and %d released of %d", p.name, baselines, released, len(p.measured))
	}
	return nil
}

func (p *program) receiptFile(reading int) string {
	return filepath.Join(filepath.Dir(p.key), fmt.Sprintf("%s-%d.tlog-proof", p.name, reading))
}

func (p *program) chainFile() string { return filepath.Join(filepath.Dir(p.key), p.name+".chain") }

// receipt fetches those of a baseline and of a settled reading.
func (p *program) receipt() error {
	for reading := range 2 {
		_, err := p.run(0, "", "receipt", strconv.Itoa(reading*len(p.meters)+1), "--out", p.receiptFile(reading), "--chain", p.chainFile())
		if err != nil {
			return err
		}
	}
	return nil
}

// statement demands that the cluster's sums are those of the outbox.
func (p *program) statement() error {
	out, err := p.run(0, "", "statement")
	if err == nil && (!strings.Contains(out, ", which agrees\n") || strings.Contains(out, "net 0,")) {
		err = fmt.Errorf("%s: %s", p.name, out)
	}
	return err
}
