package proof

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"
	"golang.org/x/mod/sumdb/tlog"
)

var update = flag.Bool("update", false, "rewrite golden files and the example of the interop module")

// testOrigin has the form of a real origin: cluster, then era.
const testOrigin = "3f5a0c7e9b1d2648af0e5c3b7d9142e6/0-0000000000000000000000000000000000000000000000000000000000000000"

// A fixture is a log of a few leaves and a committee, the same in every run.
type fixture struct {
	policy Policy
	log    ed25519.PrivateKey
	nodes  []ed25519.PrivateKey
	leaves [][]byte
}

// testKey makes a private key from a number.
func testKey(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = n + byte(i)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func newFixture(nodes, k, leaves int) *fixture {
	f := &fixture{log: testKey(100), policy: Policy{Origin: testOrigin, LogKey: publicKey(testKey(100)), K: k}}
	for n := range nodes {
		key := testKey(byte(n + 1))
		f.nodes = append(f.nodes, key)
		name := fmt.Sprintf("node-%c", 'a'+n)
		if n >= 26 {
			name = fmt.Sprintf("node-%d", n)
		}
		f.policy.Witnesses = append(f.policy.Witnesses, Witness{
			Name: name, KeyName: "cosigner." + name, Key: publicKey(key), URL: "https://" + name + ".example:8443",
		})
	}
	for i := range leaves {
		leaf := fmt.Sprintf(`{"kind":"settlement","number":"%d","market":"energy","net":"%d"}`, i, 1000*i+7)
		if i%3 == 1 {
			// Command frames are not text.
			leaf = "\x02\x00\xff\x01" + leaf
		}
		f.leaves = append(f.leaves, []byte(leaf))
	}
	return f
}

// ReadHashes serves tlog from the leaves themselves, slowly and simply.
func (f *fixture) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		level, n := tlog.SplitStoredHashIndex(i)
		out = append(out, slowRoot(f.hashes()[n<<level:(n+1)<<level]))
	}
	return out, nil
}

func (f *fixture) hashes() []tlog.Hash {
	var out []tlog.Hash
	for _, leaf := range f.leaves {
		out = append(out, tlog.RecordHash(leaf))
	}
	return out
}

func (f *fixture) checkpoint() Checkpoint {
	return Checkpoint{Origin: f.policy.Origin, Size: uint64(len(f.leaves)), Root: RootOf(f.hashes())}
}

// note signs the checkpoint with the log key and the first signers nodes.
func (f *fixture) note(t testing.TB, signers ...int) []byte {
	t.Helper()
	line, err := SignLog(f.policy.Origin, f.log, f.checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	return Assemble(f.checkpoint(), line, f.cosignatures(signers...))
}

func (f *fixture) cosignatures(signers ...int) []Cosignature {
	var cosigs []Cosignature
	for _, n := range signers {
		cosigs = append(cosigs, Cosign(f.policy.Witnesses[n].KeyName, f.nodes[n], 1_760_000_000+uint64(n), f.checkpoint()))
	}
	return cosigs
}

// receipt is the proof of leaf i, cosigned by the given nodes.
func (f *fixture) receipt(t testing.TB, i int, signers ...int) []byte {
	t.Helper()
	path, err := tlog.ProveRecord(int64(len(f.leaves)), int64(i), f)
	if err != nil {
		t.Fatal(err)
	}
	return FormatProof(f.leaves[i], uint64(i), path, f.note(t, signers...))
}

// golden compares bytes with a file, or rewrites the file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// The example of the interop module is made here and verified there, by a program
// that shares no code with this one.
func TestInteropExample(t *testing.T) {
	f := newFixture(4, 3, 13)
	dir := filepath.Join("..", "..", "interop", "testdata", "example")
	golden(t, filepath.Join(dir, "policy"), f.policy.Format())
	for i, signers := range map[int][]int{0: {0, 1, 2}, 4: {3, 1, 0}, 7: {0, 1, 2, 3}, 12: {1, 2, 3}} {
		golden(t, filepath.Join(dir, fmt.Sprintf("receipt-%d.tlog-proof", i)), f.receipt(t, i, signers...))
	}
}

// So is a change of the committee: the transition meets the policy of either side.
func TestInteropChange(t *testing.T) {
	l := newLife(t)
	dir := filepath.Join("..", "..", "interop", "testdata", "change")
	step := l.steps[0]
	for side, committee := range map[string]int{"before": 0, "after": 1} {
		golden(t, filepath.Join(dir, side, "policy"), l.policyOf(committee).Format())
		golden(t, filepath.Join(dir, side, "decided.tlog-proof"), step.Decided)
	}
	golden(t, filepath.Join(dir, "after", "effective.tlog-proof"), step.Effective)
}
