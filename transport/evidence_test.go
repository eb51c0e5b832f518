package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/api"
)

// settle lets three agents attest until the readings of the story are closed.
func (s *story) settle(t *testing.T) {
	step := api.Uint64(1_000_000)
	policy := agent.Policy{Rules: []agent.Rule{{Market: energy, Meter: "*", MaxRegisterStep: &step}}}
	ctx, stop := context.WithCancel(s.Context())
	ended := make(chan error, 3)
	for i, oracle := range []string{"oracle-a", "oracle-b", "oracle-c"} {
		a, err := agent.New(agent.Config{Client: s.Client(oracle, i), Key: s.Key(oracle), Cluster: s.Genesis.Cluster, Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- a.Run(ctx) }()
	}
	t.Cleanup(func() {
		stop()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	// Four readings were accepted: one baseline, three settlements.
	for number, want := range map[int]string{1: "baseline", 2: "settled", 3: "settled", 4: "settled"} {
		s.Until(fmt.Sprintf("reading %d being %s", number, want), func() bool {
			var one api.OneReading
			s.get(t, fmt.Sprintf("/v1/readings/%s/%d", energy, number), nil, &one)
			if one.Receipt != nil && (one.Status != want || one.Meter != meterA || one.Register == nil) {
				t.Fatalf("reading %d: %+v", number, one)
			}
			return one.Receipt != nil && one.Receipt.Final
		})
	}
	var one api.OneSettlement
	s.get(t, "/v1/settlements/"+energy+"/1", nil, &one)
	if one.Provider != "sunny" || one.Payer != "city" || *one.Delta != 100 || one.FirstReading != 2 || len(one.Receipts) == 0 {
		t.Errorf("settlement %+v", one)
	}
	s.Until("the release of the first settlement", func() bool {
		s.get(t, "/v1/settlements/"+energy+"/1", nil, &one)
		return one.Status == "released"
	})
	if len(one.Receipts) < 2 || one.Net == "" {
		t.Errorf("settlement %+v", one)
	}
	// Released money is available, and a statement still adds up.
	var e api.Explanation
	s.get(t, "/v1/explain/settlement/"+energy+"/1", nil, &e)
	if e.Status != "released" || !strings.Contains(e.Sentence, "is released: the net is available to sunny") {
		t.Errorf("explained: %+v", e)
	}
	var statement api.Statement
	s.get(t, "/v1/providers/sunny/statement", nil, &statement)
	addsUp(t, statement)
	if statement.Totals.Available == "0" || statement.Totals.Released != statement.Totals.Available {
		t.Errorf("statement %+v", statement)
	}
}

func (s *story) lists(t *testing.T) {
	var markets api.Markets
	s.get(t, "/v1/markets", nil, &markets)
	if len(markets.Markets) != 1 || markets.Markets[0].Market != energy || markets.Markets[0].LastReading < 4 {
		t.Errorf("markets %+v", markets)
	}
	var providers api.Providers
	s.get(t, "/v1/providers", nil, &providers)
	if len(providers.Providers) != 2 || !providers.Providers[0].Active {
		t.Errorf("providers %+v", providers)
	}
	var meters api.Meters
	s.get(t, "/v1/meters", url.Values{"provider": {"sunny"}}, &meters)
	if len(meters.Meters) != 1 || meters.Meters[0].Base == nil || meters.Meters[0].Base.Register != 1300 {
		t.Errorf("meters %+v", meters)
	}
	var one api.Meters
	s.get(t, "/v1/meters", url.Values{"meter": {meterB}}, &one)
	if len(one.Meters) != 1 || one.Meters[0].Base != nil {
		t.Errorf("meters %+v", one)
	}
	var lanes api.Lanes
	s.get(t, "/v1/lanes", url.Values{"key": {s.Signer("sunny").KeyID().String()}}, &lanes)
	if len(lanes.Lanes) != 2 || lanes.Lanes[0].Lane != "1" || lanes.Lanes[1].LastNonce != api.Uint64(s.nonce) {
		t.Errorf("lanes %+v", lanes)
	}
	// Page by page, the same list comes as at once.
	var all, paged api.Keys
	s.get(t, "/v1/keys", url.Values{"limit": {"1000"}}, &all)
	after := ""
	for {
		var page api.Keys
		s.get(t, "/v1/keys", url.Values{"limit": {"3"}, "after": {after}}, &page)
		if len(page.Keys) > 3 {
			t.Fatalf("%d keys on a page of 3", len(page.Keys))
		}
		paged.Keys = append(paged.Keys, page.Keys...)
		if after = page.Next; after == "" {
			break
		}
	}
	if fmt.Sprint(all.Keys) != fmt.Sprint(paged.Keys) || len(all.Keys) != 10 || all.Next != "" {
		t.Errorf("at once %+v, page by page %+v", all.Keys, paged.Keys)
	}
	var accounts api.Accounts
	s.get(t, "/v1/accounts", nil, &accounts)
	if len(accounts.Accounts) == 0 || accounts.Accounts[0].Account != "external/BLOCK" || accounts.Accounts[0].Balance[0] != '-' || !accounts.Accounts[0].External {
		t.Errorf("accounts %+v", accounts)
	}
}

// evidence: every receipt's proof verifies offline under genesis' policy.
func (s *story) evidence(t *testing.T) {
	text, err := s.Client("").Policy(s.Context())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := proof.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	var chain api.PolicyChain
	s.get(t, "/v1/policy", nil, &chain)
	file, err := s.Client("").Genesis(s.Context())
	if err != nil {
		t.Fatal(err)
	}
	served, err := genesis.Parse(file)
	if err != nil || served.Hash != s.Genesis.Hash || served.CheckSigned() != nil {
		t.Fatalf("genesis as served: %v", err)
	}
	if chain.Policy != string(text) || chain.Hash != fmt.Sprintf("%x", s.Genesis.Hash) || len(chain.Changes) != 0 {
		t.Errorf("policy chain %+v", chain)
	}
	for number := 1; number <= 4; number++ {
		var one api.OneReading
		s.get(t, fmt.Sprintf("/v1/readings/%s/%d", energy, number), nil, &one)
		leaf := uint64(one.Receipt.Leaf)
		for i := range s.Nodes {
			got, err := s.Client("", i).Receipt(s.Context(), leaf)
			if err != nil {
				t.Fatal(err)
			}
			verified, err := proof.VerifyProof(policy, got)
			if err != nil || verified.Index != leaf || len(verified.Cosigners) < 2 || !bytes.Equal(verified.Leaf, one.Receipt.Body) {
				t.Errorf("node %d, leaf %d: %+v, %v", i, leaf, verified, err)
			}
		}
		var described api.OneReceipt
		s.get(t, fmt.Sprintf("/v1/receipts/%d", leaf), nil, &described)
		if described.Kind != one.Receipt.Kind || !described.Final || described.Proof == "" {
			t.Errorf("receipt %+v", described)
		}
	}
	// A leaf that holds a command is for readers, and has a proof too.
	path := fmt.Sprintf("%s/v1/receipts/%d.tlog-proof", s.Nodes[0].URL, s.first.Leaf)
	if response, _ := s.do(t, "GET", path, "", nil); response.StatusCode != 401 {
		t.Errorf("a command was shown to a stranger: %d", response.StatusCode)
	}
	response, text := s.do(t, "GET", path, s.token(t, "sunny"), nil)
	verified, err := proof.VerifyProof(policy, text)
	if response.StatusCode != 200 || err != nil || verified.Leaf[0] != fsm.LeafCommand {
		t.Errorf("%d, %v", response.StatusCode, err)
	}
	if response, text := s.do(t, "GET", s.Nodes[0].URL+"/v1/receipts/99999999", "", nil); response.StatusCode != 404 {
		t.Errorf("a leaf nobody has: %d %s", response.StatusCode, text)
	}
}

// journal: leaves and hashes as served lead to the root that the committee
// cosigned.
func (s *story) journal(t *testing.T) {
	note, err := s.Client("").Checkpoint(s.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, cosigners, err := proof.VerifyCheckpoint(s.Genesis.Policy(), note)
	if err != nil || len(cosigners) < 2 {
		t.Fatalf("checkpoint: %v, %v", cosigners, err)
	}
	token := s.token(t, "ada")
	var hashes []tlog.Hash
	var level0 []byte
	for n := uint64(0); n*256 < checkpoint.Size; n++ {
		width := min(256, checkpoint.Size-n*256)
		name := fmt.Sprintf("%03d", n)
		if width < 256 {
			name += fmt.Sprintf(".p/%d", width)
		}
		response, bundle := s.do(t, "GET", s.Nodes[1].URL+"/tile/entries/"+name, token, nil)
		if response.StatusCode != 200 {
			t.Fatalf("entries %s: %d %s", name, response.StatusCode, bundle)
		}
		for len(bundle) > 0 {
			length := binary.BigEndian.Uint16(bundle)
			hashes = append(hashes, tlog.RecordHash(bundle[2:2+length]))
			bundle = bundle[2+length:]
		}
		response, tile := s.do(t, "GET", s.Nodes[2].URL+"/tile/0/"+name, "", nil)
		if response.StatusCode != 200 {
			t.Fatalf("tile %s: %d", name, response.StatusCode)
		}
		level0 = append(level0, tile...)
	}
	if uint64(len(hashes)) != checkpoint.Size || proof.RootOf(hashes) != checkpoint.Root {
		t.Errorf("%d leaves do not lead to the root", len(hashes))
	}
	for i, h := range hashes {
		if !bytes.Equal(level0[i*32:i*32+32], h[:]) {
			t.Fatalf("hash %d of the tiles differs", i)
		}
	}
	if response, _ := s.do(t, "GET", s.Nodes[0].URL+"/tile/0/x001/000", "", nil); response.StatusCode != 404 {
		t.Errorf("a tile beyond the tree: %d", response.StatusCode)
	}
	if response, _ := s.do(t, "GET", s.Nodes[0].URL+"/tile/entries/000.p/1", "", nil); response.StatusCode != 401 {
		t.Errorf("entries without a token: %d", response.StatusCode)
	}
}

// access: what is public is, and a key that ended reads nothing.
func (s *story) access(t *testing.T) {
	u := s.Nodes[0].URL
	for _, path := range []string{
		"/v1/nodes", "/v1/policy", "/v1/genesis", "/checkpoint", "/openapi.json", "/tile/0/000.p/1",
		"/v1/commands/" + s.first.ID,
	} {
		if response, text := s.do(t, "GET", u+path, "", nil); response.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
	private := []string{
		"/v1/markets", "/v1/providers", "/v1/meters", "/v1/readings?market=energy", "/v1/readings/energy/1",
		"/v1/settlements?market=energy", "/v1/settlements/energy/1", "/v1/accounts", "/v1/keys",
		"/v1/lanes?key=" + s.Signer("sunny").KeyID().String(), "/v1/status", "/v1/digest", "/tile/entries/000.p/1",
	}
	ada := s.token(t, "ada")
	for _, path := range private {
		if response, text := s.do(t, "GET", u+path, "", nil); response.StatusCode != 401 {
			t.Errorf("%s without a token: %d %s", path, response.StatusCode, text)
		}
		if response, text := s.do(t, "GET", u+path, ada, nil); response.StatusCode != 200 {
			t.Errorf("%s with a token: %d %s", path, response.StatusCode, text)
		}
	}
	o := s.Threshold(&fsm.RevokePrincipalKey{Key: s.Signer("carol").KeyID()})
	s.Until("carol's key being ended", func() bool {
		response, text := s.do(t, "GET", u+"/v1/markets", s.token(t, "carol"), nil)
		return response.StatusCode == 403 && decode[api.Problem](t, text).Code == "KeyRevoked"
	})
	if o.Entry == 0 {
		t.Errorf("outcome %+v", o)
	}
	old, err := api.SignToken(s.Key("ada"), s.Genesis.ClusterID(), time.Now().Add(-time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if response, text := s.do(t, "GET", u+"/v1/markets", old, nil); response.StatusCode != 401 || decode[api.Problem](t, text).Code != "Expired" {
		t.Errorf("an old token: %d %s", response.StatusCode, text)
	}
}
