package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// slowRoot is RFC 6962 section 2.1 as it is written there.
func slowRoot(hashes []tlog.Hash) tlog.Hash {
	switch len(hashes) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return hashes[0]
	}
	k := 1
	for k*2 < len(hashes) {
		k *= 2
	}
	left, right := slowRoot(hashes[:k]), slowRoot(hashes[k:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// memory stores hashes as tlog wants them.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, m[i])
	}
	return out, nil
}

func TestEdgeAgainstTlogAndTheRFC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "leaves")
		var edge Edge
		var stored memory
		var hashes []tlog.Hash
		for i := range n {
			h := tlog.RecordHash([]byte{byte(i), byte(i >> 8)})
			want, err := tlog.StoredHashesForRecordHash(int64(i), h, stored)
			if err != nil {
				t.Fatal(err)
			}
			other := edge
			got := edge.AppendStored(nil, h)
			if !slices.Equal(got, want) {
				t.Fatalf("leaf %d completes %v, want %v", i, got, want)
			}
			stored = append(stored, got...)
			hashes = append(hashes, h)
			if other.Append(h); other != edge {
				t.Fatalf("Append and AppendStored of leaf %d differ", i)
			}
		}
		want, err := tlog.TreeHash(int64(n), stored)
		if err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string]tlog.Hash{"edge": edge.Root(), "list": RootOf(hashes), "RFC": slowRoot(hashes)} {
			if got != want {
				t.Fatalf("root of %d leaves by %s = %v, want %v", n, what, got, want)
			}
		}
		again, err := NewEdge(edge.Size(), edge.Hashes())
		if err != nil || again != edge {
			t.Fatalf("edge of %d leaves does not come back: %v", n, err)
		}
	})
}

func TestEdgeIsAValue(t *testing.T) {
	var a Edge
	for i := range 5 {
		a.Append(tlog.RecordHash([]byte{byte(i)}))
	}
	b := a
	before := a.Root()
	b.Append(tlog.RecordHash([]byte("other")))
	if a.Root() != before || a.Size() != 5 || b.Size() != 6 {
		t.Error("appending to a copy changed the original")
	}
	if n := testing.AllocsPerRun(10, func() { c := a; c.Append(before); before = c.Root() }); n != 0 {
		t.Errorf("copying and appending allocates %v times", n)
	}
}

func TestNewEdgeRefuses(t *testing.T) {
	h := make([]tlog.Hash, 60)
	for _, c := range []struct {
		size uint64
		n    int
	}{{0, 1}, {1, 0}, {5, 1}, {5, 3}, {MaxSize + 1, 2}, {1 << 63, 1}} {
		if _, err := NewEdge(c.size, h[:c.n]); err == nil {
			t.Errorf("an edge of %d leaves was made from %d hashes", c.size, c.n)
		}
	}
	full, err := NewEdge(MaxSize, h[:1])
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a leaf was appended to a full tree")
		}
	}()
	full.Append(h[0])
}

// rfcVectors are the well-known leaves and roots of RFC 6962 trees that the
// Certificate Transparency code bases share.
var rfcVectors = struct {
	leaves, roots []string
}{
	leaves: []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"},
	roots: []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	},
}

func checkVectors(t *testing.T, leaves, roots []string) {
	t.Helper()
	if len(roots) != len(leaves)+1 {
		t.Fatalf("%d leaves with %d roots", len(leaves), len(roots))
	}
	var edge Edge
	for n, want := range roots {
		if root := edge.Root(); hex.EncodeToString(root[:]) != want {
			t.Errorf("root of %d leaves = %x, want %s", n, root, want)
		}
		if n < len(leaves) {
			leaf, err := hex.DecodeString(leaves[n])
			if err != nil {
				t.Fatal(err)
			}
			edge.Append(tlog.RecordHash(leaf))
		}
	}
}

func TestRFC6962Vectors(t *testing.T) { checkVectors(t, rfcVectors.leaves, rfcVectors.roots) }

func TestSharedRFC6962Vectors(t *testing.T) {
	dir := os.Getenv("TALLYVAULT_TESTDATA")
	if dir == "" {
		t.Skip("TALLYVAULT_TESTDATA is not set: the shared RFC 6962 vectors were not checked")
	}
	text, err := os.ReadFile(filepath.Join(dir, "vectors", "rfc6962", "merkle_rfc6962.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Leaves []string `json:"leaf_inputs_hex"`
		Roots  []string `json:"root_hashes_hex_by_size"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	checkVectors(t, v.Leaves, v.Roots)
}

func BenchmarkEdgeAppend(b *testing.B) {
	var edge Edge
	h := tlog.RecordHash([]byte("leaf"))
	for b.Loop() {
		edge.Append(h)
	}
}
