package vectors

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// keyOfPerson is an element of keys.json: who holds which key, with everything that
// follows from the seed. Nobody may use these keys for anything else.
type keyOfPerson struct {
	Name       string        `json:"name"`
	Role       string        `json:"role"`
	Seed       string        `json:"seed"`
	PublicKey  string        `json:"public_key"`
	KeyID      string        `json:"key_id"`
	File       string        `json:"key_file"`
	Possession *possessionOf `json:"possession,omitempty"`
}

// possessionOf is the proof of possession that stands in genesis, for cluster zeros.
type possessionOf struct {
	PayloadType string `json:"payload_type"`
	Payload     string `json:"payload"`
	Signature   string `json:"signature"`
}

// badText is a file that must be refused, and what about it.
type badText struct {
	Name string `json:"name"`
	Why  string `json:"why"`
	Text string `json:"text"`
}

type keysFile struct {
	Good []keyOfPerson `json:"good"`
	Bad  []badText     `json:"bad_key_files"`
}

func keyFile(name string) string {
	seed := seedOf(name)
	id := envelope.KeyIDOf(public(name))
	return fmt.Sprintf("tallyvault-key v1 ed25519\n# %s, key id %s\nid %s\npublic %x\nseed %x\n", name, id, id, public(name), seed)
}

func TestVectorsKeys(t *testing.T) {
	var keys keysFile
	for _, p := range people {
		possession := genesis.Possession{Principal: p.name, Role: p.role, Key: publicOf(keyOf(p.name))}
		proof := possession.Prove(keyOf(p.name))
		keys.Good = append(keys.Good, personOf(p.name, p.role, &possessionOf{
			PayloadType: genesis.PossessionPayloadType, Payload: string(strict.Encode(possession)), Signature: hex.EncodeToString(proof[:]),
		}))
	}
	for _, n := range []string{"node-a", "node-b", "node-c", "node-d"} { // the last joins in chain.json
		keys.Good = append(keys.Good, personOf(n, "node", nil), personOf(n+" cosigner", "cosigner", nil))
	}
	good := keyFile("sunny")
	edit := func(old, changed string) string { return string(text(good).with(t, old, changed)) }
	other := hex.EncodeToString(public("windy"))
	keys.Bad = []badText{
		{"another format", "the first line is not one of a private key file", edit("tallyvault-key v1", "tallyvault-key v2")},
		{"seed of somebody else", "the public key does not follow from the seed", edit(seedHex("sunny"), seedHex("windy"))},
		{"public key of somebody else", "id and public key do not belong together", edit("public "+hex.EncodeToString(public("sunny")), "public "+other)},
		{"capitals", "hex is in lower case", edit("seed "+seedHex("sunny"), "seed "+strings.ToUpper(seedHex("sunny")))},
		{"cut off", "the last line has no end", good[:len(good)-1]},
		{"a line too many", "nothing follows the seed", good + "seed " + seedHex("windy") + "\n"},
		{"under a passphrase", "an age file must be opened first: age -d FILE", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"},
	}
	document(t, "keys.json", keys)
}

func seedHex(name string) string { seed := seedOf(name); return hex.EncodeToString(seed[:]) }

func personOf(name, role string, possession *possessionOf) keyOfPerson {
	return keyOfPerson{
		Name: name, Role: role, Seed: seedHex(name), PublicKey: hex.EncodeToString(public(name)),
		KeyID: envelope.KeyIDOf(public(name)).String(), File: keyFile(name), Possession: possession,
	}
}

// genesisFile is genesis_cases.json: what follows from genesis.json, and files like it
// that must be refused.
type genesisFile struct {
	Cluster string    `json:"cluster"`
	Hash    string    `json:"hash"`
	Origin  string    `json:"origin"`
	Era     string    `json:"era"`
	Policy  string    `json:"policy"`
	Nodes   []nodeOf  `json:"nodes"`
	Bad     []badText `json:"bad"`
}

type nodeOf struct {
	Node         string `json:"node"`
	NodeKey      string `json:"node_key"`
	NodeKeyID    string `json:"node_key_id"`
	CosignerKey  string `json:"cosigner_key"`
	CosignerName string `json:"cosigner_name"`
	APIAddress   string `json:"api_address"`
}

func TestVectorsGenesis(t *testing.T) {
	g := found(t)
	m := newWorld(t).machine.View()
	cases := genesisFile{
		Cluster: g.ClusterID(), Hash: hex.EncodeToString(g.Hash[:]), Origin: g.Origin(), Era: m.Era(), Policy: string(g.Policy().Format()),
	}
	for _, n := range g.Nodes {
		cases.Nodes = append(cases.Nodes, nodeOf{
			Node: n.Name, NodeKey: hex.EncodeToString(n.NodeKey[:]), NodeKeyID: n.KeyID().String(),
			CosignerKey: hex.EncodeToString(n.CosignerKey[:]), CosignerName: g.CosignerName(n), APIAddress: n.APIAddress,
		})
	}
	two, changed, stranger := g.Envelope, g.Envelope, g.Envelope
	two.Signatures = two.Signatures[:2]
	changed.Payload = []byte(text(changed.Payload).with(t, `"admin_threshold":2`, `"admin_threshold":1`))
	stranger.Signatures = append(stranger.Signatures[:3:3], envelope.Sign(keyOf("stranger"), genesis.PayloadType, g.Envelope.Payload))
	another := g.Envelope
	another.PayloadType = genesis.NodePayloadType
	for _, c := range []struct {
		name, why string
		e         envelope.Envelope
	}{
		{"a signature is missing", "every node of a genesis has signed it", two},
		{"altered", "no signature is one over this payload", changed},
		{"a stranger's signature", "nobody but the nodes signs a genesis", stranger},
		{"another payload type", "the payload type is not a genesis", another},
	} {
		if s, err := genesis.Parse(c.e.JSON()); err == nil && s.CheckSigned() == nil {
			t.Errorf("%s is taken for good", c.name)
		}
		cases.Bad = append(cases.Bad, badText{c.name, c.why, string(c.e.JSON())})
	}
	if err := g.CheckSigned(); err != nil {
		t.Error(err)
	}
	file(t, "genesis.json", append(g.Envelope.JSON(), '\n'))
	file(t, "policy", g.Policy().Format())
	document(t, "genesis_cases.json", cases)
}
