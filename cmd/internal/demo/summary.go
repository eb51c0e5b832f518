package demo

// Summary is what happened, as one JSON object. Counts of readings come from
// the outcomes the providers got and from the receipts in the journal.
type Summary struct {
	Nodes    int      `json:"nodes"`
	Cluster  string   `json:"cluster"`
	Seconds  float64  `json:"seconds"`
	Meters   int      `json:"meters"`
	Readings Readings `json:"readings"`
	// Settlements and their money, in minor units of the market's asset.
	Settlements int    `json:"settlements"`
	Settled     string `json:"settled_amount"`
	Releases    int    `json:"releases"`
	// Disbursements counts payments out of the treasury by how they ended.
	Disbursements map[string]uint64 `json:"disbursements"`
	// Receipts is how many receipts the final checkpoint covers.
	Receipts                int        `json:"receipts"`
	ReceiptsVerifiedOffline int        `json:"receipts_verified_offline"`
	Checkpoint              Checkpoint `json:"checkpoint"`
	Conservation            bool       `json:"conservation"`
	StateDigestsEqual       bool       `json:"state_digests_equal"`
	StateDigest             string     `json:"state_digest"`
	AuditClean              bool       `json:"audit_clean"`
	Mischief                []Mischief `json:"mischief"`
	Dir                     string     `json:"dir"`
}

// Readings counts what became of readings.
type Readings struct {
	Submitted int            `json:"submitted"`
	Accepted  int            `json:"accepted"`
	Settled   int            `json:"settled"`
	Baselines int            `json:"baselines"`
	Rejected  int            `json:"rejected"`
	Unsettled int            `json:"quorum_failed"`
	Refused   map[string]int `json:"refused"`
}

// Checkpoint is the final one.
type Checkpoint struct {
	Size       uint64   `json:"size"`
	CosignedBy []string `json:"cosigned_by"`
}

// Mischief is one attempt to cheat and how it ended.
type Mischief struct {
	Attempt string `json:"attempt"`
	Want    string `json:"want"`
	Got     string `json:"got"`
}

// Clean reports whether everything that the demo promises held.
func (s Summary) Clean() bool {
	ok := s.Conservation && s.StateDigestsEqual && s.AuditClean &&
		s.Receipts > 0 && s.Receipts == s.ReceiptsVerifiedOffline && s.Readings.Settled > 0
	for _, ending := range []string{"finalized", "rolled_back", "rejected", "cancelled"} {
		ok = ok && s.Disbursements[ending] > 0
	}
	for _, m := range s.Mischief {
		ok = ok && m.Got == m.Want
	}
	return ok
}
