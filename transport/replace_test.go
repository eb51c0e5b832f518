package transport_test

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/cloudflare/circl/dh/x25519"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/transport/api"
)

// replace stops node i and puts a new node into its place.
func (c *threeNodes) replace(i int, name string) {
	c.t.Helper()
	old := c.Nodes[i]
	c.Stop(i)
	n := &oneNode{
		Name: name, nodeKey: keyOf(name), cosignerKey: keyOf(name + " cosigner"), dir: filepath.Join(filepath.Dir(old.dir), name),
		sealing: sha256.Sum256([]byte("sealing " + name)),
	}
	peer, door := listen(c.t), listen(c.t)
	n.URL = "https://" + door.Addr().String()
	var sealing x25519.Key
	secret := x25519.Key(n.sealing)
	x25519.KeyGen(&sealing, &secret)
	statement := genesis.Node{
		Name: name, NodeKey: publicOf(n.nodeKey), CosignerKey: publicOf(n.cosignerKey), SealingKey: sealing,
		PeerAddress: peer.Addr().String(), APIAddress: n.URL,
	}
	signed, err := genesis.SignNode(statement, n.nodeKey, n.cosignerKey)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, _, err := genesis.ReadNodeStatement(signed.JSON())
	if err != nil {
		c.t.Fatal(err)
	}
	logKey, err := c.Genesis.OpenLogKey("node-a", c.Nodes[0].sealing)
	if err != nil {
		c.t.Fatal(err)
	}
	sealed, err := genesis.SealLogKey(rand.Reader, logKey, statement)
	if err != nil {
		c.t.Fatal(err)
	}
	body := fsm.ReplaceNode{Old: old.Name, Node: raw, SealedLogKey: sealed}
	body.Cluster = c.Genesis.Cluster
	n.join = &cluster.Join{Command: body}
	c.Threshold(&body)
	c.Nodes[i] = n
	c.run(i, peer, door)
	c.Until(name+" being of the committee", func() bool {
		m, known := n.Cluster.View().MemberNamed(name)
		return known && m.Standing() == fsm.Active
	})
}

// A client that knows genesis alone follows a change of the committee: it verifies the
// chain, and so trusts the new node and its receipts.
func TestReplacedNodeIsTrustedByTheChain(t *testing.T) {
	c := start(t, nil)
	c.World()
	before := c.Threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1}, Reference: "before"})
	c.replace(2, "node-d")
	after := c.Threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1}, Reference: "after"})
	c.Until("the change being proven", func() bool {
		steps, _, err := c.Nodes[2].Cluster.PolicyChain()
		return err == nil && len(steps) == 1
	})

	cl := c.Client("ada", 2)
	var nodes api.Nodes
	if err := cl.Get(c.Context(), "/v1/nodes", nil, &nodes); err != nil {
		t.Fatal(err)
	}
	var standings []string
	for _, n := range nodes.Nodes {
		standings = append(standings, fmt.Sprintf("%d %s %s", n.Seat, n.Node, n.Standing))
	}
	if got := fmt.Sprint(standings); got != "[0 node-a active 1 node-b active 2 node-c retired 3 node-d active]" {
		t.Errorf("nodes %s", got)
	}
	var chain api.PolicyChain
	if err := cl.Get(c.Context(), "/v1/policy", url.Values{"format": {"json"}}, &chain); err != nil {
		t.Fatal(err)
	}
	h, err := chain.History(c.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	if len(chain.Changes) != 1 || chain.Changes[0].New != "node-d" || chain.Changes[0].Standing != proof.PolicyEffective ||
		chain.Policy != string(h.Newest().Policy.Format()) || uint64(*chain.Changes[0].Ended)+1 != h.Newest().From {
		t.Errorf("changes %+v, policy from %d", chain.Changes, h.Newest().From)
	}
	for _, o := range []api.Outcome{before, after} {
		file, err := cl.Receipt(c.Context(), uint64(o.Leaf))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.VerifyProof(file); err != nil {
			t.Errorf("leaf %d: %v", o.Leaf, err)
		}
		// The genesis alone may do, or is said to be too old.
		if _, err := proof.VerifyProof(c.Genesis.Policy(), file); err != nil {
			alone, _ := proof.VerifyChain(c.Genesis.Policy(), nil)
			_, err := alone.VerifyProof(file)
			if _, stale := errors.AsType[*proof.StaleError](err); !stale {
				t.Errorf("leaf %d, by genesis alone: %v", o.Leaf, err)
			}
		}
	}
}
