package metrics

import (
	"testing"

	gometrics "github.com/hashicorp/go-metrics"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
)

// gathered gives one number for each metric: a counter, a gauge or a count.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			switch {
			case m.GetCounter() != nil:
				out[name] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				out[name] = m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				out[name] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return out
}

// What the Raft library measures arrives under Prometheus names, each kind as its
// own, and a key that comes with other labels does no harm.
func TestRaftSink(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newRaftSink(registry)
	peer := []gometrics.Label{{Name: "peer_id", Value: "node-b"}}
	s.SetGauge([]string{"raft", "leader", "oldestLogAge"}, 7)
	s.IncrCounter([]string{"raft", "apply"}, 2)
	s.IncrCounter([]string{"raft", "apply"}, 3)
	s.AddSampleWithLabels([]string{"raft", "replication", "appendEntries.rpc"}, 1.5, peer)
	s.AddSampleWithLabels([]string{"raft", "replication", "appendEntries.rpc"}, 2.5, peer)
	s.AddSample([]string{"raft", "replication", "appendEntries.rpc"}, 9)
	s.EmitKey([]string{"unused"}, 1)
	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"raft_leader_oldestLogAge": 7, "raft_apply_total": 5, "raft_replication_appendEntries_rpc peer_id=node-b": 2,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v; all: %v", name, got[name], want, got)
		}
	}
	if err := InstallRaft(registry); err != nil {
		t.Fatal(err)
	}
	gometrics.IncrCounter([]string{"raft", "installed"}, 1)
	if got := gathered(t, registry); got["raft_installed_total"] != 1 {
		t.Errorf("the library's own counter does not arrive: %v", got)
	}
}

// Providers beyond the bound share a label.
func TestProviderLabels(t *testing.T) {
	m, err := NewMarket(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for i := range MaxProviders {
		name := "p" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		if got := m.provider(name); got != name {
			t.Fatalf("provider %s is labelled %s", name, got)
		}
	}
	if m.provider("one-more") != other || m.provider("") != other || m.provider("paa") != "paa" {
		t.Error("the bound does not hold, or forgets")
	}
}

func TestAmount(t *testing.T) {
	if got := amount(fsm.Amount{Lo: 5, Hi: 1}); got != 18446744073709551621 {
		t.Errorf("amount %v", got)
	}
}

// Registering twice is an error, not a panic.
func TestRegisterTwice(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := NewNode(registry, []string{"limit"}); err != nil {
		t.Fatal(err)
	}
	if _, err := NewNode(registry, nil); err == nil {
		t.Error("the same metrics are registered twice")
	}
	if _, err := NewMarket(registry); err != nil {
		t.Error(err)
	}
}
