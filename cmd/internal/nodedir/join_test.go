package nodedir

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// A node that genesis does not name comes in by the command that names it, which its
// directory keeps.
func TestJoin(t *testing.T) {
	dirs, g := found(t)
	path := filepath.Join(t.TempDir(), "node")
	if _, err := Init(path, seat(3), "", rand.Reader); err != nil {
		t.Fatal(err)
	}
	open := func() *Dir {
		d, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	_, err := d.Adopt(g)
	wantError(t, err, "does not name the key of this node")

	file, err := os.ReadFile(filepath.Join(path, statementFile))
	if err != nil {
		t.Fatal(err)
	}
	statement, n, err := genesis.ReadNodeStatement(file)
	if err != nil {
		t.Fatal(err)
	}
	logKey, err := g.OpenLogKey(dirs[0].Statement.Name, dirs[0].Sealing.Seed)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := genesis.SealLogKey(rand.Reader, logKey, n)
	if err != nil {
		t.Fatal(err)
	}
	command := func(salt byte, cluster [16]byte) string {
		now := time.Now().UnixMilli()
		body := fsm.ReplaceNode{Old: dirs[1].Statement.Name, Node: statement, SealedLogKey: sealed, ThresholdHeader: fsm.ThresholdHeader{
			Cluster: cluster, Era: "0-" + "0000000000000000000000000000000000000000000000000000000000000000", IssuedAt: now, ExpiresAt: now + 1000, Salt: [16]byte{salt},
		}}
		_, tag, _ := fsm.NewPayload("replace_node")
		e := envelope.Envelope{PayloadType: tag.PayloadType(), Payload: strict.Encode(body)}
		e.Signatures = []envelope.Signature{envelope.Sign(dirs[0].Node.Ed25519(), e.PayloadType, e.Payload)}
		path := filepath.Join(t.TempDir(), "replace.json")
		if err := os.WriteFile(path, e.JSON(), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wantError(t, dirs[0].AdoptJoin(command(1, g.Cluster)), "not the node of")

	if err := d.AdoptJoin(command(1, g.Cluster)); err != nil {
		t.Fatal(err)
	}
	if own, err := d.Adopt(g); err != nil || own.Hash != g.Hash {
		t.Fatalf("adopted %v, %v", own, err)
	}
	again := open()
	if err := again.AdoptJoin(""); err != nil || again.Join == nil || again.Join.Old != dirs[1].Statement.Name {
		t.Fatalf("the second start: %+v, %v", again.Join, err)
	}
	if _, err := again.Adopt(nil); err != nil {
		t.Fatal(err)
	}
	wantError(t, open().AdoptJoin(command(2, g.Cluster)), "another replace_node command already")
}
