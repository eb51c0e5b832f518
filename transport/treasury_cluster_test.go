package transport_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// treasury sends every command by its own name and reads everything that there is
// about it: one disbursement to its end, and others that end otherwise.
func (s *story) treasury(t *testing.T) {
	s.Threshold(&fsm.Deposit{Account: "treasury", Asset: "BLOCK", Amount: fsm.Amount{Lo: 10_000}, Reference: "treasury 1"})
	nonces := map[string]uint64{}
	base := s.Nodes[1].URL + "/v1/treasury/disbursements"
	send := func(who, path string, cmd any, status int) []byte {
		t.Helper()
		nonces[who]++
		e, err := s.Signer(who).Build(cmd, "9", nonces[who], time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		response, text := s.do(t, http.MethodPost, base+path, "", e.JSON())
		if response.StatusCode != status {
			t.Fatalf("%s: %s %s", path, response.Status, text)
		}
		return text
	}
	propose := func(amount uint64, deps ...[32]byte) (id [32]byte, path string) {
		t.Helper()
		text := send("alice", "", &fsm.Propose{DisbursementBody: fsm.DisbursementBody{
			Title: "inverter", Destination: "provider/sunny", Amount: fsm.Amount{Lo: amount}, Deps: deps,
		}}, http.StatusOK)
		return decodeID(t, decode[api.Outcome](t, text).ID)
	}
	show := func(path string) (d api.OneDisbursement) {
		t.Helper()
		s.get(t, "/v1/treasury/disbursements"+path, nil, &d)
		return d
	}
	decided := func(amount uint64, deps ...[32]byte) (id [32]byte, path string) {
		t.Helper()
		id, path = propose(amount, deps...)
		send("alice", path+"/open", &fsm.Open{Disbursement: id}, http.StatusOK)
		content := [32]byte{}
		copy(content[:], mustHex(t, show(path).Content))
		for _, who := range []string{"alice", "bob"} {
			send(who, path+"/vote", &fsm.Vote{Disbursement: id, Content: content, Verdict: "approve"}, http.StatusOK)
		}
		return id, path
	}
	await := func(path, status string) api.OneDisbursement {
		t.Helper()
		var d api.OneDisbursement
		s.Until(path+" being "+status, func() bool {
			d = api.OneDisbursement{}
			return s.Client("ada", 0).Get(s.Context(), "/v1/treasury/disbursements"+path, nil, &d) == nil && d.Status == status
		})
		return d
	}

	paid, paidPath := decided(100)
	after, afterPath := decided(200, paid)
	if d := show(afterPath); d.Status != "queued" || d.Waits == nil || d.Waits.For != "dependencies" || len(d.Waits.On) != 1 {
		t.Errorf("%+v", d)
	}
	var why api.Explanation
	s.get(t, "/v1/explain/disbursement"+afterPath, nil, &why)
	if len(why.Waits) == 0 || why.Waits[0].For != "dependencies" || why.Waits[0].Object != "disbursement"+paidPath || why.Disbursement == nil {
		t.Errorf("%+v", why)
	}
	send("bob", afterPath+"/queue", &fsm.Queue{Disbursement: after}, http.StatusOK)
	await(paidPath, "executed") // its bracket has no timelock
	send("bob", paidPath+"/execute", &fsm.Execute{Disbursement: paid}, http.StatusOK)
	_, vetoed := propose(1)
	id, _ := decodeID(t, vetoed[1:])
	send("alice", vetoed+"/amend", &fsm.Amend{Disbursement: id, DisbursementBody: fsm.DisbursementBody{
		Title: "amended", Destination: "payee/acme", Payee: "IBAN", Amount: fsm.Amount{Lo: 2}, Memo: "why", ExpectedReceipts: []fsm.ExpectedReceipt{{Account: "invoice", Amount: fsm.Amount{Lo: 2}}},
	}}, http.StatusOK)
	send("bob", vetoed+"/veto", &fsm.Veto{Disbursement: id, Reason: "doubt"}, http.StatusOK)
	cancelledID, cancelled := propose(3)
	send("alice", cancelled+"/cancel", &fsm.Cancel{Disbursement: cancelledID}, http.StatusOK)
	text := send("bob", cancelled+"/veto", &fsm.Veto{Disbursement: cancelledID, Reason: "doubt"}, http.StatusConflict)
	if p := decode[api.Problem](t, text); p.Code != "InvalidTransition" || p.Fields["current"] != "cancelled" || p.Fields["allowed"] != "none" {
		t.Errorf("%s", text)
	}
	text = send("bob", cancelled+"/queue", &fsm.Veto{Disbursement: cancelledID, Reason: "doubt"}, http.StatusBadRequest)
	if p := decode[api.Problem](t, text); p.Fields["reason"] != "other_than_path" {
		t.Errorf("%s", text)
	}
	nonces["bob"]-- // the door consumed nothing
	text = send("bob", cancelled+"/veto", &fsm.Veto{Disbursement: paid, Reason: "doubt"}, http.StatusBadRequest)
	if p := decode[api.Problem](t, text); p.Fields["field"] != "disbursement" {
		t.Errorf("%s", text)
	}
	nonces["bob"]--
	await(afterPath, "executed") // once the first is finalized
	s.rollback(t, base+afterPath+"/rollback", after)
	if d := await(afterPath, "rolled_back"); d.Waits != nil || len(d.Next) != 0 || d.Ending != "committee" {
		t.Errorf("%+v", d)
	}
	s.get(t, "/v1/explain"+afterPath, nil, &why) // by the identity of the command that proposed it
	if why.Status != "accepted" || len(why.Related) != 2 || why.Related[0] != "disbursement"+afterPath {
		t.Errorf("%+v", why)
	}
	s.treasuryReads(t, paidPath[1:])
}

// rollback sends a threshold command by its own name.
func (s *story) rollback(t *testing.T, path string, id [32]byte) {
	t.Helper()
	e, err := s.Signer("alice").BuildThreshold(&fsm.Rollback{Disbursement: id, Reason: "mistake"}, [16]byte{7}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if response, text := s.do(t, http.MethodPost, path, "", s.Signer("bob").AddSignature(e).JSON()); response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", response.Status, text)
	}
}

func (s *story) treasuryReads(t *testing.T, paid string) {
	var list api.Disbursements
	s.get(t, "/v1/treasury/disbursements", url.Values{"limit": {"2"}}, &list)
	if len(list.Disbursements) != 2 || list.Next != "3" || list.Disbursements[0].Status != "cancelled" {
		t.Errorf("%+v", list)
	}
	s.get(t, "/v1/treasury/disbursements", url.Values{"before": {list.Next}}, &list)
	if len(list.Disbursements) != 2 || list.Disbursements[1].ID != paid {
		t.Errorf("%+v", list)
	}
	list = api.Disbursements{}
	s.get(t, "/v1/treasury/disbursements", url.Values{"status": {"finalized,rolled_back"}, "destination": {"provider/sunny"}, "min_amount": {"150"}, "to_epoch": {"99999"}}, &list)
	if len(list.Disbursements) != 1 || list.Disbursements[0].Amount != "200" {
		t.Errorf("%+v", list)
	}
	var timeline api.Timeline
	s.get(t, "/v1/treasury/timeline", url.Values{"disbursement": {paid}}, &timeline)
	var actions []string
	for _, e := range timeline.Events {
		var body struct{ Action string }
		if err := json.Unmarshal(e.Body, &body); err != nil {
			t.Fatal(err)
		}
		actions = append(actions, body.Action)
	}
	if got := fmt.Sprint(actions); got != "[propose open vote vote count reserve timelock execute finalize]" {
		t.Errorf("%s", got)
	}
	var balance api.TreasuryBalance
	s.get(t, "/v1/treasury/balance", nil, &balance)
	if balance.Executed != "300" || balance.Compensated != "200" || balance.Reserved != "0" || balance.Current != balance.Free {
		t.Errorf("%+v", balance)
	}
	var history api.TreasuryHistory
	s.get(t, "/v1/treasury/history", nil, &history)
	if len(history.Epochs) == 0 || history.Epochs[0].Current != balance.Current {
		t.Errorf("%+v", history)
	}
	var summary api.TreasurySummary
	s.get(t, "/v1/treasury/summary", nil, &summary)
	if summary.Executor.Executed != 2 || summary.Executor.LastSuccess == nil || len(summary.Counts) != 10 || summary.LastChange == nil {
		t.Errorf("%+v", summary)
	}
	var rules api.TreasuryRules
	s.get(t, "/v1/treasury/rules", nil, &rules)
	if len(rules.Houses) != 1 || len(rules.Houses[0].Members) != 3 || len(rules.Brackets) != 2 {
		t.Errorf("%+v", rules)
	}
	var left api.Withdrawals
	s.get(t, "/v1/treasury/withdrawals", nil, &left)
	if len(left.Withdrawals) != 0 {
		t.Errorf("%+v", left)
	}
	s.exports(t, balance.Executed)
	s.dear(t, "/v1/treasury/export")
	shouted := strings.ToUpper(paid)
	for _, bad := range []string{
		"/v1/treasury/disbursements?status=gone", "/v1/treasury/disbursements?min_amount=1.5", "/v1/treasury/disbursements/abc",
		"/v1/treasury/withdrawals?after=zz", "/v1/treasury/withdrawals?after=" + shouted,
		"/v1/treasury/disbursements/" + shouted, "/v1/treasury/timeline?disbursement=" + shouted, "/v1/explain/disbursement/" + shouted,
	} {
		if response, text := s.do(t, http.MethodGet, s.Nodes[0].URL+bad, s.token(t, "ada"), nil); response.StatusCode < 400 || response.StatusCode > 404 {
			t.Errorf("%s: %s %s", bad, response.Status, text)
		}
	}
}

// exports wants the same bytes of every node at the same index.
func (s *story) exports(t *testing.T, executed string) {
	t.Helper()
	var texts [3][]byte
	s.Until("three exports at one index", func() bool {
		var index [3]api.Uint64
		for i, n := range s.Nodes {
			response, text := s.do(t, http.MethodGet, n.URL+"/v1/treasury/export?consistency=stale", s.token(t, "ada"), nil)
			if response.StatusCode != http.StatusOK {
				t.Fatalf("%s %s", response.Status, text)
			}
			texts[i], index[i] = text, decode[api.TreasuryExport](t, text).Index
		}
		return index[0] == index[1] && index[1] == index[2]
	})
	if !bytes.Equal(texts[0], texts[1]) || !bytes.Equal(texts[1], texts[2]) {
		t.Errorf("exports at one index differ:\n%s\n%s\n%s", texts[0], texts[1], texts[2])
	}
	e := decode[api.TreasuryExport](t, texts[0])
	var document bytes.Buffer
	encoder := json.NewEncoder(&document)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil || !bytes.Equal(document.Bytes(), texts[0]) {
		t.Errorf("%v: the export is not its document:\n%s\n%s", err, texts[0], document.Bytes())
	}
	if e.Format != api.ExportFormat || e.Money.Executed != executed || e.Leaves == 0 || len(e.Accounts) == 0 || len(e.Epochs) == 0 {
		t.Errorf("%s", texts[0])
	}
	for i, d := range e.Disbursements {
		if int(d.Sequence) != i+1 {
			t.Errorf("disbursement %d has sequence %d", i+1, d.Sequence)
		}
	}
}

func mustHex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// decodeID reads an id and makes the path of it.
func decodeID(t *testing.T, text string) (id [32]byte, path string) {
	t.Helper()
	copy(id[:], mustHex(t, text))
	return id, "/" + text
}
