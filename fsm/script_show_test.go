package fsm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// at is a time since the story began.
func at(ms int64) string {
	since := time.Duration(ms-rigStart) * time.Millisecond
	if since < 0 {
		return since.String()
	}
	return "+" + since.String()
}

// result prints what an entry did.
func (s *script) result(r *Result) {
	if r.Refused {
		s.say("refused entry: leaf %d, reason %d, alarms %v", r.FirstLeaf, r.Leaves[0][1], s.r.m.state.alarms)
		return
	}
	s.say("entry %d: height %d, now %s", r.Number, r.Height, at(r.Now))
	for _, o := range r.Outcomes {
		s.say("  %s: %s", o.Type, s.outcome(o))
	}
	for _, receipt := range r.Receipts {
		s.say("  receipt %s", receiptLine(receipt.Body))
	}
	if r.DueLeft {
		s.say("  more is due")
	}
}

func (s *script) outcome(o Outcome) string {
	word, fields := "accepted", o.Result
	if o.Refusal != nil {
		word, fields = string(o.Refusal.Code), o.Refusal.Fields
		if o.Unconsumed {
			word += ", nothing consumed"
		}
	}
	var facts []string
	for _, f := range fields {
		if o.Type == TypeAttest && f.Value == "0" {
			continue
		}
		facts = append(facts, f.Name+" "+s.named(f))
	}
	if len(facts) == 0 {
		return word
	}
	return word + " (" + strings.Join(facts, ", ") + ")"
}

// named puts names in the place of key ids and times, and shortens identities.
func (s *script) named(f Field) string {
	for name, key := range s.r.people {
		if keyIDFor(key).String() == f.Value {
			return name
		}
	}
	var ms int64
	if n, _ := fmt.Sscan(f.Value, &ms); n == 1 && ms > rigStart/2 {
		return at(ms)
	}
	if len(f.Value) == 2*len(Identity{}) {
		return s.idName(f.Value)
	}
	return f.Value
}

func receiptLine(body any) string {
	switch b := body.(type) {
	case *SettlementReceipt:
		line := fmt.Sprintf("settlement %s/%d %s: meter %s, reading %d, %d to %d, gross %v fee %v net %v, %s pays %s",
			b.Market, b.Settlement, b.Status, b.Meter, b.Readings.To, b.FromRegister, b.ToRegister, b.Gross, b.Fee, b.Net, b.Payer, b.Provider)
		if b.ReleaseHeight > 0 {
			line += fmt.Sprintf(", release at %d", b.ReleaseHeight)
		}
		return line
	case *ReleaseReceipt:
		return fmt.Sprintf("release of settlement %s/%d: net %v to %s, fee %v", b.Market, b.Settlement, b.Net, b.Provider, b.Fee)
	case *ReadingReceipt:
		line := fmt.Sprintf("reading %s/%d %s: meter %s, register %d", b.Market, b.Number, b.Status, b.Meter, b.Register)
		if b.Reason != "" {
			line += ", " + b.Reason
		}
		if b.Required > 0 {
			line += fmt.Sprintf(", %d of %d required", b.Actual, b.Required)
		}
		return line
	case *ThresholdReceipt:
		return fmt.Sprintf("%s by %s", b.Command, strings.Join(b.Signers, " and "))
	case *EvidenceReceipt:
		return fmt.Sprintf("evidence against %s on reading %s/%d: first %s, then %s", b.Oracle, b.Market, b.Number, b.First, b.Second)
	case *PolicyReceipt:
		line := fmt.Sprintf("policy, change %d %s: %s for %s, %d of", b.Change, b.Standing, b.New, b.Old, b.Cosigners)
		for _, n := range b.Nodes {
			line += " " + n.Node
		}
		if b.Transition != nil {
			line += fmt.Sprintf(", by cut %d of size %d", b.Transition.Cut, b.Transition.Size)
		}
		return line
	case *CutReceipt:
		line := fmt.Sprintf("cut %d at size %d", b.Cut, b.Size)
		if b.Digest != nil {
			line += fmt.Sprintf(", with the digest of cut %d", b.Digest.Cut)
		}
		return line
	}
	if line := treasuryLine(body); line != "" {
		return line
	}
	panic(fmt.Sprintf("no line for %T", body))
}

