package board

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/transport/api"
)

// told is a story with a receipt of each action, and with names that try to leave
// their place in the page.
func told(t *testing.T, actions ...string) Story {
	t.Helper()
	s := Story{Cluster: "north", ID: "00ff", Node: "https://node.example", Status: "voting: the vote is open.", Made: time.UnixMilli(1_760_000_000_000)}
	s.Disbursement.Disbursement = api.Disbursement{
		ID: strings.Repeat("ab", 32), Title: "<script>alert(1)</script>", Memo: "a\nb", Amount: "1500000", Asset: "BLOCK", Destination: "payee/acme",
		Tallies: []api.HouseTally{{House: "operators", Weight: 4, Approve: 1, Required: 3}, {House: "empty"}},
	}
	for i, action := range actions {
		body := strict.Encode(fsm.DisbursementReceipt{
			ReceiptHead: fsm.ReceiptHead{Kind: fsm.KindDisbursement, Entry: 1, Height: 2, At: 1_760_000_000_000}, Step: uint64(i + 1), Action: action,
			Status: "executed", By: "ann,ben", Asset: "BLOCK", Legs: []fsm.ReceiptLeg{{From: "treasury/reserved", To: "payee/acme/held", Amount: fsm.Amount{Lo: 1500000}}},
		})
		s.Timeline.Events = append(s.Timeline.Events, api.TreasuryEvent{
			Receipt: api.Receipt{Leaf: api.Uint64(i), Final: i == 0, Kind: fsm.KindDisbursement, Body: body}, Proof: "/v1/receipts/0.tlog-proof",
		})
	}
	return s
}

func TestPage(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, told(t, "execute", "rollback")); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{
		"&lt;script&gt;alert(1)", "1,500,000 BLOCK", "voting: the vote is open.", "width: 25.0%", "left: 75.0%",
		"<h3>Executed: the money is held for the recipient, by ann and ben</h3>", "1,500,000 BLOCK moved from treasury/reserved to payee/acme/held.",
		`<a href="https://node.example/v1/receipts/0.tlog-proof">`, "not final when this was made", "of cluster north, 00ff",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<script", "src=", "<link", "@import", "url(", "ZgotmplZ"} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %q", never)
		}
	}
}

func TestPageRefusesWhatIsNoStep(t *testing.T) {
	s := told(t, "execute")
	s.Timeline.Events[0].Body = []byte(`{"kind":"gone"}`)
	if err := Write(new(bytes.Buffer), s); err == nil || !strings.Contains(err.Error(), "leaf 0") {
		t.Errorf("error %v", err)
	}
}

// Every action that a receipt can have is said in words.
func TestActionsHaveWords(t *testing.T) {
	for _, list := range []string{
		"propose,amend,open,vote,count,reserve,timelock,confirm,execute,finalize,rollback,cancel,veto,expire,extend,fail",
		"withdraw,recall,payout,paid,failed,unknown",
	} {
		for action := range strings.SplitSeq(list, ",") {
			if actions[action] == "" {
				t.Errorf("%s has no words", action)
			}
		}
	}
}
