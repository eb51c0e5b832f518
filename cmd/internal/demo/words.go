package demo

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Tell says for people what happened and where to look next.
func (s Summary) Tell(out io.Writer, program string) {
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) } //nolint:errcheck // words for people
	say("\nWhat happened in %.0f seconds:", s.Seconds)
	r := s.Readings
	say("  %d readings of %d meters were sent, %d accepted, %d refused at once.", r.Submitted, s.Meters, r.Accepted, r.Submitted-r.Accepted)
	say("  %d began a meter, %d settled for %s minor units, %d were rejected by the oracles, %d found no quorum.",
		r.Baselines, r.Settled, s.Settled, r.Rejected, r.Unsettled)
	d := s.Disbursements
	say("  Of the treasury's disbursements %d were paid for good, %d rolled back, %d voted down, %d vetoed.",
		d["finalized"], d["rolled_back"], d["rejected"], d["cancelled"])
	say("  Mischief:")
	for _, m := range s.Mischief {
		say("    %-55s %s", m.Attempt, m.Got)
	}
	say("  Checkpoint %d is cosigned by %s; %d of %d receipts verified offline.",
		s.Checkpoint.Size, strings.Join(s.Checkpoint.CosignedBy, ", "), s.ReceiptsVerifiedOffline, s.Receipts)
	say("  Money conserved: %s. State digests equal: %s. Audit from genesis clean: %s.",
		yes(s.Conservation), yes(s.StateDigestsEqual), yes(s.AuditClean))
	say("\nWhere to look next (nothing runs any more, all of it works offline):")
	files, err := filepath.Glob(filepath.Join(s.Dir, "settlement-*.tlog-proof"))
	if err == nil && len(files) > 0 {
		slices.Sort(files)
		say("  %s receipt verify --policy %s %s", program, filepath.Join(s.Dir, "policy"), files[0])
	}
	say("  %s audit --genesis %s --journal %s", program, filepath.Join(s.Dir, "genesis.json"), filepath.Join(s.Dir, nodeNames[0], "journal"))
	say("  %s genesis verify %s", program, filepath.Join(s.Dir, "genesis.json"))
	say("  less %s   (why the oracle rejected what it rejected)", filepath.Join(s.Dir, oracles[0]+".log"))
}

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}
