package transport

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// eventFilter says which events a reader wants. An empty field takes everything.
type eventFilter struct {
	kinds                   []string
	market, meter, provider string
}

// commandKinds are the kinds that tell of commands: they take a token.
var commandKinds = []string{api.EventAccepted, api.EventOutcome}

func parseEventFilter(query map[string]string) (eventFilter, error) {
	f := eventFilter{market: query["market"], meter: query["meter"], provider: query["provider"]}
	for name, value := range map[string]string{"market": f.market, "meter": f.meter, "provider": f.provider} {
		if len(value) > maxFilterBytes {
			return f, malformed(name, fmt.Errorf("longer than %d bytes", maxFilterBytes))
		}
	}
	if query["kind"] == "" {
		return f, nil
	}
	for kind := range strings.SplitSeq(query["kind"], ",") {
		if !slices.Contains(api.EventKinds(), kind) {
			return f, malformed("kind", fmt.Errorf("%.64q is no kind of event; want some of %s", kind, strings.Join(api.EventKinds(), ", ")))
		}
		if !slices.Contains(f.kinds, kind) { // each leaf is held to all of them
			f.kinds = append(f.kinds, kind)
		}
	}
	return f, nil
}

// maxFilterBytes is more than any name has.
const maxFilterBytes = 64

func (f eventFilter) wants(kind string) bool {
	return len(f.kinds) == 0 || slices.Contains(f.kinds, kind)
}

// narrowed leaves out what a caller without a token may not see. One who asked for
// that by name is to hear so.
func (f eventFilter) narrowed() (narrow eventFilter, asked bool) {
	if len(f.kinds) == 0 {
		f.kinds = slices.DeleteFunc(api.EventKinds(), func(kind string) bool { return slices.Contains(commandKinds, kind) })
		return f, false
	}
	return f, slices.ContainsFunc(f.kinds, func(kind string) bool { return slices.Contains(commandKinds, kind) })
}

// event words a leaf, or gives nil if it is none of the wanted.
func (d *Door) event(f eventFilter, s cluster.Scanned) (*api.Event, error) {
	switch {
	case len(s.Text) == 0 || s.Text[0] == fsm.LeafHeader:
		return nil, nil
	case s.Text[0] == fsm.LeafCommand:
		if !f.wants(api.EventAccepted) && !f.wants(api.EventOutcome) {
			return nil, nil
		}
		return d.commandEvent(f, s)
	case s.Text[0] == fsm.LeafReceipt:
		return d.receiptEvent(f, s)
	}
	if !f.wants(api.EventUndecodable) || f.market+f.meter+f.provider != "" {
		return nil, nil
	}
	return &api.Event{Kind: api.EventUndecodable, Leaf: api.Uint64(s.Leaf)}, nil
}

// commandEvent tells what became of a command. One that consumed nothing is left
// out: another outcome of the same command stands, or may come to.
func (d *Door) commandEvent(f eventFilter, s cluster.Scanned) (*api.Event, error) {
	command, err := fsm.ParseFrame(s.Text[1:])
	if err != nil {
		return nil, fmt.Errorf("command in leaf %d: %w", s.Leaf, err)
	}
	v := d.config.Node.View()
	market, meter := subjectOf(v, command)
	if f.market != "" && f.market != market || f.meter != "" && f.meter != meter {
		return nil, nil
	}
	e := &api.Event{Kind: api.EventOutcome, Leaf: api.Uint64(s.Leaf), Market: market, Meter: meter}
	for _, id := range command.KeyIDs {
		if key, ok := v.Key(id); ok {
			e.Signers = append(e.Signers, key.Principal)
		}
	}
	if f.provider != "" && !slices.Contains(e.Signers, f.provider) {
		return nil, nil
	}
	o, err := s.Outcome()
	if err != nil || o.Unconsumed {
		return nil, err
	}
	if reading, ok := command.Body().(*fsm.SubmitReading); ok && o.Refusal == nil {
		e.Kind, e.Reading = api.EventAccepted, acceptedReading(o, reading)
	}
	if !f.wants(e.Kind) {
		return nil, nil
	}
	outcome := outcomeOf(o, d.config.Node.FinalSize())
	e.Outcome = &outcome
	return e, nil
}

