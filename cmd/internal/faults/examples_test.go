package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client/keytext"
)

// The drill of the example programs: what two gateways in other languages measured
// in twelve hours without a network.
const (
	offline     = 12 * time.Hour
	halfHour    = 30 * time.Minute
	later       = 2 // half-hours that come when the disk is lost
	room        = 4 // pending readings of a meter
	drillWithin = 4 * time.Minute
	wrongBy     = 3 * time.Hour
)

// drill is the rig with its programs.
type drill struct {
	*rig
	programs []*program
	since    time.Time
}

func newDrill(t *testing.T, meters int) *drill {
	t.Helper()
	r := newRigOn(t, nil, nil, func(row *genesis.Market) {
		row.MaxPendingPerMeter, row.DisputeWindowBlocks = room, 3
	})
	d := &drill{rig: r, since: time.Now().Add(-offline - (later+1)*halfHour).Truncate(time.Millisecond)}
	for name, find := range map[string]func() ([]string, func(time.Duration) []string, error){"python": python, "nodejs": nodejs} {
		line, askew, err := find()
		if err != nil {
			t.Logf("SKIPPED: %s: %v", name, err)
			continue
		}
		p := &program{name: name, rig: r, line: line, askew: askew, measured: map[measured]uint64{}}
		p.outbox, p.key = filepath.Join(r.dir, name, "outbox"), filepath.Join(r.dir, name+".key")
		d.enrol(p, meters)
		d.programs = append(d.programs, p)
	}
	if len(d.programs) == 0 {
		t.Skip("SKIPPED: neither python3 with the package cryptography nor node")
	}
	return d
}

// enrol brings a program's provider and meters into the cluster.
func (d *drill) enrol(p *program, meters int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	who, err := d.committee.Enrol(ctx, d.watchers[0], p.name)
	if err != nil {
		d.t.Fatal(err)
	}
	key, err := keytext.FromSeed(keyfile.Ed25519, [32]byte(who.Key.Seed()))
	if err == nil {
		err = errors.Join(keyfile.Write(p.key, key, ""), os.Mkdir(filepath.Dir(p.outbox), 0o700))
	}
	if err != nil {
		d.t.Fatal(err)
	}
	var rows []fsm.MeterRow
	for m := range meters {
		name := fmt.Sprintf("%s-%s-%03d", p.name, who.Suffix, m)
		p.meters = append(p.meters, name)
		rows = append(rows, fsm.MeterRow{
			Meter: name, Provider: who.Provider, Payer: who.Payer, Capacity: capacity, IntervalMs: halfHour.Milliseconds(), Decimals: decimals,
		})
	}
	if err := d.committee.RegisterMeters(ctx, d.watchers[0], market, rows); err != nil {
		d.t.Fatal(err)
	}
}

// begin lets all programs do something at a time; what it returns waits for them.
func (d *drill) begin(what string, do func(p *program) error) (wait func()) {
	began := time.Now()
	var group errgroup.Group
	for _, p := range d.programs {
		group.Go(func() error { return do(p) })
	}
	return func() {
		d.t.Helper()
		if err := group.Wait(); err != nil {
			d.t.Fatalf("%s: %v", what, err)
		}
		d.t.Logf("%s: %v", what, time.Since(began).Round(10*time.Millisecond))
	}
}

func (d *drill) each(what string, do func(p *program) error) {
	d.t.Helper()
	d.begin(what, do)()
}

// taken says how many readings the market has taken, or none if nobody answers.
func (d *drill) taken() int {
	for _, w := range d.watchers {
		ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
		var list api.Markets
		err := w.Get(ctx, "/v1/markets", nil, &list)
		cancel()
		if err == nil && len(list.Markets) == 1 {
			return int(list.Markets[0].LastReading)
		}
	}
	return 0
}

