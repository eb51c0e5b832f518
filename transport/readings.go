package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

func (d *Door) readingRoutes() {
	op := huma.Operation{
		OperationID: "readings", Path: "/v1/readings", Tags: []string{"readings"},
		Summary:     "The live readings of a market by number",
		Description: "Readings that are closed are left out; /v1/readings/{market}/{number} tells their fate. With wait, an empty page waits for a reading.",
	}
	op.Method, op.Security = http.MethodGet, security
	huma.Register(d.api, op, d.readings)
	read(d, huma.Operation{
		OperationID: "reading", Path: "/v1/readings/{market}/{number}", Tags: []string{"readings"},
		Summary: "One reading, live or closed",
	}, d.reading)
}

// readingsInput asks for live readings.
type readingsInput struct {
	Freshness
	Credentials
	Market string `query:"market" required:"true" maxLength:"64"`
	Meter  string `query:"meter" maxLength:"64" doc:"only of this meter, in order of measuring; after and wait do not apply"`
	After  uint64 `query:"after" doc:"only numbers above this one"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Wait   int    `query:"wait" minimum:"0" maximum:"30" doc:"seconds to wait for a reading if there is none"`
}

// readings is not a plain read, since it may wait for another state.
func (d *Door) readings(ctx context.Context, in *readingsInput) (*answer[api.Readings], error) {
	if _, err := d.reader(in.credentials()); err != nil {
		return nil, d.worded(err)
	}
	// Both waits end at one time, or the answer would come when it cannot be sent any more.
	wait := d.waitingFor(time.Duration(in.Wait) * time.Second)
	s, err := d.state(ctx, in.freshness())
	if err != nil {
		return nil, d.worded(err)
	}
	if _, ok := s.Oracle().Market(in.Market); !ok {
		d.metrics.calls.WithLabelValues("readings", "other").Inc()
		return nil, missing(oracle.KindMarket, in.Market)
	}
	d.metrics.calls.WithLabelValues("readings", in.Market).Inc()
	for {
		out := liveReadings(s, in)
		if len(out.Readings) > 0 || in.Meter != "" || !wait.more(ctx) {
			return &answer[api.Readings]{Index: decimal(s.Number()), Body: out}, nil
		}
		wait.applied(ctx, s.Number()+1)
		s = d.now()
	}
}

func liveReadings(s state, in *readingsInput) api.Readings {
	p, last := s.page(in.Limit), ""
	out := api.Readings{Last: api.Uint64(s.Oracle().LastNumber(in.Market)), Readings: []api.Reading{}}
	yield := func(r oracle.Reading) bool {
		if r.Market != in.Market {
			return true
		}
		if !p.take(last) {
			return false
		}
		last = decimal(r.Number)
		out.Readings = append(out.Readings, liveReading(s, r))
		return true
	}
	if in.Meter != "" {
		s.Oracle().PendingOfMeter(in.Meter, yield)
		p.Next = ""
	} else {
		s.Oracle().Pending(in.Market, in.After, yield)
	}
	out.Page = p.Page
	return out
}

func liveReading(s state, r oracle.Reading) api.Reading {
	accept, reject, total, required := s.Oracle().Tally(r)
	meter, _ := s.Oracle().Meter(r.Meter)
	register, height := api.Uint64(r.Register), api.Uint64(r.AcceptedHeight)
	return api.Reading{
		Market: r.Market, Number: api.Uint64(r.Number), Identity: r.Identity.String(), Status: r.State.String(),
		Meter: r.Meter, Register: &register, MeasuredAt: r.MeasuredAt, IssuedAt: r.IssuedAt,
		ClockSync: r.Quality.ClockSync, MeterStatus: r.Quality.MeterStatus,
		AcceptedAt: r.AcceptedAt, AcceptedHeight: &height, Base: baseOf(meter),
		Votes: votesOn(s, r),
		Tally: &api.Tally{Accept: api.Uint64(accept), Reject: api.Uint64(reject), Total: api.Uint64(total), Required: api.Uint64(required)},
	}
}

// votesOn names who voted which way. An oracle that starts again sees there what
// it had said before.
func votesOn(s state, r oracle.Reading) []api.Vote {
	electorate, ok := s.Oracle().Electorate(r.Market, r.Electorate)
	if !ok || r.Accept|r.Reject == 0 {
		return nil
	}
	var votes []api.Vote
	for i, member := range electorate.Members {
		switch bit := uint64(1) << i; {
		case r.Accept&bit != 0:
			votes = append(votes, api.Vote{Oracle: member.Oracle, Vote: "accept"})
		case r.Reject&bit != 0:
			votes = append(votes, api.Vote{Oracle: member.Oracle, Vote: "reject"})
		}
	}
	return votes
}

// numberedInput names a numbered object of a market.
type numberedInput struct {
	Freshness
	Credentials
	Market string `path:"market" maxLength:"64"`
	Number string `path:"number" maxLength:"20" pattern:"^[1-9][0-9]*$"`
}

// number is 0 for what no number can be, which names nothing.
func (in *numberedInput) number() uint64 {
	n, err := strconv.ParseUint(in.Number, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (d *Door) reading(s state, _ Reader, in *numberedInput) (api.OneReading, error) {
	out := api.OneReading{Facts: s.facts()}
	if r, ok := s.Oracle().Reading(in.Market, in.number()); ok {
		out.Reading = liveReading(s, r)
		return out, nil
	}
	closed, err := d.closedReading(s, in.Market, in.number())
	if err != nil {
		return out, err
	}
	out.Reading = closed
	out.Final = closed.Receipt.Final
	return out, nil
}

// closedReading tells the fate of a reading that is not live any more by the
// receipt that closed it.
func (d *Door) closedReading(s state, market string, number uint64) (api.Reading, error) {
	receipts, err := d.receiptsAbout(s, fsm.RefReading, fsm.NumberKey(market, number))
	if err != nil {
		return api.Reading{}, err
	}
	out := api.Reading{Market: market, Number: api.Uint64(number)}
	if id, ok := s.Oracle().Identity(market, number); ok {
		out.Identity = id.String()
	}
	for _, r := range receipts {
		switch b := r.body.(type) {
		case *fsm.ReadingReceipt:
			register := api.Uint64(b.Register)
			out.Identity, out.Status, out.Reason = b.Identity.String(), b.Status, b.Reason
			out.Meter, out.Register, out.MeasuredAt = b.Meter, &register, b.MeasuredAt
		case *fsm.SettlementReceipt:
			register := api.Uint64(b.ToRegister)
			out.Status, out.Meter, out.Register, out.MeasuredAt = "settled", b.Meter, &register, b.ToMeasuredAt
		default:
			continue // evidence about its votes did not close it
		}
		shown := r.shown
		out.Receipt = &shown
	}
	if out.Receipt == nil {
		return out, missing(oracle.KindReading, fsm.NumberKey(market, number))
	}
	return out, nil
}

// found is a receipt as read from the journal.
type found struct {
	body  any
	shown api.Receipt
}

// receiptsAbout reads the receipts that the index keeps for an object, oldest
// first, as far as the view has got.
func (d *Door) receiptsAbout(s state, kind byte, key string) ([]found, error) {
	leaves, err := d.config.Node.Refs(kind, key)
	if err != nil {
		return nil, err
	}
	var out []found
	for _, leaf := range leaves {
		if leaf >= s.TreeSize() {
			break
		}
		text, err := d.config.Node.Leaf(leaf)
		if err != nil {
			return nil, err
		}
		f := found{shown: api.Receipt{Leaf: api.Uint64(leaf), Final: leaf < s.finalSize, Body: json.RawMessage(text)}}
		if f.shown.Kind, f.body, err = fsm.ParseReceipt(text); err != nil {
			return nil, errors.Join(errors.New("the index names a leaf that is no receipt"), err)
		}
		out = append(out, f)
	}
	return out, nil
}
