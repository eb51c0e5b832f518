package fsm

import (
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// digestLag is how many cuts after the cut it describes a state digest stands
// in a receipt: long enough to compute it away from Apply.
const digestLag = 2

func (s *state) owesDigest(cut uint64) bool {
	return s.digestAt.cut != 0 && cut == s.digestAt.cut+digestLag
}

// frozenGrowth is after how many leaves a state is frozen although its epoch lasts on:
// whoever begins with a frozen state applies what came since.
const frozenGrowth = 1 << 18

// freezes reports whether the state before a cut now is to be frozen: at the first cut
// of an epoch and at the first beyond each multiple of frozenGrowth, unless the digest
// of an earlier state is still owed.
func (s *state) freezes(epoch uint64) bool {
	if s.digestAt.cut != 0 {
		return false
	}
	last := uint64(0)
	if n := len(s.cuts); n > 0 {
		last = s.cuts[n-1].Size
	}
	return epoch > s.digestAt.epoch || s.edge.Size()/frozenGrowth > last/frozenGrowth
}

// mark records a cut: the size and root just before this entry's own leaves.
// before is the state just before the entry if this cut is to be frozen.
func (a *apply) mark(cut Cut, before *View) {
	s := a.s
	s.cutCount = cut.Number
	kept := s.cuts
	if len(kept) >= keptCuts {
		kept = kept[len(kept)-keptCuts+1:]
	}
	s.cuts = append(append(make([]Cut, 0, keptCuts), kept...), cut)
	a.result.Cut = &cut
	body := &CutReceipt{
		ReceiptHead: a.head(KindCut), Cut: cut.Number, Size: cut.Size, Root: cut.Root, OutcomeChain: s.chain,
	}
	if s.owesDigest(cut.Number) {
		body.Digest = &CutDigest{Cut: s.digestAt.cut, Value: a.m.owedDigest()}
		s.digestAt.cut = 0
		a.m.frozen, a.m.digest = nil, nil
	}
	if before != nil {
		s.digestAt = digestAt{epoch: s.epoch(), cut: cut.Number}
		a.m.frozen, a.m.digest = before, nil
		a.result.Frozen = before
	}
	a.receipt(KindCut, body)
}

// owedDigest is the digest of the frozen state: supplied, or computed now.
func (m *Machine) owedDigest() [32]byte {
	if m.digest != nil {
		return *m.digest
	}
	return m.frozen.Digest()
}

// cutNumbered finds one of the newest cuts.
func (s *state) cutNumbered(n uint64) (Cut, bool) {
	for _, c := range s.cuts {
		if c.Number == n {
			return c, true
		}
	}
	return Cut{}, false
}

// checkCosigned asks for good cosignatures on a known cut, in order of seat, at
// least k of them by nodes that count at its size. Those of other nodes must be
// good too: a joining node's shows that it caught up, and one of a node whose
// standing changed since the leader collected it does no harm. Good means to everybody
// who verifies receipts: a cosignature that only ZIP-215 accepts would make a cut final
// here and nowhere else, and a change of the committee that no chain can prove.
func (m *Machine) checkCosigned(c *Cosigned) bool {
	if c == nil {
		return true
	}
	cut, known := m.state.cutNumbered(c.Cut)
	if !known {
		return false
	}
	checkpoint := m.state.checkpoint(cut)
	counted := 0
	for i, sig := range c.Signatures {
		if i > 0 && sig.Node <= c.Signatures[i-1].Node || int(sig.Node) >= len(m.state.members) {
			return false
		}
		signer := m.state.members[sig.Node]
		if !signer.cosigner.VerifyExact(proof.CosignedMessage(sig.Time, checkpoint), &c.Signatures[i].Sig) {
			return false
		}
		if signer.CountsAt(cut.Size) {
			counted++
		}
	}
	return counted >= int(m.state.genesis.Cosigners)
}

func (s *state) checkpoint(c Cut) proof.Checkpoint {
	return proof.Checkpoint{Origin: s.genesis.Origin(), Size: c.Size, Root: c.Root}
}

// recordCosigned remembers the newest cut that is known to be final, and whose
// signatures the log holds.
func (a *apply) recordCosigned() {
	for _, st := range a.entry.Statements {
		a.s.see(st.Node)
	}
	c := a.entry.Cosigned
	if c == nil {
		return
	}
	for _, sig := range c.Signatures {
		a.s.see(sig.Node)
	}
	cut, _ := a.s.cutNumbered(c.Cut)
	if cut.Number > a.s.final.Number {
		a.s.final = cut
	}
	a.takeEffect(cut, c)
}
