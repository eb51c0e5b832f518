package vectors

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/sign/ed25519"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/transport/client"
)

const (
	started = 1_764_000_000_000 // 2025-11-24T16:00:00Z
	minute  = 60_000
	market  = "energy"
)

// people are the principals of genesis, in its order.
var people = []struct{ name, role string }{
	{"ann", genesis.RoleAdmin},
	{"ben", genesis.RoleAdmin},
	{"olga", genesis.RoleOracle},
	{"omar", genesis.RoleOracle},
	{"sunny", genesis.RoleProvider},
	{"windy", genesis.RoleProvider},
	{"city", genesis.RolePayer},
}

// world is a committee of three whose every key is known, and its history.
type world struct {
	t       testing.TB
	genesis *genesis.Signed
	machine *fsm.Machine
	entries [][]byte
	leaves  [][]byte
	hashes  []tlog.Hash // as tlog stores them
	nonces  map[string]uint64
	salts   byte
	now     int64
	cut     *fsm.Cut
}

// seedOf derives a seed from a name, so that a world is the same in every run.
func seedOf(name string) [32]byte { return sha256.Sum256([]byte("tallyvault vectors: " + name)) }

func keyOf(name string) ed25519.PrivateKey {
	seed := seedOf(name)
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(key ed25519.PrivateKey) [32]byte { return [32]byte(key.Public().(ed25519.PublicKey)) }

// stream is a fixed stream of bytes for what genesis draws.
type stream struct{ n uint64 }

func (s *stream) Read(p []byte) (int, error) {
	for i := 0; i < len(p); s.n++ {
		block := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("tallyvault vectors stream"), s.n))
		i += copy(p[i:], block[:])
	}
	return len(p), nil
}

func found(t testing.TB) *genesis.Signed {
	g, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.CreatedAt, g.AdminThreshold = "vectors", started, 2
	g.Markets[0].MaxPendingPerMeter = 2
	for i := range 3 {
		name := fmt.Sprintf("node-%c", 'a'+i)
		sealing, secret := x25519.Key{}, x25519.Key(seedOf(name+" sealing"))
		x25519.KeyGen(&sealing, &secret)
		g.Nodes = append(g.Nodes, genesis.Node{
			Name: name, NodeKey: publicOf(keyOf(name)), CosignerKey: publicOf(keyOf(name + " cosigner")), SealingKey: sealing,
			PeerAddress: name + ".example:7101", APIAddress: "https://" + name + ".example:7201",
		})
	}
	for _, p := range people {
		key := keyOf(p.name)
		possession := genesis.Possession{Principal: p.name, Role: p.role, Key: publicOf(key)}
		g.Principals = append(g.Principals, genesis.Principal{
			Principal: p.name, Role: p.role, PublicKey: publicOf(key), Proof: possession.Prove(key),
		})
		if p.role == genesis.RoleOracle {
			g.OracleWeights = append(g.OracleWeights, genesis.OracleWeight{Market: market, Oracle: p.name, Weight: 1})
		}
	}
	signed, err := genesis.Assemble(new(stream), g)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range g.Nodes {
		if err := signed.Sign(keyOf(n.Name)); err != nil {
			t.Fatal(err)
		}
	}
	return signed
}

// newWorld is the history that the vectors take place in: two meters, a baseline
// and a settled reading of roof-1, and two readings of full-1 that wait.
func newWorld(t testing.TB) *world {
	w := &world{t: t, genesis: found(t), nonces: map[string]uint64{}, now: started}
	w.machine = w.fresh()
	w.tick()
	w.must(
		w.threshold(&fsm.RegisterMeters{Market: market, Meters: []fsm.MeterRow{
			{Meter: "full-1", Provider: "sunny", Payer: "city", Capacity: 5_000, IntervalMs: 30 * minute, Decimals: 3},
			{Meter: "mill-1", Provider: "windy", Payer: "city", Capacity: 5_000, IntervalMs: 30 * minute, Decimals: 3},
			{Meter: "roof-1", Provider: "sunny", Payer: "city", Capacity: 5_000, IntervalMs: 30 * minute, Decimals: 3},
		}}),
		w.threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 100_000}, Reference: "bank 2025-11-24/1"}),
	)
	first := w.reading("roof-1", 1_000_000, started-60*minute)
	second := w.reading("roof-1", 1_001_500, started-30*minute)
	w.must(first)
	w.must(second)
	for _, oracle := range []string{"olga", "omar"} {
		w.must(w.attest(oracle, first, second))
	}
	w.must(w.reading("full-1", 500, started-90*minute))
	w.must(w.reading("full-1", 700, started-60*minute))
	w.now += 1_000
	w.tick()
	w.now += 1_000
	w.tick()
	return w
}

func (w *world) fresh() *fsm.Machine {
	m, err := fsm.New(w.genesis)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// twin is an independent machine at the end of the same history.
func (w *world) twin() *fsm.Machine {
	m := w.fresh()
	for _, raw := range w.entries {
		e, err := fsm.DecodeEntry(raw)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Apply(raw, e)
	}
	return m
}

// judge applies one command to the end of the history, in a world of its own.
func (w *world) judge(c *fsm.Command) fsm.Outcome {
	w.t.Helper()
	m := w.twin()
	e := &fsm.Entry{Number: m.Number() + 1, At: w.now, Commands: []*fsm.Command{c}}
	return m.Apply(e.Encode(), e).Outcomes[0]
}

func (w *world) apply(e *fsm.Entry) *fsm.Result {
	w.t.Helper()
	e.Number, e.At = w.machine.Number()+1, w.now
	raw := e.Encode()
	r := w.machine.Apply(raw, e)
	if r.Refused {
		w.t.Fatalf("entry %d was refused", e.Number)
	}
	w.entries = append(w.entries, raw)
	for _, leaf := range r.Leaves {
		hashes, err := tlog.StoredHashes(int64(len(w.leaves)), leaf, w)
		if err != nil {
			w.t.Fatal(err)
		}
		w.leaves, w.hashes = append(w.leaves, leaf), append(w.hashes, hashes...)
	}
	if r.Cut != nil {
		w.cut = r.Cut
	}
	return r
}

// ReadHashes implements tlog.HashReader.
func (w *world) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, w.hashes[i])
	}
	return out, nil
}

