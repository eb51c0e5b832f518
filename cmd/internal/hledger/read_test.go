package hledger

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/transport/api"
)

// An export is read to its end or not at all, and without its longest lists.
func TestRead(t *testing.T) {
	whole := export()
	whole.Format = api.ExportFormat
	whole.Disbursements = make([]api.ExportedDisbursement, 3)
	whole.Withdrawals = make([]api.Withdrawal, 2)
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Read(strings.NewReader(string(text)))
	if err != nil || len(e.Accounts) != len(whole.Accounts) || e.Leaves != whole.Leaves || e.Index != whole.Index || e.Disbursements != nil || e.Withdrawals != nil {
		t.Errorf("%+v, %v", e, err)
	}
	for n := range text {
		if _, err := Read(strings.NewReader(string(text[:n]))); err == nil {
			t.Fatalf("%s was taken for a whole export", text[:n])
		}
	}
	for _, bad := range []string{`[]`, `{"format":"another"}`, `{"disbursements":{}}`, `{"accounts":5}`, `null`} {
		if _, err := Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%s was taken for an export", bad)
		}
	}
}
