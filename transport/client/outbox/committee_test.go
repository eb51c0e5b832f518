package outbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

const energy = "energy"

func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("outbox " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

// committee is the real state machine behind a door of a few lines, without network
// or Raft: what an outbox can meet of a cluster, in one process and in simulated time.
type committee struct {
	t testing.TB
	g *genesis.Signed

	mu       sync.Mutex
	m        *fsm.Machine
	cut      *fsm.Cut
	outcomes map[fsm.Identity]*fsm.Outcome
	accepted map[string]int // readings accepted for a meter's moment
	credited map[string]int // of these, how many closed as a baseline or were settled
	events   []api.Event
	final    uint64
	moved    chan struct{} // closed when there is another event
	salt     byte
	attested uint64
	nonce    uint64 // of the oracles
}

func found(t testing.TB, meters int) *committee {
	t.Helper()
	g, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.CreatedAt, g.AdminThreshold = "committee", time.Now().UnixMilli(), 1
	g.Markets[0].MaxPendingPerMeter = 3
	for i := range 3 {
		name := fmt.Sprintf("node-%c", 'a'+i)
		g.Nodes = append(g.Nodes, genesis.Node{
			Name: name, NodeKey: publicOf(keyOf(name)), CosignerKey: publicOf(keyOf(name + " cosigner")),
			SealingKey:  publicOf(keyOf(name + " sealing")),
			PeerAddress: fmt.Sprintf("127.0.0.1:%d", 7000+i), APIAddress: fmt.Sprintf("https://127.0.0.1:%d", 8000+i),
		})
	}
	for _, p := range []struct{ name, role string }{
		{"ann", genesis.RoleAdmin}, {"olga", genesis.RoleOracle}, {"sunny", genesis.RoleProvider}, {"city", genesis.RolePayer},
	} {
		key := keyOf(p.name)
		possession := genesis.Possession{Principal: p.name, Role: p.role, Key: publicOf(key)}
		g.Principals = append(g.Principals, genesis.Principal{Principal: p.name, Role: p.role, PublicKey: publicOf(key), Proof: possession.Prove(key)})
	}
	g.OracleWeights = []genesis.OracleWeight{{Market: energy, Oracle: "olga", Weight: 1}}
	c := &committee{t: t, outcomes: map[fsm.Identity]*fsm.Outcome{}, accepted: map[string]int{}, credited: map[string]int{}, moved: make(chan struct{})}
	if c.g, err = genesis.Assemble(rand.Reader, g); err != nil {
		t.Fatal(err)
	}
	if c.m, err = fsm.New(c.g); err != nil {
		t.Fatal(err)
	}
	c.tick()
	rows := make([]fsm.MeterRow, meters)
	for i := range rows {
		rows[i] = fsm.MeterRow{Meter: meterOf(i), Provider: "sunny", Payer: "city", Capacity: 1 << 40, IntervalMs: 1_800_000, Decimals: 3}
	}
	c.threshold(&fsm.RegisterMeters{Market: energy, Meters: rows})
	c.threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1 << 40}, Reference: "bank"})
	return c
}

func meterOf(i int) string { return fmt.Sprintf("meter-%d", i) }

func (c *committee) signer(who string) client.Signer {
	return client.Signer{Key: keyOf(who), Cluster: c.g.Cluster}
}

func (c *committee) threshold(cmd any) {
	c.t.Helper()
	c.salt++
	e, err := c.signer("ann").BuildThreshold(cmd, [16]byte{c.salt}, time.Now(), time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.submit(e); r.Err != nil {
		c.t.Fatal(r.Err)
	}
}

// apply is a log's work; the lock is held.
func (c *committee) apply(e *fsm.Entry) *fsm.Result {
	e.Number, e.At = c.m.Number()+1, time.Now().UnixMilli()
	raw := e.Encode()
	decoded, err := fsm.DecodeEntry(raw)
	if err != nil {
		c.t.Fatal(err)
	}
	fsm.VerifyCommands(rand.Reader, c.m.Keys(), decoded.Commands)
	r := c.m.Apply(raw, decoded)
	if r.Refused {
		c.t.Fatal("an entry was refused")
	}
	if r.Frozen != nil {
		c.m.SupplyDigest(r.Frozen.Digest())
	}
	if r.Cut != nil {
		c.cut = r.Cut
	}
	c.tell(decoded, r)
	return r
}

// tell makes the events of an entry.
func (c *committee) tell(e *fsm.Entry, r *fsm.Result) {
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if o.Unconsumed {
			continue
		}
		c.outcomes[o.ID] = o
		worded := wordsOf(o)
		event := api.Event{Kind: api.EventOutcome, Leaf: api.Uint64(o.Leaf), Outcome: &worded}
		if b, ok := e.Commands[i].Body().(*fsm.SubmitReading); ok && o.Refusal == nil {
			event.Kind = api.EventAccepted
			c.accepted[fmt.Sprintf("%s %d", b.Meter, b.MeasuredAt)]++
		}
		c.events = append(c.events, event)
	}
	for _, receipt := range r.Receipts {
		text := r.Leaves[receipt.Leaf-r.FirstLeaf]
		switch b := receipt.Body.(type) {
		case *fsm.SettlementReceipt:
			c.credited[fmt.Sprintf("%s %d", b.Meter, b.ToMeasuredAt)]++
		case *fsm.ReadingReceipt:
			if b.Status == "baseline" {
				c.credited[fmt.Sprintf("%s %d", b.Meter, b.MeasuredAt)]++
			}
		}
		c.events = append(c.events, api.Event{Kind: receipt.Kind, Leaf: api.Uint64(receipt.Leaf), Receipt: json.RawMessage(text)})
	}
	close(c.moved)
	c.moved = make(chan struct{})
}

