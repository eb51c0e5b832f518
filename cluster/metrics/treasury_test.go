package metrics

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
)

// What receipts of disbursements say arrives under the names of the contract; every
// label is there from the beginning.
func TestTreasury(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := NewTreasury(registry)
	if err != nil {
		t.Fatal(err)
	}
	step := func(action, from, status string, facts ...fsm.Field) fsm.Receipt {
		return fsm.Receipt{Body: &fsm.DisbursementReceipt{Action: action, From: from, Status: status, Facts: facts}}
	}
	m.Count(&fsm.Result{Receipts: []fsm.Receipt{
		step("propose", "", "draft"), step("vote", "voting", "voting"), step("execute", "timelocked", "executed", fsm.Field{Name: "lag_ms", Value: "5000"}),
		step("fail", "timelocked", "timelocked", fsm.Field{Name: "code", Value: "InvalidTarget"}, fsm.Field{Name: "detail", Value: "unknown_account"}),
		step("count", "voting", "cancelled", fsm.Field{Name: "code", Value: "CircularDependency"}, fsm.Field{Name: "detail", Value: "cycle"}),
	}}, time.Millisecond)
	m.Count(&fsm.Result{}, time.Millisecond) // nothing worked
	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"governance_disbursements_total status=draft": 1, "governance_disbursements_total status=executed": 1, "governance_disbursements_total status=voting": 0,
		"governance_disbursements_total status=cancelled": 1, "treasury_disbursement_lag_seconds": 1,
		"treasury_execution_errors_total reason=invalid_target": 1, "treasury_execution_errors_total reason=circular_dep": 1,
		"treasury_execution_errors_total reason=stale_dep": 0, "treasury_dependency_failures_total failure_type=circular": 1,
		"treasury_executor_tick_duration_seconds": 1,
	} {
		if v, there := got[name]; !there || v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
}
