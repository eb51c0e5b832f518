package vectors

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
)

// pinsFile is pins.json: statements of the keys of nodes' API certificates.
type pinsFile struct {
	Now  int64     `json:"now"`
	Good []goodPin `json:"good"`
	Bad  []badText `json:"bad"`
}

type goodPin struct {
	Node     string   `json:"node"`
	Pins     []string `json:"pins"`
	Envelope string   `json:"envelope"`
}

func TestVectorsPins(t *testing.T) {
	g := found(t)
	now := at(started)
	pins := []api.Pin{sha256.Sum256([]byte("the key in use")), sha256.Sum256([]byte("the next key"))}
	good := api.NewPins(g.Cluster, "node-b", pins, now).Sign(keyOf("node-b"))
	early := api.NewPins(g.Cluster, "node-b", pins, now.Add(20*365*24*time.Hour)).Sign(keyOf("node-b"))
	cases := pinsFile{Now: started}
	for _, e := range []envelope.Envelope{good, early} { // of whoever's clock is behind, too
		if _, err := api.VerifyPins(e, g.Cluster, api.KeysOf(g), now); err != nil {
			t.Error(err)
		}
		cases.Good = append(cases.Good, goodPin{"node-b", []string{pins[0].String(), pins[1].String()}, string(e.JSON())})
	}
	elsewhere := g.Cluster
	elsewhere[0] ^= 1
	two := good
	two.Signatures = append(two.Signatures[:1:1], envelope.Sign(keyOf("node-a"), good.PayloadType, good.Payload))
	altered := good
	altered.Payload = []byte(text(good.Payload).with(t, pins[0].String(), hex.EncodeToString(make([]byte, 32))))
	other := good
	other.PayloadType = genesis.NodePayloadType
	for _, c := range []struct {
		name, why string
		e         envelope.Envelope
	}{
		{"over", "a statement counts seven days and some minutes for clocks that differ", api.NewPins(g.Cluster, "node-b", pins, now.Add(-api.PinsLife-11*time.Minute)).Sign(keyOf("node-b"))},
		{"another cluster", "it is for another cluster", api.NewPins(elsewhere, "node-b", pins, now).Sign(keyOf("node-b"))},
		{"another node's key", "each node vouches for itself", api.NewPins(g.Cluster, "node-b", pins, now).Sign(keyOf("node-a"))},
		{"a node that is not", "the node is not of the committee", api.NewPins(g.Cluster, "node-x", pins, now).Sign(keyOf("node-b"))},
		{"no pins", "a statement names 1 to 4 keys", api.NewPins(g.Cluster, "node-b", []api.Pin{}, now).Sign(keyOf("node-b"))},
		{"five pins", "a statement names 1 to 4 keys", api.NewPins(g.Cluster, "node-b", make([]api.Pin, 5), now).Sign(keyOf("node-b"))},
		{"two signatures", "it is signed by its node alone", two},
		{"altered", "the signature is not one over this payload", altered},
		{"another payload type", "it is no statement of pins", other},
	} {
		if _, err := api.VerifyPins(c.e, g.Cluster, api.KeysOf(g), now); err == nil {
			t.Errorf("%s is taken for good", c.name)
		}
		cases.Bad = append(cases.Bad, badText{c.name, c.why, string(c.e.JSON())})
	}
	document(t, "pins.json", cases)
}

// tokenOf is an element of tokens.json: a token for reading. Whether a node takes it is
// tested where nodes are; here is how one is written.
type tokenOf struct {
	Signer   string          `json:"signer"`
	KeyID    string          `json:"key_id"`
	Cluster  string          `json:"cluster"`
	IssuedAt int64           `json:"issued_at_s"`
	LifeS    int64           `json:"life_s"`
	Header   json.RawMessage `json:"header"`
	Claims   json.RawMessage `json:"claims"`
	Token    string          `json:"token"`
}

func TestVectorsTokens(t *testing.T) {
	g := found(t)
	var tokens []tokenOf
	for _, c := range []struct {
		who  string
		life time.Duration
	}{{"sunny", api.MaxTokenLife}, {"olga", time.Minute}} {
		token, err := api.SignToken(keyOf(c.who), g.ClusterID(), at(started), c.life)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(token, ".")
		tokens = append(tokens, tokenOf{
			Signer: c.who, KeyID: envelope.KeyIDOf(public(c.who)).String(), Cluster: g.ClusterID(), IssuedAt: started / 1000,
			LifeS: int64(c.life / time.Second), Header: opened(t, parts[0]), Claims: opened(t, parts[1]), Token: token,
		})
	}
	document(t, "tokens.json", tokens)
}

func opened(t *testing.T, part string) json.RawMessage {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