// subjectOf names the market and the meter that a command is about, if it is about
// one.
func subjectOf(v *fsm.View, c *fsm.Command) (market, meter string) {
	switch b := c.Body().(type) {
	case *fsm.SubmitReading:
		return b.Market, b.Meter
	case *fsm.Attest:
		return b.Market, ""
	case *fsm.RegisterMeters:
		return b.Market, ""
	case *fsm.SetMarket:
		return b.Market.Market, ""
	case *fsm.SetOracleWeight:
		return b.Market, ""
	case *fsm.RebaseMeter:
		m, _ := v.Oracle().Meter(b.Meter)
		return m.Market, b.Meter
	}
	return "", ""
}

func acceptedReading(o *fsm.Outcome, b *fsm.SubmitReading) *api.Reading {
	register, height := api.Uint64(b.Register), api.Uint64(o.Height)
	r := &api.Reading{
		Market: b.Market, Identity: o.ID.String(), Status: "pending", Meter: b.Meter, Register: &register,
		MeasuredAt: b.MeasuredAt, IssuedAt: b.IssuedAt, ClockSync: b.Quality.ClockSync, MeterStatus: b.Quality.MeterStatus,
		AcceptedAt: o.At, AcceptedHeight: &height,
	}
	for _, field := range o.Result {
		if field.Name == "number" {
			// A number that the state machine has written is one.
			_ = r.Number.UnmarshalText([]byte(field.Value))
		}
	}
	return r
}

// receiptEvent tells of a receipt.
func (d *Door) receiptEvent(f eventFilter, s cluster.Scanned) (*api.Event, error) {
	kind, body, err := fsm.ParseReceipt(s.Text)
	if err != nil {
		return nil, fmt.Errorf("receipt in leaf %d: %w", s.Leaf, err)
	}
	e := &api.Event{Kind: kindOfReceipt(kind, body), Leaf: api.Uint64(s.Leaf)}
	if !f.wants(e.Kind) {
		return nil, nil
	}
	about, err := d.aboutReceipt(f, body)
	if err != nil || !f.takes(about) {
		return nil, err
	}
	e.Market, e.Meter, e.Receipt = about.market, about.meter, bytes.Clone(s.Text)
	return e, nil
}

func kindOfReceipt(kind string, body any) string {
	r, ok := body.(*fsm.ReadingReceipt)
	switch {
	case !ok:
		return kind
	case r.Status == "rejected" || r.Status == "quorum_failed":
		return api.EventRejected
	}
	return api.EventClosed
}

// subject is what a receipt is about; a field that does not apply is empty.
type subject struct{ market, meter, provider string }

func (f eventFilter) takes(s subject) bool {
	return (f.market == "" || f.market == s.market) && (f.meter == "" || f.meter == s.meter) && (f.provider == "" || f.provider == s.provider)
}

func (d *Door) aboutReceipt(f eventFilter, body any) (subject, error) {
	switch b := body.(type) {
	case *fsm.SettlementReceipt:
		return subject{b.Market, b.Meter, b.Provider}, nil
	case *fsm.ReadingReceipt:
		meter, _ := d.config.Node.View().Oracle().Meter(b.Meter)
		return subject{b.Market, b.Meter, meter.Provider}, nil
	case *fsm.EvidenceReceipt:
		return subject{market: b.Market}, nil
	case *fsm.ReleaseReceipt:
		about := subject{market: b.Market, provider: b.Provider}
		if f.meter == "" || f.market != "" && f.market != b.Market {
			return about, nil // a look into the index is for those who need it
		}
		var err error
		about.meter, err = d.meterOfSettlement(b.Market, b.Settlement)
		return about, err
	case *fsm.ThresholdReceipt:
		var about subject
		for _, fact := range b.Facts {
			switch fact.Name {
			case "market":
				about.market = fact.Value
			case "meter":
				about.meter = fact.Value
			}
		}
		return about, nil
	}
	return subject{}, nil
}

// meterOfSettlement is told by the receipt that made the settlement.
func (d *Door) meterOfSettlement(market string, number uint64) (string, error) {
	receipts, err := d.receiptsAbout(d.now(), fsm.RefSettlement, fsm.NumberKey(market, number))
	if err != nil {
		return "", err
	}
	for _, r := range receipts {
		if b, ok := r.body.(*fsm.SettlementReceipt); ok {
			return b.Meter, nil
		}
	}
	return "", errors.New("the index knows no receipt of settlement " + fsm.NumberKey(market, number))
}

func checkpointEvent(last uint64, p cosign.Published) *api.Event {
	return &api.Event{Kind: api.EventCheckpoint, Leaf: api.Uint64(last), Checkpoint: &api.Checkpoint{
		Size: api.Uint64(p.Size), Root: p.Root.String(), Cosigners: p.Cosigners, Note: string(p.Note),
	}}
}
