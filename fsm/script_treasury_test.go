package fsm

import (
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/treasury"
)

// The verbs of the treasury. A disbursement or a withdrawal has the name that its
// command was given by id=.

func (s *script) treasurySigned(c *call, by string) *Command {
	r := s.r
	who := orElse(by, "alice")
	id := func(name string) [32]byte { return s.id(c.text(name, "")) }
	switch c.verb {
	case "propose":
		name := c.text("id", "")
		b := s.disbursement(c)
		command := r.sign(who, &Propose{DisbursementBody: b})
		s.ids[name] = command.Identity()
		s.remember(s.ids[name], b)
		return command
	case "amend":
		b := &Amend{Disbursement: id("id"), DisbursementBody: s.disbursement(c)}
		s.remember(b.Disbursement, b.DisbursementBody)
		return r.sign(who, b)
	case "open":
		return r.sign(who, &Open{Disbursement: id("id")})
	case "cancel":
		return r.sign(who, &Cancel{Disbursement: id("id")})
	case "vote":
		b := &Vote{Disbursement: id("id"), Verdict: c.text("say", VerdictApprove)}
		if b.Content = s.contents[b.Disbursement]; c.has("content") {
			b.Content = [32]byte{byte(c.number("content", 0))}
		}
		return r.sign(who, b)
	case "queue":
		return r.sign(who, &Queue{Disbursement: id("id")})
	case "execute":
		return r.sign(who, &Execute{Disbursement: id("id")})
	case "veto":
		return r.sign(who, &Veto{Disbursement: id("id"), Reason: c.text("reason", "no")})
	case "pause":
		return r.sign(who, &Pause{Scope: c.text("scope", "treasury"), Reason: c.text("reason", "audit")})
	case "withdraw":
		name := c.text("id", "")
		command := r.sign(by, &Withdraw{Amount: amount(c.number("amount", 0)), Payee: c.text("payee", "IBAN")})
		s.ids[name] = command.Identity()
		return command
	case "cancel-withdrawal":
		return r.sign(by, &CancelWithdrawal{Withdrawal: id("id")})
	}
	return nil
}

func (s *script) treasuryGoverned(c *call) any {
	switch c.verb {
	case "rollback":
		return &Rollback{Disbursement: s.id(c.text("id", "")), Reason: c.text("reason", "mistake")}
	case "unpause":
		return &Unpause{Scope: c.text("scope", "treasury")}
	case "set-house":
		h := genesis.House{House: c.text("house", "operators")}
		for _, m := range c.list("members", "") {
			name, weight, _ := strings.Cut(m, ":")
			h.Members = append(h.Members, genesis.Member{Principal: name, Weight: s.parse(weight)})
		}
		return &SetHouse{House: h}
	case "set-treasury":
		rules := s.r.genesis.TreasuryRules()
		rules.EpochCap = amount(c.number("cap", 0))
		rules.FourEyesAbove = amount(c.number("four-eyes", 0))
		return &SetTreasury{Treasury: rules}
	case "payout":
		return &Payout{Withdrawal: s.id(c.text("id", "")), Reference: c.text("ref", "")}
	case "record-payout":
		return &RecordPayout{Withdrawal: s.id(c.text("id", "")), Reference: c.text("ref", ""), Result: c.text("result", "")}
	}
	return nil
}

func (s *script) disbursement(c *call) DisbursementBody {
	b := DisbursementBody{
		Title: c.text("title", "a payment"), Destination: c.text("to", "provider/sunny"), Payee: c.text("payee", ""),
		Amount: amount(c.number("amount", 0)), ScheduledEpoch: c.number("scheduled", 0),
		VoteWindowEpochs: c.number("vote", 0), TimelockEpochs: c.number("timelock", 0), RollbackWindowEpochs: c.number("rollback", 0),
	}
	for _, dep := range c.list("deps", "") {
		b.Deps = append(b.Deps, s.id(dep))
	}
	return b
}

// remember keeps what people vote on.
func (s *script) remember(id [32]byte, b DisbursementBody) {
	if body, refusal := b.body(); refusal == nil {
		s.contents[id] = body.Content()
	}
}

// id is what a name stands for, or something that nobody proposed.
func (s *script) id(name string) [32]byte {
	if id, known := s.ids[name]; known {
		return id
	}
	return [32]byte{0: 0xff, 31: byte(len(name))}
}

func (s *script) idName(hex string) string {
	for name, id := range s.ids {
		if treasury.ID(id).String() == hex {
			return name
		}
	}
	return hex[:8] + "..."
}

func treasuryLine(body any) string {
	switch b := body.(type) {
	case *DisbursementReceipt:
		line := fmt.Sprintf("disbursement %q step %d: %s", b.Title, b.Step, b.Action)
		if b.By != "" {
			line += " by " + b.By
		}
		line += ", " + b.Status
		if b.Due > 0 {
			line += fmt.Sprintf(", due at %d", b.Due)
		}
		for _, word := range []string{b.Error, b.Ending} {
			if word != "" {
				line += ", " + word
			}
		}
		return line + legsLine(b.Legs)
	case *WithdrawalReceipt:
		line := fmt.Sprintf("withdrawal of %v of %s: %s", b.Amount, b.Account, b.State)
		if b.Reference != "" {
			line += ", reference " + b.Reference
		}
		return line + legsLine(b.Legs)
	case *PauseReceipt:
		return fmt.Sprintf("pause of %s by %s: %s", b.Scope, b.By, b.Reason)
	}
	return ""
}

func legsLine(legs []ReceiptLeg) (line string) {
	for _, l := range legs {
		line += fmt.Sprintf("; %v from %s to %s", l.Amount, l.From, l.To)
	}
	return line
}

func (s *script) disbursements() {
	page, _ := s.r.m.state.book.List(treasury.Filter{}, 100)
	for i := range page {
		d := page[len(page)-1-i]
		line := fmt.Sprintf("%s: %s, %v to %s", s.idName(d.ID.String()), d.Status, d.Body.Amount, d.Body.Destination)
		if w := s.r.m.state.book.Waits(d); w.For != "" {
			line += fmt.Sprintf(", waits for %s (%s) until %d", w.For, w.Who, w.Until)
			for _, id := range w.On {
				line += ", on " + s.idName(id.String())
			}
		}
		if f := d.Failure; f.Code != "" {
			line += fmt.Sprintf(", %s %s after %d", f.Code, f.Detail, f.Attempts)
		}
		s.say("%s", line)
	}
}

func (s *script) treasury() {
	b := s.r.m.state.book.Balance()
	s.say("accrued %v - executed %v + compensated %v = current %v; reserved %v, free %v, held %v, leaving %v",
		b.Accrued, b.Executed, b.Compensated, b.Current, b.Reserved, b.Free, b.Held, b.Leaving)
	s.say("treasury height %d, paused %v", s.r.m.state.book.Height(), s.r.m.state.book.PausedScopes())
}

func (s *script) withdrawal(w *treasury.Withdrawal) bool {
	s.say("%s: %v of %s, %s %s", s.idName(w.ID.String()), w.Amount, w.Account, w.State, w.Reference)
	return true
}