func wordsOf(o *fsm.Outcome) api.Outcome {
	out := api.Outcome{ID: o.ID.String(), Command: o.Type.String(), Accepted: o.Refusal == nil, At: o.At, Leaf: api.Uint64(o.Leaf)}
	fields := o.Result
	if o.Refusal != nil {
		out.Code, out.Cause, fields = string(o.Refusal.Code), o.Refusal.Code.Cause(), o.Refusal.Fields
	}
	named := map[string]string{}
	for _, f := range fields {
		named[f.Name] = f.Value
	}
	if o.Refusal == nil {
		out.Result = named
	} else {
		out.Fields = named
	}
	return out
}

// tick lets a second pass by the rules: clocks, a cut, and what k have cosigned.
func (c *committee) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &fsm.Entry{Cut: true}
	v := c.m.View()
	for i := range 2 {
		st := fsm.Statement{Node: uint8(i), At: time.Now().UnixMilli()}
		message := fsm.StatementMessage(c.g.Cluster, v.Era(), v.Tick()+1, st.At)
		copy(st.Sig[:], ed25519.Sign(keyOf(fmt.Sprintf("node-%c", 'a'+i)), message))
		e.Statements = append(e.Statements, st)
	}
	var size uint64
	if c.cut != nil {
		size = c.cut.Size
		e.Cosigned = &fsm.Cosigned{Cut: c.cut.Number}
		checkpoint := proof.Checkpoint{Origin: c.g.Origin(), Size: c.cut.Size, Root: c.cut.Root}
		for i := range 2 {
			sig := fsm.Cosignature{Node: uint8(i), Time: uint64(time.Now().Unix())}
			copy(sig.Sig[:], ed25519.Sign(keyOf(fmt.Sprintf("node-%c cosigner", 'a'+i)), proof.CosignedMessage(sig.Time, checkpoint)))
			e.Cosigned.Signatures = append(e.Cosigned.Signatures, sig)
		}
	}
	r := c.apply(e)
	if size > c.final {
		c.final = size
		c.events = append(c.events, api.Event{
			Kind: api.EventCheckpoint, Leaf: api.Uint64(r.FirstLeaf), Checkpoint: &api.Checkpoint{Size: api.Uint64(size)},
		})
	}
}

// attest lets the oracle accept what is pending.
func (c *committee) attest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.m.View().Oracle().LastNumber(energy)
	if last == c.attested {
		return
	}
	cmd := &fsm.Attest{Market: energy}
	hash := sha256.New()
	for n := c.attested + 1; n <= last; n++ {
		id, ok := c.m.View().Oracle().Identity(energy, n)
		if !ok {
			c.t.Fatalf("reading %d has no identity", n)
		}
		hash.Write(id[:])
	}
	cmd.Ranges = []fsm.AttestedRange{{From: c.attested + 1, To: last, Hash: [32]byte(hash.Sum(nil))}}
	c.nonce++
	e, err := c.signer("olga").Build(cmd, "0", c.nonce, time.Now(), time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	if r := c.submit(e); r.Err != nil {
		c.t.Fatal(r.Err)
	}
	c.attested = last
}

