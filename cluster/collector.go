package cluster

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// A nodeCollector reads gauges off the node and its state when they are asked for.
type nodeCollector struct{ node *Node }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// nodeGauges are figures of this node.
var nodeGauges = []struct {
	desc  *prometheus.Desc
	value func(n *Node, s Status) float64
}{
	{describe("tallyvault_applied_entry", "Number of the last applied entry."), func(_ *Node, s Status) float64 { return float64(s.Entry) }},
	{describe("tallyvault_height", "Replicated height."), func(_ *Node, s Status) float64 { return float64(s.Height) }},
	{describe("tallyvault_tree_size", "Leaves applied here."), func(_ *Node, s Status) float64 { return float64(s.TreeSize) }},
	{describe("tallyvault_final_size", "Leaves under the newest published checkpoint."), func(_ *Node, s Status) float64 { return float64(s.FinalSize) }},
	{describe("tallyvault_final_lag_leaves", "Applied leaves that are not final yet."), func(_ *Node, s Status) float64 {
		return float64(s.TreeSize - min(s.TreeSize, s.FinalSize))
	}},
	{describe("tallyvault_apply_lag_entries", "Committed Raft entries that are not applied here yet."), func(_ *Node, s Status) float64 { return float64(s.Lag) }},
	{describe("tallyvault_raft_term", "Raft's term."), func(_ *Node, s Status) float64 { return float64(s.Term) }},
	{describe("tallyvault_raft_commit_index", "Raft's commit index."), func(_ *Node, s Status) float64 { return float64(s.CommitIndex) }},
	{describe("tallyvault_leader", "1 on the node that leads."), func(_ *Node, s Status) float64 { return oneIf(s.Role == RoleLeader) }},
	{describe("tallyvault_ready", "1 while the node is ready."), func(n *Node, _ Status) float64 { return oneIf(n.Ready() == nil) }},
	{describe("tallyvault_receipts_ready", "1 while the journal is complete."), func(_ *Node, s Status) float64 { return oneIf(s.ReceiptsReady) }},
	{describe("tallyvault_alarms", "Replicated alarms."), func(_ *Node, s Status) float64 { return float64(len(s.Alarms)) }},
	{describe("tallyvault_local_alarms", "Alarms of this node alone."), func(_ *Node, s Status) float64 { return float64(len(s.LocalAlarms)) }},
	{describe("tallyvault_queue_depth", "Commands that wait at the leader to be proposed."), func(n *Node, _ Status) float64 {
		if s := n.session.Load(); s != nil {
			return float64(s.queue.len())
		}
		return 0
	}},
	{describe("tallyvault_in_flight", "Commands that the leader has taken and not answered."), func(n *Node, _ Status) float64 { return float64(n.flights.len()) }},
	{describe("tallyvault_raft_log_freelist_bytes", "Bytes of the free list of Raft's log file."), func(n *Node, _ Status) float64 {
		return float64(n.log.Stats().FreelistInuse)
	}},
	{describe("tallyvault_raft_log_free_bytes", "Bytes of free pages in Raft's log file."), func(n *Node, _ Status) float64 {
		return float64(n.log.Stats().FreeAlloc)
	}},
}

// Gauges of the replicated state, equal on all nodes that are up to date.
var (
	descProviders = describe("energy_provider_total", "Providers, by status.", "status")
	descCredits   = describe("energy_pending_credits_total", "Settlements that are not released yet.", "market")
	descOracles   = describe("oracle_active_count", "Oracles in the newest electorate.", "market")
	descDepth     = describe("receipt_pending_depth", "Readings that are accepted and not closed, so that their receipt is to come.", "market")
	descTreasury  = describe("treasury_balance", "The treasury's available balance, minor units.", "asset")
	descBacklog   = describe("treasury_disbursement_backlog", "Disbursements that have not ended, by status.", "status")
	descOverdue   = describe("treasury_disbursement_overdue", "Disbursements that could be executed as far as time is concerned.")
)

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c nodeCollector) Describe(out chan<- *prometheus.Desc) {
	for _, g := range nodeGauges {
		out <- g.desc
	}
	for _, d := range []*prometheus.Desc{descProviders, descCredits, descOracles, descDepth, descTreasury, descBacklog, descOverdue} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c nodeCollector) Collect(out chan<- prometheus.Metric) {
	status := c.node.ownStatus()
	for _, g := range nodeGauges {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(c.node, status))
	}
	collectState(c.node.View(), out)
}

func collectState(v *fsm.View, out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	active, inactive := 0.0, 0.0
	v.Oracle().Providers("", func(p oracle.Provider) bool {
		if p.Active {
			active++
		} else {
			inactive++
		}
		return true
	})
	gauge(descProviders, active, "active")
	gauge(descProviders, inactive, "inactive")
	v.Oracle().Markets(func(m oracle.Market) bool {
		credits, live := 0.0, 0.0
		v.Oracle().Settlements(m.ID, 0, func(oracle.Settlement) bool { credits++; return true })
		v.Oracle().Pending(m.ID, 0, func(oracle.Reading) bool { live++; return true })
		electorate, _ := v.Oracle().Electorate(m.ID, 0)
		gauge(descCredits, credits, m.ID)
		gauge(descDepth, live, m.ID)
		gauge(descOracles, float64(len(electorate.Members)), m.ID)
		return true
	})
	if account, ok := v.Ledger().Account(treasury.Treasury); ok {
		balance, _ := account.Balance()
		gauge(descTreasury, float64(balance.Hi)*math.Pow(2, 64)+float64(balance.Lo), account.Asset)
	}
	for _, s := range treasury.Statuses() {
		if n, _ := v.Book().Count(s); s.Live() {
			gauge(descBacklog, float64(n), s.String())
		}
	}
	gauge(descOverdue, float64(v.Book().Health().Overdue))
}
