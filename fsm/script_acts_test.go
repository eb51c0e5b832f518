package fsm

import (
	"strconv"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// world begins a story: three nodes, three admins of whom two decide, three oracles
// of equal weight, the providers sunny and windy, the payers city and village, after
// the first tick. Its arguments change the market row.
func (s *script) world(c *call) {
	s.saved, s.owner = map[string]*Command{}, map[string]string{}
	s.ids, s.contents = map[string][32]byte{}, map[[32]byte][32]byte{}
	s.r = newRig(s.t, func(g *genesis.Genesis) {
		m := &g.Markets[0]
		m.Stage = c.text("stage", m.Stage)
		m.ExpiryBlocks = c.number("expiry", m.ExpiryBlocks)
		m.DisputeWindowBlocks = c.number("dispute", m.DisputeWindowBlocks)
		g.EpochBlocks = c.number("epoch", 1_000)
		if c.has("timelock") {
			rules := g.TreasuryRules()
			rules.GraceEpochs = c.number("grace", rules.GraceEpochs)
			rules.EpochCap, rules.FourEyesAbove = amount(c.number("cap", 0)), amount(c.number("four-eyes", 0))
			rules.Brackets[0].TimelockEpochs = c.number("timelock", 1)
			rules.Brackets[0].VoteWindowEpochs = 1
			g.Treasury = &rules
		}
	})
	s.r.tick()
}

// command makes a signed command, or nothing if the verb is another kind of act.
func (s *script) command(c *call) *Command {
	by := c.text("by", "")
	save := c.text("save", "")
	command := s.signed(c, by)
	if command == nil {
		command = s.governed(c, by)
	}
	if command == nil && by != "" {
		c.args["by"] = by
	}
	if save != "" {
		s.saved[save] = command
	}
	return command
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (s *script) signed(c *call, by string) *Command {
	r := s.r
	switch c.verb {
	case "submit":
		return s.reading(c, by)
	case "attest":
		from := c.number("from", 1)
		b := r.attestation(from, c.number("to", from), s.numbers(c, "reject")...)
		for _, v := range c.list("value", "") {
			number, register, _ := strings.Cut(v, ":")
			b.Values = append(b.Values, ObservedValue{s.parse(number), s.parse(register)})
		}
		return r.sign(by, b)
	case "rotate":
		name := c.text("new", "")
		r.people[name], r.roles[name] = testKey(name), r.roles[by]
		return r.sign(by, r.rotation(c.text("of", by), testKey(name), c.number("overlap", 0)))
	case "revoke":
		return r.sign(by, &RevokeKey{Key: keyIDFor(r.people[c.text("key", "")])})
	case "resend":
		return s.saved[c.text("name", "")]
	case "forge":
		e := s.saved[c.text("name", "")].Envelope()
		e.Signatures[0].Sig[40] ^= 1
		forged, _ := FromEnvelope(e)
		return forged
	}
	return s.treasurySigned(c, by)
}

func (s *script) reading(c *call, by string) *Command {
	r := s.r
	meter := c.text("meter", "")
	b := r.reading(meter, c.number("register", 0), r.now-c.millis("ago", 0))
	b.IssuedAt = r.now + c.millis("clock", 0)
	b.ExpiresAt = b.IssuedAt + c.millis("life", time.Hour)
	b.Lane, b.Nonce = c.text("lane", ""), c.number("nonce", 0)
	if old := c.number("supersedes", 0); old > 0 {
		id, _ := r.m.state.oracle.Identity("energy", old)
		b.Supersedes = (*[32]byte)(&id)
	}
	if by == "" {
		by = orElse(s.owner[meter], "sunny")
	}
	return r.sign(by, b)
}

func (s *script) governed(c *call, by string) *Command {
	var body any
	switch c.verb {
	case "register-meter":
		row := MeterRow{
			Meter: c.text("id", ""), Provider: c.text("provider", ""), Payer: c.text("payer", ""),
			Capacity: c.number("capacity", 10_000), IntervalMs: c.millis("interval", 30*time.Minute), Decimals: uint8(c.number("decimals", 3)),
		}
		s.owner[row.Meter] = row.Provider
		body = &RegisterMeters{Market: c.text("market", "energy"), Meters: []MeterRow{row}}
	case "register":
		body = s.r.registration(c.text("name", ""), c.text("role", ""))
	case "register-key":
		name, key := c.text("name", ""), c.text("new", "")
		s.r.people[key], s.r.roles[key] = testKey(key), s.r.roles[name]
		b := s.r.keyRegistration(name, testKey(key), c.list("scopes", "")...)
		if old := c.text("replaces", ""); old != "" {
			id := keyIDFor(s.r.people[old])
			b.Replaces = (*[16]byte)(&id)
		}
		body = b
	case "revoke-principal-key":
		body = &RevokePrincipalKey{Key: keyIDFor(s.r.people[c.text("key", "")])}
	case "rebase":
		body = &RebaseMeter{
			Meter: c.text("meter", ""), Register: c.number("register", 0), MeasuredAt: s.r.now - c.millis("ago", 0), Reason: c.text("reason", "swap"),
		}
	case "weight":
		body = &SetOracleWeight{OracleWeight: genesis.OracleWeight{
			Market: "energy", Oracle: c.text("oracle", ""), Weight: c.number("weight", 0),
		}}
	case "set-market":
		row := s.r.genesis.Markets[0]
		row.Market, row.UnitPrice = c.text("market", row.Market), c.number("price", row.UnitPrice)
		row.FeeBps, row.Stage = uint32(c.number("fee", uint64(row.FeeBps))), c.text("stage", row.Stage)
		body = &SetMarket{Market: row, ActivationEpoch: c.number("epoch", 0)}
	case "replace-node":
		n := newcomer(c.text("new", ""), int(c.number("place", 9)))
		b := s.r.replacement(c.text("old", ""), n)
		b.SealedLogKey.Node = c.text("sealed-for", n.Name)
		if c.has("unsigned") {
			c.text("unsigned", "")
			b.Node.CosignerSignature[7] ^= 1
		}
		body = b
	case "cancel-replacement":
		body = &CancelReplacement{Node: c.text("node", "")}
	case "deposit":
		body = &Deposit{
			Account: c.text("account", ""), Asset: c.text("asset", "BLOCK"), Amount: amount(c.number("amount", 0)), Reference: c.text("ref", ""),
		}
	default:
		if body = s.treasuryGoverned(c); body == nil {
			return nil
		}
	}
	return s.r.thresholdBy(body, strings.Split(orElse(by, "alice,bob"), ",")...)
}

func (s *script) numbers(c *call, name string) (out []uint64) {
	for _, text := range c.list(name, "") {
		out = append(out, s.parse(text))
	}
	return out
}

func (s *script) parse(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// do performs what is no signed command: time, entries of all sorts, and shows.
func (s *script) do(c *call) {
	r := s.r
	switch c.verb {
	case "pass": // block for block, with a tick for each
		for range c.number("blocks", 1) {
			r.now += int64(r.genesis.BlockMs)
			s.entry(&Entry{Statements: r.statements(), Cut: c.has("cut"), Cosigned: r.cosigned()})
		}
		c.text("cut", "")
	case "wait": // without any entry
		r.now += c.millis("for", 0)
	case "tick": // clocks are those of the nodes, leader's is its own
		e := &Entry{At: r.now + c.millis("leader", 0), Cut: c.has("cut"), Cosigned: r.cosigned()}
		c.text("cut", "")
		var times []int64
		for _, ahead := range c.list("clocks", "0s,0s") {
			d, err := time.ParseDuration(ahead)
			if err != nil {
				s.t.Fatal(err)
			}
			times = append(times, r.now+d.Milliseconds())
		}
		e.Statements = r.stated(times...)
		s.entry(e)
	case "cosign": // whose cosignatures the leader collects from now on
		r.cosigns = s.seats(c)
	case "state": // whose clocks the leader asks from now on
		r.states = s.seats(c)
	case "entry": // nothing but a leader's clock
		e := &Entry{At: r.now + c.millis("leader", 0), Number: c.number("number", 0)}
		if c.has("cosigned") {
			c.text("cosigned", "")
			e.Cosigned = r.cosigned()
		}
		s.entry(e)
	case "rubbish":
		s.result(r.m.Apply([]byte("rubbish"), nil))
	case "show":
		s.show(c)
	default:
		s.t.Fatalf("no verb %s", c.verb)
	}
}

// seats reads names of members.
func (s *script) seats(c *call) (seats []int) {
	for _, name := range c.list("by", "") {
		m, known := s.r.m.state.memberNamed(name)
		if !known {
			s.t.Fatalf("no member %s", name)
		}
		seats = append(seats, int(m.Seat))
	}
	return seats
}

func (s *script) entry(e *Entry) { s.result(s.r.apply(e)) }
