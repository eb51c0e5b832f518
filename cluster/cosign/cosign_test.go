package cosign

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

const origin = "cluster/0"

// tree is a journal in memory.
type tree struct{ hashes []tlog.Hash }

func grown(leaves ...string) *tree {
	t := &tree{}
	for i, leaf := range leaves {
		stored, err := tlog.StoredHashes(int64(i), []byte(leaf), t)
		if err != nil {
			panic(err)
		}
		t.hashes = append(t.hashes, stored...)
	}
	return t
}

func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x >= int64(len(t.hashes)) {
			return nil, errors.New("no such hash")
		}
		out[i] = t.hashes[x]
	}
	return out, nil
}

func (t *tree) Root(size uint64) (tlog.Hash, error) { return tlog.TreeHash(int64(size), t) }

func (t *tree) ProveTree(size, old uint64) (tlog.TreeProof, error) {
	return tlog.ProveTree(int64(size), int64(old), t)
}

func (t *tree) checkpoint(tb testing.TB, size uint64) proof.Checkpoint {
	root, err := t.Root(size)
	if err != nil {
		tb.Fatal(err)
	}
	return proof.Checkpoint{Origin: origin, Size: size, Root: root}
}

func newKey(tb testing.TB) ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return private
}

func public(k ed25519.PrivateKey) [32]byte { return [32]byte(k[ed25519.SeedSize:]) }

func newSigner(t *testing.T) (*Signer, string, ed25519.PrivateKey) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "signed.json")
	if err := Create(path, origin); err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	s, err := Open(path, origin, "cluster/a", key)
	if err != nil {
		t.Fatal(err)
	}
	return s, path, key
}

// The rules of signing, each also after the file was read again.
func TestSigner(t *testing.T) {
	honest := grown("a", "b", "c", "d", "e", "f", "g")
	// forked shares only the first two leaves with the honest tree.
	forked := grown("a", "b", "X", "d", "e", "f", "g")
	mixed := honest.checkpoint(t, 5)
	mixed.Root = forked.checkpoint(t, 5).Root
	foreign := honest.checkpoint(t, 6)
	foreign.Origin = "cluster/1"
	for _, tc := range []struct {
		name string
		cp   proof.Checkpoint
		tree *tree
		want error // nil: it is signed
	}{
		{"a larger tree that continues", honest.checkpoint(t, 6), honest, nil},
		{"the same again", honest.checkpoint(t, 4), honest, nil},
		{"a smaller tree", honest.checkpoint(t, 3), honest, ErrOlder},
		{"another root at the same size", forked.checkpoint(t, 4), forked, ErrContradiction},
		{"a larger tree that does not continue", forked.checkpoint(t, 6), forked, ErrContradiction},
		{"a root that the journal does not have", mixed, honest, ErrContradiction},
		{"another origin", foreign, honest, errAny},
		{"a size that the journal does not reach", proof.Checkpoint{Origin: origin, Size: 9}, honest, errAny},
		{"an empty journal", proof.Checkpoint{Origin: origin}, honest, ErrOlder},
	} {
		for _, reopened := range []bool{false, true} {
			s, path, key := newSigner(t)
			if _, err := s.Sign(honest.checkpoint(t, 4), 1, honest); err != nil {
				t.Fatal(err)
			}
			if reopened {
				var err error
				if s, err = Open(path, origin, "cluster/a", key); err != nil {
					t.Fatal(err)
				}
			}
			before := s.Last()
			sig, err := s.Sign(tc.cp, 1_760_000_000, tc.tree)
			switch {
			case tc.want == nil && (err != nil || !sig.Verify(public(key), tc.cp) || s.Last() != tc.cp):
				t.Errorf("%s (reopened %v): %v", tc.name, reopened, err)
			case tc.want != nil && (err == nil || !errors.Is(tc.want, errAny) && !errors.Is(err, tc.want)):
				t.Errorf("%s (reopened %v): %v, want %v", tc.name, reopened, err, tc.want)
			case tc.want != nil && (s.Last() != before || sig != proof.Cosignature{}):
				t.Errorf("%s (reopened %v): refused, but something was signed or remembered", tc.name, reopened)
			}
		}
	}
}

var errAny = errors.New("any error")

// What cannot be remembered is not signed.
func TestSignerWritesFirst(t *testing.T) {
	s, path, _ := newSigner(t)
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	honest := grown("a", "b")
	if sig, err := s.Sign(honest.checkpoint(t, 2), 1, honest); err == nil || sig != (proof.Cosignature{}) {
		t.Errorf("signed without a file: %v", err)
	}
	if s.Last().Size != 0 {
		t.Error("remembered without a file")
	}
}