// Gateways in Python and Node.js carry home what they measured while nothing could
// be reached, through kills of their own and of nodes, without room, with wrong
// clocks, and after the loss of their disks: none is lost, none counts twice.
func TestExamplePrograms(t *testing.T) {
	meters := 10
	if *full {
		meters = 200
	}
	d := newDrill(t, meters)
	const halfHours = int(offline / halfHour)
	for _, n := range d.nodes {
		n.kill()
	}
	d.each("twelve hours are stored", func(p *program) error { return p.measure(0, halfHours, d.since) })
	d.each("nobody is there", func(p *program) error {
		_, err := p.run(3, "", "send", "--for", "1")
		return err
	})
	for _, n := range d.nodes {
		n.start()
	}
	d.ready()
	total := len(d.programs) * meters * halfHours
	full := len(d.programs) * meters * room
	d.each("killed while sending", func(p *program) error {
		return p.killed(p.line, func() bool { return d.taken() >= full/3 }, "send", "--for", "600")
	})
	d.each("no room is left", func(p *program) error {
		var err error
		for range drillWithin / (5 * time.Second) {
			if _, err := p.run(3, "", "send", "--for", "5"); err != nil {
				return err
			}
			if err = p.waits(); err == nil {
				return nil
			}
		}
		return err
	})
	attesting, quiet := context.WithCancel(context.Background())
	var oracles errgroup.Group
	d.attest(attesting, &oracles)
	t.Cleanup(func() {
		quiet()
		_ = oracles.Wait()
	})
	wait := d.begin("sent, while the leader is killed", func(p *program) error {
		_, err := p.run(0, "", "send", "--for", "600")
		return err
	})
	d.awaitTaken(full + (total-full)/4)
	leader := d.leader()
	leader.kill()
	d.awaitTaken(full + (total-full)/2)
	leader.start()
	wait()
	d.ready()
	d.each("followed to their ends", (*program).follow)
	d.each("receipts", (*program).receipt)
	d.each("statements", (*program).statement)
	d.each("an impostor", d.impostor)
	d.each("a wrong clock, and the disk is lost", func(p *program) error { return d.loseDisk(p, halfHours, total) })
	d.settleExamples()
}

func (d *drill) awaitTaken(n int) {
	d.t.Helper()
	within(d.t, drillWithin, fmt.Sprintf("%d readings are taken", n), func() error {
		if have := d.taken(); have < n {
			return fmt.Errorf("%d are", have)
		}
		return nil
	})
}

// impostor repeats what a node says of itself from under another TLS key. A program
// must not tell it anything.
func (d *drill) impostor(p *program) error {
	nodes, err := d.watchers[0].GetBytes(context.Background(), "/v1/nodes", nil)
	if err != nil {
		return err
	}
	var told atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/nodes" || r.Header.Get("Authorization") != "" {
			told.Add(1)
		}
		_, _ = w.Write(nodes)
	}))
	defer server.Close()
	out, err := p.run(3, "", "get", "/v1/meters", "--node", server.URL)
	if err == nil && told.Load() > 0 {
		err = fmt.Errorf("%s trusted an impostor", p.name)
	}
	if err == nil {
		// The node itself, by the same way.
		out, err = p.run(0, "", "get", "/v1/meters?meter="+p.meters[0], "--node", d.committee.URLs[0])
	}
	if err == nil && !strings.Contains(out, p.meters[0]) {
		err = fmt.Errorf("%s reads %s", p.name, out)
	}
	return err
}

// loseDisk sends under a clock that is ahead, loses the outbox when some of it has
// arrived, and begins again with what the meters still know, under one that is behind.
func (d *drill) loseDisk(p *program, halfHours, before int) error {
	if err := p.measure(halfHours, later, d.since); err != nil {
		return err
	}
	err := p.killed(p.askew(wrongBy), func() bool { return d.taken() > before }, "send", "--for", "600")
	if err != nil && !errors.Is(err, errEnded) { // a quick one has sent everything
		return err
	}
	dir := filepath.Dir(p.outbox)
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	if err := p.measure(halfHours-1, later+1, d.since); err != nil {
		return err
	}
	if _, err := p.runAs(p.askew(-wrongBy), 0, "", "send", "--for", "280"); err != nil {
		return err
	}
	rows, err := p.show()
	for _, row := range rows {
		known := row.Fate == "refused" && row.Code == string(fsm.SettlementConflict) && strings.Contains(row.Detail, "closed")
		if err == nil && row.Fate != "accepted" && !known {
			err = fmt.Errorf("%s: reading %d of %s is %s %s %s", p.name, row.Seq, row.Meter, row.Fate, row.Code, row.Detail)
		}
	}
	return err
}

