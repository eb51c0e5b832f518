package fsm

import (
	"errors"
	"fmt"
	"slices"
)

// What is here serves those who have leaves and outcomes but not the entries that
// they came from: audits, and nodes that take over a journal or a part of one.

// StartsEntry reports whether a leaf is the first of an entry.
func StartsEntry(leaf []byte) bool {
	return len(leaf) > 0 && (leaf[0] == LeafHeader || leaf[0] == LeafUndecodable)
}

// RebuildEntry makes an entry out of the leaves that it left behind: its header, its
// commands and, which it does not look at, its receipts. For the one leaf of a refused
// entry there is nothing to rebuild and the entry is nil. An error is about leaf badAt.
func RebuildEntry(leaves [][]byte) (e *Entry, badAt int, err error) {
	head := leaves[0]
	if !StartsEntry(head) {
		return nil, 0, errors.New("it stands where an entry must begin")
	}
	if head[0] == LeafUndecodable {
		return nil, 0, nil
	}
	e, commands, err := DecodeHeader(head[1:])
	if err != nil {
		return nil, 0, err
	}
	for n := range commands {
		at := 1 + n
		if at >= len(leaves) {
			return nil, len(leaves) - 1, fmt.Errorf("the entry ends here, with %d of %d commands", n, commands)
		}
		leaf := leaves[at]
		if len(leaf) == 0 || leaf[0] != LeafCommand {
			return nil, at, fmt.Errorf("it stands where command %d of %d must be", at, commands)
		}
		c, err := ParseFrame(leaf[1:])
		if err != nil {
			return nil, at, err
		}
		e.Commands = append(e.Commands, c)
	}
	return e, 0, nil
}

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
	case *DisbursementReceipt:
		return []Ref{{RefDisbursement, b.Disbursement.String()}}
	case *WithdrawalReceipt:
		return []Ref{{RefWithdrawal, b.Withdrawal.String()}}
	}
	return nil
}
