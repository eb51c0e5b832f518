package genesis

import (
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/fsm/strict"
)

// ShortHash is what people read aloud to each other before they sign: the
// first 8 bytes of the genesis hash in groups of four digits.
func (s *Signed) ShortHash() string {
	h := fmt.Sprintf("%x", s.Hash[:8])
	return h[0:4] + " " + h[4:8] + " " + h[8:12] + " " + h[12:16]
}

// Words says what a genesis means: who is in, what any one and any two members
// can do, and which promises follow from n, f and k.
func (s *Signed) Words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Cluster %q (%s), profile %s.\n", s.Name, s.ClusterID(), s.Profile)
	fmt.Fprintf(&b, "Short hash to read aloud: %s\n", s.ShortHash())
	s.wordsCommittee(&b)
	s.wordsPowers(&b)
	s.wordsPrincipals(&b)
	for _, m := range s.Markets {
		s.wordsMarket(&b, m)
	}
	s.wordsTreasury(&b)
	fmt.Fprintf(&b, "\nTime: a block every %d ms, an epoch every %d blocks (%s).\n", s.BlockMs, s.EpochBlocks, s.Duration(s.EpochBlocks))
	if missing := s.Missing(); len(missing) > 0 {
		fmt.Fprintf(&b, "Not signed yet by: %s.\n", strings.Join(missing, ", "))
	} else {
		fmt.Fprintf(&b, "Signed by all %d nodes.\n", len(s.Nodes))
	}
	return b.String()
}

func (s *Signed) wordsCommittee(b *strings.Builder) {
	n, f, k := len(s.Nodes), int(s.Faulty), int(s.Cosigners)
	fmt.Fprintf(b, "\nCommittee of n=%d nodes, f=%d may lie, k=%d must cosign:\n", n, f, k)
	for _, node := range s.Nodes {
		fmt.Fprintf(b, "  %-16s node key %s  peers %s  API %s\n", node.Name, node.KeyID(), node.PeerAddress, node.APIAddress)
	}
	majority := n/2 + 1
	fmt.Fprintf(b, "  Commands commit while %d of %d nodes run; outcomes become final while %d run.\n", majority, n, k)
	if k > majority {
		fmt.Fprintf(b, "  With %d nodes down it still commits but cannot finalise.\n", n-majority)
	}
	if f == 0 {
		fmt.Fprintf(b, "  One crashed node is survived; a node that signs two histories is noticed, not survived.\n")
	} else {
		fmt.Fprintf(b, "  Two conflicting checkpoints would need %d nodes that lie.\n", f+1)
	}
}

func (s *Signed) wordsPowers(b *strings.Builder) {
	k, a := int(s.Cosigners), int(s.AdminThreshold)
	fmt.Fprintf(b, "\nWhat members can do (a node operator orders and cosigns, an admin governs):\n")
	for count, who := range []string{"Any one", "Any two"} {
		m := count + 1
		verb := "cannot"
		if m >= k {
			verb = "CAN"
		}
		fmt.Fprintf(b, "  %s node%s %s cosign a checkpoint alone; can delay or reorder commands as leader; can never forge one.\n", who, plural(m), verb)
		verb = "cannot"
		if m >= a {
			verb = "CAN"
		}
		fmt.Fprintf(b, "  %s admin%s %s register keys, set parameters and move deposits (threshold %d).\n", who, plural(m), verb, a)
	}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func (s *Signed) wordsPrincipals(b *strings.Builder) {
	fmt.Fprintf(b, "\nPrincipals:\n")
	for _, p := range s.Principals {
		fmt.Fprintf(b, "  %-16s %s\n", p.Principal, p.Role)
	}
}

func (s *Signed) wordsMarket(b *strings.Builder, m Market) {
	fmt.Fprintf(b, "\nMarket %s: %d minor units of %s per %s, fee %d.%02d %%, mode %s, stage %s.\n",
		m.Market, m.UnitPrice, m.Asset, m.Unit, m.FeeBps/100, m.FeeBps%100, m.Mode, m.Stage)
	fmt.Fprintf(b, "  A reading needs at least %d.%04d %% of the oracle weight within %s; disputes stay open %s.\n",
		m.QuorumThresholdPpm/10_000, m.QuorumThresholdPpm%10_000, s.Duration(m.ExpiryBlocks), s.Duration(m.DisputeWindowBlocks))
	for _, w := range s.OracleWeights {
		if w.Market == m.Market {
			fmt.Fprintf(b, "  oracle %-16s weight %d\n", w.Oracle, w.Weight)
		}
	}
}

func (s *Signed) wordsTreasury(b *strings.Builder) {
	t := s.TreasuryRules()
	fmt.Fprintf(b, "\nTreasury: what is not opened or not executable expires after %s.\n", s.epochs(t.GraceEpochs))
	for _, r := range t.Brackets {
		fmt.Fprintf(b, "  From %v minor units: vote up to %s, timelock %s, rollback %s;", r.FromAmount,
			s.epochs(r.VoteWindowEpochs), s.epochs(r.TimelockEpochs), s.epochs(r.RollbackWindowEpochs))
		for _, f := range r.Quorum {
			fmt.Fprintf(b, " %d.%04d %% of house %s", f.Ppm/10_000, f.Ppm%10_000, f.House)
		}
		b.WriteString("\n")
	}
	for _, limit := range []struct {
		words string
		v     strict.Amount
	}{
		{"At most %v minor units are executed in one epoch.", t.EpochCap},
		{"At most %v of them to one destination.", t.DestinationCap},
		{"Above %v two admins who did not propose it must confirm.", t.FourEyesAbove},
	} {
		if !limit.v.IsZero() {
			fmt.Fprintf(b, "  "+limit.words+"\n", limit.v)
		}
	}
	for _, h := range s.TreasuryHouses() {
		fmt.Fprintf(b, "  house %s:", h.House)
		for _, m := range h.Members {
			fmt.Fprintf(b, " %s %d", m.Principal, m.Weight)
		}
		b.WriteString("\n")
	}
}

func (s *Signed) epochs(n uint64) string { return s.Duration(n * s.EpochBlocks) }

// Duration says a number of blocks as people say it.
func (s *Signed) Duration(blocks uint64) string {
	seconds := blocks * uint64(s.BlockMs) / 1000
	switch {
	case seconds >= 2*86_400:
		return fmt.Sprintf("%d days %d h", seconds/86_400, seconds%86_400/3_600)
	case seconds >= 2*3_600:
		return fmt.Sprintf("%d h %d min", seconds/3_600, seconds%3_600/60)
	case seconds >= 120:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d s", seconds)
}
