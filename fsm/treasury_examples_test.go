package fsm

import (
	"os"
	"path/filepath"
	"testing"

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