// settleExamples stops the nodes, counts in every journal what was measured, and has
// receipts verified by everybody without a network.
func (d *drill) settleExamples() {
	d.t.Helper()
	d.equal()
	d.halt()
	for _, n := range d.nodes {
		out := d.tallyvault("audit", "--genesis", d.committee.File, "--journal", filepath.Join(n.Dir, "journal"))
		if !strings.HasPrefix(out, "clean") {
			d.t.Errorf("audit of %s: %s", n.Name, out)
		}
		if err := d.count(filepath.Join(n.Dir, "journal")); err != nil {
			d.t.Errorf("%s: %v", n.Name, err)
		}
	}
	for _, reader := range d.programs {
		for _, p := range d.programs {
			args := []string{"--genesis", d.committee.File, "--chain", p.chainFile(), p.receiptFile(0), p.receiptFile(1)}
			if out, err := reader.run(0, "", "verify", args...); err != nil || strings.Count(out, ": verified, leaf ") != 2 {
				d.t.Errorf("%s verifies receipts of %s: %v\n%s", reader.name, p.name, err, out)
			}
		}
		own := reader.receiptFile(1)
		if out := d.tallyvault("receipt", "verify", "--policy", d.policyFile(), own); !strings.Contains(out, "1 verified, 0 refused") {
			d.t.Errorf("tallyvault verifies a receipt of %s: %s", reader.name, out)
		}
	}
}

func (d *drill) policyFile() string {
	d.t.Helper()
	file := filepath.Join(d.dir, "policy")
	if err := os.WriteFile(file, d.committee.Genesis.Policy().Format(), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return file
}

// count demands that a journal has taken each measurement once and nothing else, and
// that clocks and room were what had kept some.
func (d *drill) count(dir string) error {
	j, err := journal.OpenReadOnly(dir)
	if err != nil {
		return err
	}
	defer j.Close()
	taken, refused, next := map[measured][]uint64{}, map[fsm.Code]int{}, uint64(0)
	err = j.Leaves(0, j.Size(), func(_ uint64, leaf []byte) error {
		if leaf[0] != fsm.LeafCommand {
			return nil
		}
		record, err := j.Outcome(next)
		if err != nil {
			return err
		}
		next++
		c, err := fsm.ParseFrame(leaf[1:])
		if err != nil {
			return err
		}
		o, err := fsm.ParseOutcome(record)
		if err != nil {
			return err
		}
		if body, ok := c.Body().(*fsm.SubmitReading); ok && o.Refusal == nil {
			at := measured{body.Meter, body.MeasuredAt}
			taken[at] = append(taken[at], body.Register)
		} else if ok {
			refused[o.Refusal.Code]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range d.programs {
		for at, register := range p.measured {
			if got := taken[at]; len(got) != 1 || got[0] != register {
				return fmt.Errorf("meter %s at %d has the registers %v, want %d once", at.meter, at.at, got, register)
			}
			delete(taken, at)
		}
	}
	if len(taken) > 0 {
		return fmt.Errorf("%d readings that nobody measured", len(taken))
	}
	for _, code := range []fsm.Code{fsm.TimestampSkew, fsm.LimitExceeded} {
		if refused[code] == 0 {
			return fmt.Errorf("nothing was refused with %s: %v", code, refused)
		}
	}
	d.t.Logf("refused meanwhile: %v", refused)
	return nil
}