// A missing, foreign or damaged file keeps the node from starting, and an existing
// one is not overwritten.
func TestOpenRefuses(t *testing.T) {
	s, path, key := newSigner(t)
	honest := grown("a", "b")
	if _, err := s.Sign(honest.checkpoint(t, 2), 1, honest); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, origin); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(path, origin, "cluster/a", key); err != nil || again.Last().Size != 2 {
		t.Errorf("after Create on an existing file: %v", err)
	}
	if _, err := Open(path, "cluster/1", "cluster/a", key); err == nil {
		t.Error("another origin's file is opened")
	}
	for _, content := range []string{"", "{", `{"origin":"cluster/0","size":"2","root":"00"}`, `{"origin":"cluster/0","size":"-1","root":""}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, origin, "cluster/a", key); err == nil {
			t.Errorf("%q is opened", content)
		}
	}
	// Any one bit of a whole file.
	if err := save(path, s.Last()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * (len(whole) - 1) { // the last byte ends the line
		altered := bytes.Clone(whole)
		altered[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(path, altered, 0o600); err != nil {
			t.Fatal(err)
		}
		if again, err := Open(path, origin, "cluster/a", key); err == nil && again.Last() != s.Last() {
			t.Errorf("%q is opened", altered)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, origin, "cluster/a", key); err == nil {
		t.Error("a missing file is taken for a new node's")
	}
}

// committee signs notes.
type committee struct {
	log  ed25519.PrivateKey
	keys []ed25519.PrivateKey
	proof.Policy
}

func newCommittee(t *testing.T) *committee {
	c := &committee{log: newKey(t)}
	c.Policy = proof.Policy{Origin: origin, LogKey: public(c.log), K: 2}
	for _, name := range []string{"a", "b", "c"} {
		key := newKey(t)
		c.keys = append(c.keys, key)
		c.Witnesses = append(c.Witnesses, proof.Witness{Name: name, KeyName: "cluster/" + name, Key: public(key), URL: "https://" + name})
	}
	return c
}

func (c *committee) note(t *testing.T, cp proof.Checkpoint, signers ...int) []byte {
	t.Helper()
	line, err := proof.SignLog(origin, c.log, cp)
	if err != nil {
		t.Fatal(err)
	}
	var sigs []proof.Cosignature
	for _, i := range signers {
		sigs = append(sigs, proof.Cosign(c.Witnesses[i].KeyName, c.keys[i], 5, cp))
	}
	return proof.Assemble(cp, line, sigs)
}

// policyAt is the same for all sizes.
func (c committee) policyAt(uint64) proof.Policy { return c.Policy }

func TestPublication(t *testing.T) {
	c := newCommittee(t)
	path := filepath.Join(t.TempDir(), "checkpoint")
	p, err := OpenPublication(path, c.policyAt)
	if err != nil || p.Newest().Note != nil {
		t.Fatalf("a new publication: %v, %+v", err, p)
	}
	honest, forked := grown("a", "b", "c"), grown("a", "X", "c")
	for _, step := range []struct {
		name string
		note []byte
		news bool
		bad  bool
		size uint64
		by   int
	}{
		{"the first", c.note(t, honest.checkpoint(t, 2), 0, 1), true, false, 2, 2},
		{"the same", c.note(t, honest.checkpoint(t, 2), 0, 1), false, false, 2, 2},
		{"more cosignatures", c.note(t, honest.checkpoint(t, 2), 0, 1, 2), true, false, 2, 3},
		{"fewer cosignatures", c.note(t, honest.checkpoint(t, 2), 1, 2), false, false, 2, 3},
		{"a larger one", c.note(t, honest.checkpoint(t, 3), 1, 2), true, false, 3, 2},
		{"a smaller one", c.note(t, honest.checkpoint(t, 2), 0, 1, 2), false, false, 3, 2},
		{"another root", c.note(t, forked.checkpoint(t, 3), 0, 1), false, true, 3, 2},
		{"another root with more signatures", c.note(t, forked.checkpoint(t, 3), 0, 1, 2), false, true, 3, 2},
	} {
		verified, err := Verify(c.policyAt, step.note)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		changed := p.Changed()
		news, err := p.Publish(verified)
		if news != step.news || (err != nil) != step.bad {
			t.Errorf("%s: news %v, %v", step.name, news, err)
		}
		select {
		case <-changed:
			if !step.news {
				t.Errorf("%s: woke those who wait", step.name)
			}
		default:
			if step.news {
				t.Errorf("%s: did not wake those who wait", step.name)
			}
		}
		if got := p.Newest(); got.Size != step.size || len(got.Cosigners) != step.by {
			t.Errorf("%s: size %d by %v", step.name, got.Size, got.Cosigners)
		}
		reopened, err := OpenPublication(path, c.policyAt)
		if err != nil || !bytes.Equal(reopened.Newest().Note, p.Newest().Note) {
			t.Errorf("%s: reopened: %v", step.name, err)
		}
	}
	if _, err := Verify(c.policyAt, c.note(t, honest.checkpoint(t, 3), 1)); err == nil {
		t.Error("a note below the threshold is verified")
	}
	if err := os.WriteFile(path, c.note(t, honest.checkpoint(t, 3), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPublication(path, c.policyAt); err == nil {
		t.Error("a file that does not meet the policy is opened")
	}
}
