package api

// ExportFormat is what the first member of every export says.
const ExportFormat = "tallyvault treasury export v1"

// TreasuryExport is everything about the treasury after one entry of the log. It has
// nothing that differs between nodes: the same index gives the same bytes everywhere.
type TreasuryExport struct {
	Format         string                 `json:"format" enum:"tallyvault treasury export v1"`
	Cluster        string                 `json:"cluster" doc:"id of the cluster"`
	Era            string                 `json:"era"`
	Index          Uint64                 `json:"index" doc:"the last entry that it takes into account"`
	Leaves         Uint64                 `json:"leaves" doc:"size of the journal after that entry: the receipts below it lead to these balances"`
	Height         Uint64                 `json:"height"`
	TreasuryHeight Uint64                 `json:"treasury_height" doc:"stands still while the treasury is paused"`
	Now            int64                  `json:"now" doc:"the cluster's time, unix ms"`
	Paused         []string               `json:"paused" doc:"scopes that are paused"`
	Money          TreasuryMoney          `json:"money"`
	Accounts       []Account              `json:"accounts" doc:"the whole ledger, by name"`
	Disbursements  []ExportedDisbursement `json:"disbursements" doc:"the oldest proposal first"`
	Withdrawals    []Withdrawal           `json:"withdrawals" doc:"by id"`
	Epochs         []TreasuryFlow         `json:"epochs" doc:"epochs in which money moved, the newest first"`
}

// ExportedDisbursement is a disbursement with the votes while they are open.
type ExportedDisbursement struct {
	Disbursement
	Ballots []Ballot `json:"ballots,omitempty"`
}
