package transport

import (
	"errors"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// An export has all rows or is refused: a part of it would look like a whole.
func TestExportIsWholeOrRefused(t *testing.T) {
	machine, err := fsm.New(testGenesis(t, "export"))
	if err != nil {
		t.Fatal(err)
	}
	s := state{View: machine.View()}
	whole, err := exportOf(s, maxExported)
	rows := len(whole.Accounts) + len(whole.Disbursements) + len(whole.Withdrawals) + len(whole.Epochs)
	if err != nil || rows == 0 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	if _, err := exportOf(s, rows); err != nil {
		t.Errorf("room for all rows: %v", err)
	}
	_, err = exportOf(s, rows-1)
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != string(fsm.LimitExceeded) || p.Fields["limit"] != "export_rows" {
		t.Errorf("room for all rows but one: %v", err)
	}
}
