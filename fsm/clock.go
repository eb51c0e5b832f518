package fsm

import (
	"slices"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// maxStepMs bounds how much of the time between two entries counts for heights,
// so that an outage spends nobody's window.
const maxStepMs = 15_000

// clock is replicated time. Nothing here reads a clock: time comes with
// entries, bounded by the signed statements of a majority.
type clock struct {
	now       int64 // unix ms, never goes back
	median    int64 // lower median of the newest tick's statements
	tick      uint64
	height    uint64
	remainder uint64 // ms towards the next height
}

// advance moves time by an entry's own rules: now follows the entry's clock,
// clamped to the median and an allowance above it; the height counts whole
// block intervals of what now gained, an outage counting as maxStepMs.
func (c clock) advance(e *Entry, allowanceMs, blockMs uint64) clock {
	if len(e.Statements) > 0 {
		c.tick++
		c.median = lowerMedian(e.Statements)
	}
	target := min(max(e.At, c.median), c.median+int64(allowanceMs))
	if target <= c.now {
		return c
	}
	c.remainder += min(uint64(target-c.now), maxStepMs)
	c.now = target
	c.height += c.remainder / blockMs
	c.remainder %= blockMs
	return c
}

func lowerMedian(statements []Statement) int64 {
	times := make([]int64, len(statements))
	for i, s := range statements {
		times[i] = s.At
	}
	slices.Sort(times)
	return times[(len(times)-1)/2]
}

// statement is the payload of a clock statement.
type statement struct {
	Cluster [16]byte `json:"cluster"`
	Era     string   `json:"era"`
	Tick    uint64   `json:"tick"`
	At      int64    `json:"at"`
}

// StatementPayloadType is the payload type of a clock statement.
const StatementPayloadType = "application/vnd.tallyvault.clock.v1+json"

var statementCodec = strict.Compile(statement{})

// StatementMessage is what a node key signs to state its clock for a tick.
func StatementMessage(cluster [16]byte, era string, tick uint64, at int64) []byte {
	payload := statementCodec.Append(nil, statement{cluster, era, tick, at})
	return envelope.PAE(StatementPayloadType, payload)
}

// maxStatedMs keeps sums of times inside their type.
const maxStatedMs = 1 << 52

// checkStatements asks for good statements of a majority of the active nodes, in
// order of seat, and for none by anybody else.
func (m *Machine) checkStatements(e *Entry) bool {
	if len(e.Statements) == 0 {
		return true
	}
	if len(e.Commands) > 0 || len(e.Statements) < m.state.majority() {
		return false
	}
	for i, s := range e.Statements {
		if i > 0 && s.Node <= e.Statements[i-1].Node || int(s.Node) >= len(m.state.members) {
			return false
		}
		stating := m.state.members[s.Node]
		if stating.Standing() != Active {
			return false
		}
		if s.At <= 0 || s.At > maxStatedMs {
			return false
		}
		message := StatementMessage(m.state.genesis.Cluster, m.state.era(), m.state.clock.tick+1, s.At)
		if !stating.node.Verify(message, &e.Statements[i].Sig) {
			return false
		}
	}
	return true
}