func (w *world) tick() {
	w.t.Helper()
	w.tickCosigned(nil)
}

// tickCosigned lets a tick pass whose header carries cosignatures.
func (w *world) tickCosigned(cosigned *fsm.Cosigned) {
	w.t.Helper()
	e := &fsm.Entry{Cut: true, Cosigned: cosigned}
	for i := range w.genesis.Nodes[:2] {
		s := fsm.Statement{Node: uint8(i), At: w.now}
		v := w.machine.View()
		copy(s.Sig[:], ed25519.Sign(keyOf(w.genesis.Nodes[i].Name), fsm.StatementMessage(v.Cluster(), v.Era(), v.Tick()+1, s.At)))
		e.Statements = append(e.Statements, s)
	}
	w.apply(e)
}

// must applies commands that have to be accepted.
func (w *world) must(commands ...*fsm.Command) {
	w.t.Helper()
	for _, o := range w.apply(&fsm.Entry{Commands: commands}).Outcomes {
		if o.Refusal != nil {
			w.t.Fatalf("%s: %v", o.Type, o.Refusal)
		}
	}
}

func (w *world) signer(name string) client.Signer {
	return client.Signer{Key: keyOf(name), Cluster: w.genesis.Cluster}
}

func (w *world) command(e envelope.Envelope) *fsm.Command {
	w.t.Helper()
	c, refusal := fsm.FromEnvelope(e)
	if refusal != nil {
		w.t.Fatal(refusal)
	}
	return c
}

// threshold signs as ann and ben.
func (w *world) threshold(body any) *fsm.Command {
	w.t.Helper()
	w.salts++
	e, err := w.signer("ann").BuildThreshold(body, [16]byte{w.salts}, at(w.now), hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.command(w.signer("ben").AddSignature(e))
}

func (w *world) single(who string, body any, lane string) *fsm.Command {
	w.t.Helper()
	w.nonces[who+lane]++
	e, err := w.signer(who).Build(body, lane, w.nonces[who+lane], at(w.now), hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.command(e)
}

func (w *world) reading(meter string, register uint64, measuredAt int64) *fsm.Command {
	w.t.Helper()
	return w.single("sunny", &fsm.SubmitReading{
		Market: market, Meter: meter, Register: register, MeasuredAt: measuredAt,
		Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
	}, "m/"+meter)
}

func (w *world) attest(oracle string, readings ...*fsm.Command) *fsm.Command {
	w.t.Helper()
	return w.single(oracle, &fsm.Attest{Market: market, Ranges: []fsm.AttestedRange{
		{From: 1, To: uint64(len(readings)), Hash: rangeHash(readings...)},
	}}, "0")
}

// rangeHash is SHA-256 over the identities of readings in order of their numbers.
func rangeHash(readings ...*fsm.Command) [32]byte {
	var all bytes.Buffer
	for _, c := range readings {
		id := c.Identity()
		all.Write(id[:])
	}
	return sha256.Sum256(all.Bytes())
}

// checkpoint is that of the newest cut.
func (w *world) checkpoint() proof.Checkpoint {
	return proof.Checkpoint{Origin: w.genesis.Origin(), Size: w.cut.Size, Root: w.cut.Root}
}

// cosign is a node's cosignature on the newest cut.
func (w *world) cosign(node string) proof.Cosignature {
	return proof.Cosign(w.genesis.ClusterID()+"/"+node, keyOf(node+" cosigner"), uint64(w.now/1000), w.checkpoint())
}

// note signs the newest cut as the log and as some nodes.
func (w *world) note(nodes ...string) []byte {
	w.t.Helper()
	log, err := w.genesis.OpenLogKey("node-a", seedOf("node-a sealing"))
	if err != nil {
		w.t.Fatal(err)
	}
	line, err := proof.SignLog(w.genesis.Origin(), log, w.checkpoint())
	if err != nil {
		w.t.Fatal(err)
	}
	var cosignatures []proof.Cosignature
	for _, node := range nodes {
		cosignatures = append(cosignatures, w.cosign(node))
	}
	return proof.Assemble(w.checkpoint(), line, cosignatures)
}

// receipt is the proof of a leaf under the newest cut.
func (w *world) receipt(leaf uint64, nodes ...string) []byte {
	w.t.Helper()
	path, err := tlog.ProveRecord(int64(w.cut.Size), int64(leaf), w)
	if err != nil {
		w.t.Fatal(err)
	}
	return proof.FormatProof(w.leaves[leaf], leaf, path, w.note(nodes...))
}

// leafOf finds the last receipt of a kind below the newest cut.
func (w *world) leafOf(kind string) uint64 {
	w.t.Helper()
	for i := int64(w.cut.Size) - 1; i >= 0; i-- {
		if w.leaves[i][0] != fsm.LeafReceipt {
			continue
		}
		if got, _, err := fsm.ParseReceipt(w.leaves[i]); err == nil && got == kind {
			return uint64(i)
		}
	}
	w.t.Fatalf("no %s receipt", kind)
	return 0
}

func public(name string) []byte { key := publicOf(keyOf(name)); return key[:] }

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
