package fsm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// The examples of disbursements are what their rules accept.
func TestExamplesOfDisbursements(t *testing.T) {
	files, err := filepath.Glob("../deploy/examples/treasury_disbursement*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b DisbursementBody
		if err := strict.Decode(text, &b); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		r := world(t)
		if refusal := r.send(r.sign("alice", &Propose{DisbursementBody: b}))[0].Refusal; refusal != nil {
			t.Errorf("%s: %v", file, refusal)
		}
	}
}

// So is the example of rules, in a cluster of profile production.
func TestExampleOfRules(t *testing.T) {
	text, err := os.ReadFile("../deploy/examples/treasury_rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var rules genesis.Treasury
	if err := strict.Decode(text, &rules); err != nil {
		t.Fatal(err)
	}
	r := world(t, func(g *genesis.Genesis) {
		g.Profile, g.EpochBlocks, g.Treasury = genesis.ProfileProduction, 3_600, &rules
		g.Markets[0].DisputeWindowBlocks = 3 * 86_400
	})
	rules.Brackets[0].TimelockEpochs = 23
	if refusal := r.send(r.threshold(&SetTreasury{Treasury: rules}))[0].Refusal; refusal == nil || refusal.Field("limit") != "treasury_windows" {
		t.Errorf("a window under a day: %v", refusal)
	}
	rules.Brackets[0].TimelockEpochs = 24
	r.must(r.threshold(&SetTreasury{Treasury: rules}))
}
