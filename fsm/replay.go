package fsm

import (
	"errors"
	"slices"
)

// What is here serves those who have leaves and outcomes but not the entries that
// they came from: audits, and nodes that fetch a missing part of their journal.

// refusedLeafLen is the length of the leaf that a refused entry leaves behind.
const refusedLeafLen = 1 + 1 + 4 + 32

// ReplayRefused does what Apply did when it refused an entry, of which only the
// leaf is left. It refuses anything that such a leaf cannot be.
func (m *Machine) ReplayRefused(leaf []byte) (*Result, error) {
	if len(leaf) != refusedLeafLen || leaf[0] != LeafUndecodable {
		return nil, errors.New("leaf is not that of a refused entry")
	}
	if why := leaf[1]; why < entryUndecodable || why > entryBadCosignatures {
		return nil, errors.New("leaf of a refused entry gives no known reason")
	}
	a := &apply{m: m, s: m.state, result: &Result{FirstLeaf: m.state.edge.Size(), FirstOrdinal: m.state.commands}}
	a.takeRefused(slices.Clone(leaf))
	return a.finish(), nil
}

// Link extends the outcome chain by this outcome.
func (o *Outcome) Link(previous [32]byte) [32]byte { return o.link(previous) }

// RefsOf names what a receipt is about, by its body.
func RefsOf(body any) []Ref {
	switch b := body.(type) {
	case *SettlementReceipt:
		refs := []Ref{{RefSettlement, NumberKey(b.Market, b.Settlement)}}
		for n := b.Readings.From; n <= b.Readings.To && uint64(len(refs)) <= b.Readings.Count; n++ {
			refs = append(refs, Ref{RefReading, NumberKey(b.Market, n)})
		}
		return refs
	case *ReleaseReceipt:
		return []Ref{{RefSettlement, NumberKey(b.Market, b.Settlement)}}
	case *ReadingReceipt:
		return []Ref{{RefReading, NumberKey(b.Market, b.Number)}}
	case *EvidenceReceipt:
		return []Ref{{RefReading, NumberKey(b.Market, b.Number)}}
	}
	return nil
}
