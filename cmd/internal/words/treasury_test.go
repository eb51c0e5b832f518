package words

import (
	"strings"
	"testing"

	"lukechampine.com/uint128"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

var paid = fsm.DisbursementBody{
	Title: "Inverter for the school", Summary: "as decided in June", Destination: "payee/acme", Payee: "IBAN 7", Amount: uint128.From64(1_500_000),
	Memo: "invoice 12", Deps: [][32]byte{earlier}, ScheduledEpoch: 90, Quorum: []genesis.Floor{{House: "builders", Ppm: 670_000}}, VoteWindowEpochs: 2,
	ExpectedReceipts: []fsm.ExpectedReceipt{{Account: "hardware", Amount: uint128.From64(1_500_000)}},
}

// treasuryExamples has one command of the treasury of each kind.
var treasuryExamples = map[string]example{
	"propose": {fsm.Propose{Header: single, DisbursementBody: paid}, []string{
		"as a draft", `1,500,000 minor units of BLOCK to payee/acme: "Inverter for the school"`, `Paid outside to: "IBAN 7"`, `Memo: "invoice 12"`,
		"Only after disbursement 5e00", "Not before epoch 90", `1,500,000 for "hardware"`, "at least 67 % of house builders", "Vote: 2 epochs, timelock: as its bracket says",
	}},
	"amend":  {fsm.Amend{Header: single, Disbursement: earlier, DisbursementBody: paid}, []string{"Replaces the whole draft disbursement 5e00", "payee/acme"}},
	"open":   {fsm.Open{Header: single, Disbursement: earlier}, []string{"Opens the vote about disbursement 5e00", "cannot be amended"}},
	"cancel": {fsm.Cancel{Header: single, Disbursement: earlier}, []string{"Cancels the draft disbursement 5e00"}},
	"vote": {fsm.Vote{Header: single, Disbursement: earlier, Content: [32]byte{0x77}, Verdict: "reject"}, []string{
		"Votes AGAINST disbursement 5e00", "final", "content 7700",
	}},
	"queue":             {fsm.Queue{Header: single, Disbursement: earlier}, []string{"disbursement 5e00", "no window is skipped"}},
	"execute":           {fsm.Execute{Header: single, Disbursement: earlier}, []string{"execute disbursement 5e00", "four eyes", "no window is skipped"}},
	"veto":              {fsm.Veto{Header: single, Disbursement: earlier, Reason: "doubt"}, []string{"Ends disbursement 5e00", `"doubt"`}},
	"pause":             {fsm.Pause{Header: single, Scope: "all", Reason: "audit"}, []string{"Stops all disbursements, withdrawals and payouts", `"audit"`, "Only the admin threshold"}},
	"withdraw":          {fsm.Withdraw{Header: single, Amount: uint128.From64(5_000), Payee: "IBAN 8"}, []string{"5,000 minor units of the signer's own account", `"IBAN 8"`}},
	"cancel_withdrawal": {fsm.CancelWithdrawal{Header: single, Withdrawal: earlier}, []string{"withdrawal 5e00"}},
	"rollback":          {fsm.Rollback{ThresholdHeader: threshold, Disbursement: earlier, Reason: "fraud"}, []string{"Takes back disbursement 5e00", `"fraud"`}},
	"unpause":           {fsm.Unpause{ThresholdHeader: threshold, Scope: "treasury"}, []string{"Lets go on: all disbursements"}},
	"set_house": {
		fsm.SetHouse{ThresholdHeader: threshold, House: genesis.House{House: "builders", Members: []genesis.Member{{Principal: "ann", Weight: 1_200}}}},
		[]string{"house of voters builders", "ann with weight 1,200"},
	},
	"set_treasury": {fsm.SetTreasury{ThresholdHeader: threshold, Treasury: genesis.Treasury{
		GraceEpochs: 9, EpochCap: uint128.From64(70_000),
		Brackets: []genesis.Bracket{{Quorum: []genesis.Floor{{House: "operators", Ppm: 600_000}}, VoteWindowEpochs: 72, TimelockEpochs: 48, RollbackWindowEpochs: 24}},
	}}, []string{"Grace: 9 epochs", "Cap of an epoch: 70,000", "From 0 minor units: at least 60 % of house operators; vote 72 epochs, timelock 48 epochs, rollback 24 epochs"}},
	"payout":        {fsm.Payout{ThresholdHeader: threshold, Withdrawal: earlier, Reference: "wire 1"}, []string{"withdrawal 5e00", `"wire 1"`, "once for ever"}},
	"record_payout": {fsm.RecordPayout{ThresholdHeader: threshold, Withdrawal: earlier, Reference: "wire 1", Result: "unknown"}, []string{"withdrawal 5e00", "is in doubt"}},
}

// Words for values that no rule knows do not pretend to know them.
func TestUnknownWordsOfTheTreasury(t *testing.T) {
	for name, payload := range map[string]any{
		"vote": fsm.Vote{Header: single, Verdict: "maybe"}, "pause": fsm.Pause{Header: single, Scope: "moon", Reason: "x"},
		"record_payout": fsm.RecordPayout{ThresholdHeader: threshold, Result: "lost"},
	} {
		text, err := reader().Command(draft(t, name, payload))
		if err != nil || !strings.Contains(text, "which is no") && !strings.Contains(text, "does not exist") {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

func TestTreasuryReceiptsInWords(t *testing.T) {
	for _, test := range []struct {
		body any
		want []string
	}{
		{fsm.DisbursementReceipt{
			ReceiptHead: head(fsm.KindDisbursement), Step: 8, Action: "execute", From: "timelocked", Status: "executed", Proposer: "ann", Title: "Inverter",
			Destination: "provider/sun", Asset: "BLOCK", Amount: uint128.From64(1_300), TreasuryHeight: 10, Due: 20,
			Legs: []fsm.ReceiptLeg{{From: "treasury/reserved", To: "provider/sun/held", Amount: uint128.From64(1_300)}}, Facts: []fsm.Field{{Name: "window", Value: "20"}},
		}, []string{
			`Step 8 of disbursement 0000`, `"Inverter": execute (Time); it is executed, and was timelocked`, "1,300 minor units of BLOCK to provider/sun, proposed by ann",
			"Treasury height 10; next due at 20", "window 20", "Moved 1,300 from treasury/reserved to provider/sun/held",
		}},
		{fsm.DisbursementReceipt{ReceiptHead: head(fsm.KindDisbursement), Action: "rollback", By: "ann,ben", Status: "rolled_back", Error: "StaleDependency"}, []string{
			"rollback (ann and ben)", "carries the error StaleDependency",
		}},
		{fsm.WithdrawalReceipt{
			ReceiptHead: head(fsm.KindWithdrawal), Action: "paid", State: "paid", By: "ann,ben", Account: "provider/sun", Asset: "BLOCK", Amount: uint128.From64(60), Payee: "IBAN", Reference: "wire 2",
		}, []string{`of 60 minor units of BLOCK from provider/sun to "IBAN": it is paid, under the reference "wire 2", by ann and ben`}},
		{fsm.PauseReceipt{ReceiptHead: head(fsm.KindPause), Scope: "treasury", By: "ann", Reason: "audit"}, []string{"ann stopped all outflows of scope treasury: audit"}},
	} {
		text, err := reader().Leaf(strict.Encode(test.body))
		if err != nil {
			t.Errorf("%T: %v", test.body, err)
		}
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%T: no %q in\n%s", test.body, want, text)
			}
		}
	}
}
