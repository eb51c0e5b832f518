package nodedir

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/cmd/internal/founding"
	"github.com/tallyvault/tallyvault/cmd/internal/statement"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

func seat(i int) Seat {
	return Seat{
		Name: fmt.Sprintf("node-%d", i), PeerAddress: fmt.Sprintf("127.0.0.1:%d", 7000+i),
		APIAddress: fmt.Sprintf("https://127.0.0.1:%d", 8000+i),
	}
}

// found makes three node directories and a genesis that all have signed.
func found(t *testing.T) (dirs []*Dir, g *genesis.Signed) {
	t.Helper()
	preset, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := statement.New(key, [16]byte{}, "alice", "admin")
	if err != nil {
		t.Fatal(err)
	}
	founder, err := admin.Founder()
	if err != nil {
		t.Fatal(err)
	}
	p := founding.Plan{Name: "test", Preset: preset, AdminThreshold: 1, Principals: []genesis.Principal{founder}}
	for i := range 3 {
		path := filepath.Join(t.TempDir(), "node")
		n, err := Init(path, seat(i), "", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Open(path, nil)
		if err != nil || d.Statement != n {
			t.Fatalf("opened %+v, %v", d, err)
		}
		dirs, p.Nodes = append(dirs, d), append(p.Nodes, n)
	}
	if g, err = founding.Assemble(p, time.Now(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if g, err = founding.Sign(g, d.Node.Ed25519()); err != nil {
			t.Fatal(err)
		}
	}
	return dirs, g
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestFirstStartAdoptsAndLaterOnesNeedNothing(t *testing.T) {
	dirs, g := found(t)
	d := dirs[0]
	_, err := d.Adopt(nil)
	wantError(t, err, "no genesis yet")
	for _, given := range []*genesis.Signed{g, nil, g} {
		own, err := d.Adopt(given)
		if err != nil || own.Hash != g.Hash {
			t.Fatalf("adopted %v, %v", own, err)
		}
	}
}

func TestAdoptRefuses(t *testing.T) {
	dirs, g := found(t)
	others, other := found(t)
	d := dirs[0]

	_, err := d.Adopt(other)
	wantError(t, err, "does not name the key of this node")

	partly := *g
	partly.Envelope.Signatures = g.Envelope.Signatures[:2]
	_, err = d.Adopt(&partly)
	wantError(t, err, "not signed by node node-2")

	mixed := *d
	mixed.Sealing = others[0].Sealing
	_, err = mixed.Adopt(g)
	wantError(t, err, "other cosigner or sealing keys")

	if _, err := d.Adopt(g); err != nil {
		t.Fatal(err)
	}
	// The same nodes in another cluster.
	again := g.Genesis
	again.Name = "another"
	unsigned, err := genesis.Unsigned(again)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range dirs {
		if unsigned, err = founding.Sign(unsigned, n.Node.Ed25519()); err != nil {
			t.Fatal(err)
		}
	}
	_, err = d.Adopt(unsigned)
	wantError(t, err, "a directory stays with its cluster")
}

func TestDamagedGenesisAndForgottenDataAreRefused(t *testing.T) {
	dirs, g := found(t)
	d := dirs[0]
	if _, err := d.Adopt(g); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.Path, "genesis.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Adopt(nil); err == nil {
		t.Error("a damaged genesis was taken")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(d.Path, "journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = d.Adopt(g)
	wantError(t, err, "a cluster's data")
}

func TestInitRefuses(t *testing.T) {
	dirs, _ := found(t)
	_, err := Init(dirs[0].Path, seat(0), "", rand.Reader)
	wantError(t, err, "holds a node already")

	for want, s := range map[string]Seat{
		"node name":    {Name: "Node", PeerAddress: "h:1", APIAddress: "https://h"},
		"peer_address": {Name: "node", PeerAddress: "h", APIAddress: "https://h"},
		"api_address":  {Name: "node", PeerAddress: "h:1", APIAddress: "http://h"},
	} {
		path := filepath.Join(t.TempDir(), "node")
		_, err := Init(path, s, "", rand.Reader)
		wantError(t, err, want)
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: something was left behind", want)
		}
	}
}

func TestOpenRefusesMixedAndOpenFiles(t *testing.T) {
	dirs, _ := found(t)
	mine, theirs := filepath.Join(dirs[0].Path, "keys", "cosigner.key"), filepath.Join(dirs[1].Path, "keys", "cosigner.key")
	if err := os.Rename(theirs, mine); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dirs[0].Path, nil)
	wantError(t, err, "mixed")
	if err := os.Chmod(filepath.Join(dirs[2].Path, "keys", "node.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dirs[2].Path, nil)
	wantError(t, err, "chmod 600")
	_, err = Open(t.TempDir(), nil)
	wantError(t, err, "tallyvault node init")
}
