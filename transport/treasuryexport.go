package transport

import (
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

// maxExported bounds the rows of an export, which is made in memory. Whoever has more
// reads the lists in pages, or the journal.
const maxExported = 20_000

// exportedRow is how many rows a read could walk over while one disbursement is worded.
const exportedRow = 32

func (d *Door) treasuryExport(s state, _ Reader, _ *balanceInput) (api.TreasuryExport, error) {
	rows := uint64(0)
	for _, status := range treasury.Statuses() {
		n, _ := s.Book().Count(status)
		rows += n
	}
	if err := d.walk(s.asker, int(min(rows, maxExported))*exportedRow); err != nil {
		return api.TreasuryExport{}, err
	}
	return exportOf(s, maxExported)
}

// exportOf refuses what has more than most rows.
func exportOf(s state, most int) (api.TreasuryExport, error) {
	out := api.TreasuryExport{
		Format: api.ExportFormat, Cluster: s.Genesis().ClusterID(), Era: s.Era(), Index: api.Uint64(s.Number()), Leaves: api.Uint64(s.TreeSize()),
		Height: api.Uint64(s.Height()), TreasuryHeight: api.Uint64(s.Book().Height()), Now: s.Now(),
		Paused: append([]string{}, s.Book().PausedScopes()...), Money: moneyOf(s),
		Accounts: []api.Account{}, Disbursements: []api.ExportedDisbursement{}, Withdrawals: []api.Withdrawal{}, Epochs: []api.TreasuryFlow{},
	}
	room := most
	take := func() bool { room--; return room >= 0 }
	s.Ledger().Accounts("", func(a treasury.Account) bool {
		out.Accounts = append(out.Accounts, accountOf(a))
		return take()
	})
	s.Book().Disbursements(func(d *treasury.Disbursement) bool {
		out.Disbursements = append(out.Disbursements, api.ExportedDisbursement{Disbursement: disbursementOf(s, d), Ballots: ballotsOf(s, d)})
		return take()
	})
	s.Book().Withdrawals(treasury.ID{}, func(w *treasury.Withdrawal) bool {
		out.Withdrawals = append(out.Withdrawals, withdrawalOf(w))
		return take()
	})
	s.Book().History(0, func(f treasury.Flow) bool {
		out.Epochs = append(out.Epochs, flowOf(f))
		return take()
	})
	if room < 0 {
		return out, problem(fsm.LimitExceeded, fsm.Field{Name: "limit", Value: "export_rows"}, fsm.Field{Name: "max", Value: decimal(uint64(most))})
	}
	return out, nil
}

func ballotsOf(s state, d *treasury.Disbursement) (out []api.Ballot) {
	for _, b := range s.Book().Ballots(d.ID) {
		verdict := fsm.VerdictReject
		if b.Approve {
			verdict = fsm.VerdictApprove
		}
		out = append(out, api.Ballot{Principal: b.Principal, Verdict: verdict})
	}
	return out
}