// submit is a door and its leader; the lock is held.
func (c *committee) submit(e envelope.Envelope) client.Result {
	command, refusal := fsm.FromEnvelope(e)
	if refusal == nil {
		refusal = command.Refused()
	}
	if refusal != nil {
		return client.Result{Err: wordedRefusal(refusal)}
	}
	if o, ok := c.outcomes[command.Identity()]; ok {
		return resultOf(o)
	}
	if refusal := c.m.View().Check(command); refusal != nil {
		return client.Result{Err: wordedRefusal(refusal)}
	}
	return resultOf(&c.apply(&fsm.Entry{Commands: []*fsm.Command{command}}).Outcomes[0])
}

func resultOf(o *fsm.Outcome) client.Result {
	r := client.Result{Outcome: wordsOf(o)}
	if o.Refusal != nil {
		refused := wordedRefusal(o.Refusal)
		refused.Logged = true
		r.Err = refused
	}
	return r
}

func wordedRefusal(r *fsm.Refusal) *client.Refused {
	fields := map[string]string{}
	for _, f := range r.Fields {
		fields[f.Name] = f.Value
	}
	return &client.Refused{Code: string(r.Code), Detail: r.Error(), Cause: r.Code.Cause(), Fields: fields, Status: 409}
}

// link is one process' way to the committee. It can lose requests and answers, and
// dies with the process.
type link struct {
	*committee
	ahead time.Duration // of the process' clock, until it is told better
	// met is called at every step; one that is not nil loses the rest of the step.
	met func(where string) error

	mu     sync.Mutex
	offset time.Duration
}

// Now implements Cluster.
func (l *link) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.ahead + l.offset)
}

// correct does what a client does when it is told the time.
func (l *link) correct(r client.Result) {
	var refusal *client.Refused
	if !errors.As(r.Err, &refusal) || refusal.Code != "TimestampSkew" && refusal.Code != "Expired" {
		return
	}
	var now int64
	if _, err := fmt.Sscan(refusal.Fields["now"], &now); err != nil {
		l.t.Errorf("%v tells no time", refusal)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offset = time.Until(time.UnixMilli(now)) - l.ahead
}

// SubmitBatch implements Cluster.
func (l *link) SubmitBatch(_ context.Context, envelopes []envelope.Envelope) []client.Result {
	results := make([]client.Result, len(envelopes))
	for i, e := range envelopes {
		if l.met("request") != nil {
			results[i].Err = client.ErrUnavailable
			continue
		}
		l.committee.mu.Lock()
		results[i] = l.committee.submit(e)
		l.committee.mu.Unlock()
		if l.met("answer") != nil {
			results[i] = client.Result{Err: client.ErrUnknown}
			continue
		}
		l.correct(results[i])
	}
	return results
}

// LastNonce implements Cluster.
func (l *link) LastNonce(_ context.Context, key envelope.KeyID, lane string) (nonce, entry uint64, err error) {
	if err := l.met("lanes"); err != nil {
		return 0, 0, client.ErrUnavailable
	}
	l.committee.mu.Lock()
	defer l.committee.mu.Unlock()
	v := l.m.View()
	return v.Lane(key, lane), v.Number(), nil
}

// OutcomeSince implements Cluster.
func (l *link) OutcomeSince(_ context.Context, id envelope.Identity, _ uint64) (client.Outcome, error) {
	if err := l.met("outcome"); err != nil {
		return client.Outcome{}, client.ErrUnavailable
	}
	l.committee.mu.Lock()
	defer l.committee.mu.Unlock()
	o, ok := l.outcomes[id]
	if !ok {
		return client.Outcome{}, &client.Refused{Code: "NotFound", Status: 404}
	}
	r := resultOf(o)
	return r.Outcome, r.Err
}

// FinalSize implements Cluster.
func (l *link) FinalSize(context.Context) (uint64, error) {
	if err := l.met("checkpoint"); err != nil {
		return 0, client.ErrUnavailable
	}
	l.committee.mu.Lock()
	defer l.committee.mu.Unlock()
	return l.final, nil
}

// Follow implements Cluster.
func (l *link) Follow(ctx context.Context, _ client.EventFilter, after uint64) iter.Seq2[client.Event, error] {
	return func(yield func(client.Event, error) bool) {
		for next := 0; ; {
			l.committee.mu.Lock()
			events, moved := l.events[next:], l.moved
			next += len(events)
			l.committee.mu.Unlock()
			for _, e := range events {
				if uint64(e.Leaf) <= after && e.Checkpoint == nil {
					continue
				}
				if l.met("event") != nil {
					<-ctx.Done()
					yield(client.Event{}, ctx.Err())
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			select {
			case <-moved:
			case <-ctx.Done():
				yield(client.Event{}, ctx.Err())
				return
			}
		}
	}
}