// show prints a part of the state.
func (s *script) show(c *call) {
	st := s.r.m.state
	for _, what := range []string{"alarms", "balances", "disbursements", "treasury", "withdrawals", "clock", "cuts", "due", "keys", "members", "meters", "readings", "receivables", "settlements"} {
		if !c.has(what) {
			continue
		}
		c.text(what, "")
		before := s.out.Len()
		switch what {
		case "alarms":
			for _, a := range st.alarms {
				s.say("%s", a)
			}
		case "balances":
			st.ledger.Accounts("", s.balance)
		case "disbursements":
			s.disbursements()
		case "treasury":
			s.treasury()
		case "withdrawals":
			st.book.Withdrawals(treasury.ID{}, s.withdrawal)
		case "clock":
			s.say("height %d, epoch %d, now %s, tick %d", st.clock.height, st.epoch(), at(st.clock.now), st.clock.tick)
		case "cuts":
			s.say("cut %d, final %d, dirty %v", st.cutCount, st.final.Number, st.wantsCut())
		case "due":
			s.due()
		case "keys":
			s.keys()
		case "members":
			s.members()
		case "meters":
			st.oracle.Meters("", s.meter)
		case "readings":
			st.oracle.Pending("energy", 0, s.pending)
		case "receivables":
			st.receivables.Scan(func(key string, r receivable) bool {
				payer, _, _ := strings.Cut(key, "\x00")
				s.say("%s owes %s/%d", payer, r.market, r.settlement)
				return true
			})
		case "settlements":
			st.oracle.Settlements("energy", 0, func(set oracle.Settlement) bool {
				s.say("energy/%d: %s pays %s %v, release at %d", set.Number, set.Payer, set.Provider, set.Gross, set.ReleaseHeight)
				return true
			})
		}
		if s.out.Len() == before {
			s.say("no %s", what)
		}
	}
}

func (s *script) balance(a treasury.Account) bool {
	if v, negative := a.Balance(); !v.IsZero() {
		s.say("%s %s%v", a.ID, map[bool]string{true: "-"}[negative], v)
	}
	return true
}

func (s *script) due() {
	s.r.m.state.due.Scan(func(key string, d dueItem) bool {
		what := []string{"", "expire reading", "close meter", "release settlement", "fund payer", "forget key"}[d.kind]
		object := d.id
		if d.number > 0 {
			object += fmt.Sprint("/", d.number)
		}
		if d.kind == dueForget {
			object = s.named(Field{Value: fmt.Sprintf("%x", d.id)})
		}
		s.say("height %d: %s %s", dueHeight(key), what, object)
		return true
	})
}

func (s *script) keys() {
	names := make([]string, 0, len(s.r.people))
	for name := range s.r.people {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		id := keyIDFor(s.r.people[name])
		if k, known := s.r.m.state.keys.Get(string(id[:])); known {
			until := "on"
			if k.ending() {
				until = fmt.Sprint("to ", k.Until)
			}
			s.say("%s: of %s, from %d %s", name, k.Principal, k.From, until)
		}
	}
}

func (s *script) members() {
	for _, m := range s.r.m.View().Members() {
		line := fmt.Sprintf("seat %d: %s %s", m.Seat, m.Name, m.Standing())
		if m.From > 0 && m.From != NoEnd {
			line += fmt.Sprintf(", counts from size %d", m.From)
		}
		if m.Until != NoEnd {
			line += fmt.Sprintf(", no more from size %d", m.Until)
		}
		if !m.Seen {
			line += ", never seen"
		}
		s.say("%s", line)
	}
	for _, c := range s.r.m.View().Changes() {
		line := fmt.Sprintf("change %d: seat %d for %d, decided at leaf %d, %s", c.Number, c.New, c.Old, c.Decided, c.Standing)
		if c.Ended > 0 {
			line += fmt.Sprintf(" at leaf %d", c.Ended)
		}
		if c.Header > 0 {
			line += fmt.Sprintf(" by cut %d of size %d, signed in leaf %d", c.Cut.Number, c.Cut.Size, c.Header)
		}
		s.say("%s", line)
	}
}

func (s *script) meter(m oracle.Meter) bool {
	base := "no base"
	if m.HasBase {
		base = fmt.Sprintf("base %d at %s, remainder %d", m.BaseRegister, at(m.BaseMeasuredAt), m.Remainder)
	}
	s.say("%s of %s, paid by %s: %s, %d pending", m.ID, m.Provider, m.Payer, base, m.Pending)
	return true
}

func (s *script) pending(r oracle.Reading) bool {
	accept, reject, total, required := s.r.m.state.oracle.Tally(r)
	s.say("energy/%d of %s at %s says %d: %s, %d for and %d against of %d, %d required, expires at %d",
		r.Number, r.Meter, at(r.MeasuredAt), r.Register, r.State, accept, reject, total, required, r.ExpiresHeight)
	return true
}
