package transport

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

func (d *Door) marketRoutes() {
	read(d, huma.Operation{
		OperationID: "markets", Path: "/v1/markets", Tags: []string{"markets"}, Summary: "The markets and their parameters",
	}, markets)
	read(d, huma.Operation{
		OperationID: "providers", Path: "/v1/providers", Tags: []string{"markets"}, Summary: "The providers by name",
	}, providers)
	read(d, huma.Operation{
		OperationID: "meters", Path: "/v1/meters", Tags: []string{"markets"}, Summary: "The meters by name, with the register up to which each is settled",
	}, meters)
	d.readingRoutes()
}

// ListInput is what every list takes.
type ListInput struct {
	Freshness
	Credentials
	Place
}

// page keeps count of a list that is cut off at its limit.
type page struct {
	left int
	api.Page
}

func (s state) page(limit int) page { return page{left: limit, Page: api.Page{Facts: s.facts()}} }

// take makes room for one more item, or ends the list behind the last one taken.
func (p *page) take(last string) bool {
	if p.left == 0 {
		p.Next = last
		return false
	}
	p.left--
	return true
}

func markets(s state, _ Reader, in *ListInput) (api.Markets, error) {
	p, last := s.page(in.Limit), ""
	out := api.Markets{Markets: []api.Market{}}
	s.Oracle().Markets(func(m oracle.Market) bool {
		if m.ID <= in.After {
			return true
		}
		if !p.take(last) {
			return false
		}
		last = m.ID
		out.Markets = append(out.Markets, marketOf(m, s.Oracle().LastNumber(m.ID)))
		return true
	})
	out.Page = p.Page
	return out, nil
}

func marketOf(m oracle.Market, lastReading uint64) api.Market {
	return api.Market{
		Market: m.ID, Noun: m.Noun, Unit: m.Unit, Asset: m.Asset, UnitPrice: api.Uint64(m.UnitPrice), FeeBps: m.FeeBps,
		SkewMs: m.SkewMs, MaxReadingAgeMs: m.MaxReadingAgeMs, DeviationPpm: m.DeviationPpm,
		QuorumThresholdPpm: m.QuorumThresholdPpm, ExpiryBlocks: api.Uint64(m.ExpiryBlocks),
		DisputeWindowBlocks: api.Uint64(m.DisputeWindowBlocks), MaxPendingPerMeter: m.MaxPendingPerMeter,
		MaxLiveReadings: m.MaxLiveReadings, Mode: m.Mode, Stage: m.Stage, LastReading: api.Uint64(lastReading),
	}
}

func providers(s state, _ Reader, in *ListInput) (api.Providers, error) {
	p, last := s.page(in.Limit), ""
	out := api.Providers{Providers: []api.Provider{}}
	s.Oracle().Providers(in.After, func(row oracle.Provider) bool {
		if !p.take(last) {
			return false
		}
		last = row.ID
		out.Providers = append(out.Providers, api.Provider{Provider: row.ID, Active: row.Active})
		return true
	})
	out.Page = p.Page
	return out, nil
}

// metersInput narrows the list of meters; the limit counts what is looked at, so
// that a narrow question costs no more than a wide one.
type metersInput struct {
	ListInput
	Market   string `query:"market" maxLength:"64" doc:"only of this market"`
	Provider string `query:"provider" maxLength:"64" doc:"only of this provider"`
	Meter    string `query:"meter" maxLength:"64" doc:"only this one"`
}

func meters(s state, _ Reader, in *metersInput) (api.Meters, error) {
	p, last := s.page(in.Limit), ""
	out := api.Meters{Meters: []api.Meter{}}
	if in.Meter != "" {
		m, ok := s.Oracle().Meter(in.Meter)
		if !ok {
			return out, missing(oracle.KindMeter, in.Meter)
		}
		out.Page, out.Meters = p.Page, append(out.Meters, meterOf(s, m))
		return out, nil
	}
	s.Oracle().Meters(in.After, func(m oracle.Meter) bool {
		if !p.take(last) {
			return false
		}
		last = m.ID
		if (in.Market == "" || m.Market == in.Market) && (in.Provider == "" || m.Provider == in.Provider) {
			out.Meters = append(out.Meters, meterOf(s, m))
		}
		return true
	})
	out.Page = p.Page
	return out, nil
}

func meterOf(s state, m oracle.Meter) api.Meter {
	out := api.Meter{
		Meter: m.ID, Market: m.Market, Provider: m.Provider, Payer: m.Payer, Capacity: api.Uint64(m.Capacity),
		IntervalMs: m.IntervalMs, Decimals: m.Decimals, Base: baseOf(m), Remainder: api.Uint64(m.Remainder), Pending: m.Pending,
	}
	if newest, ok := s.Oracle().NewestOfMeter(m.ID); ok {
		out.Newest = &api.Base{Register: api.Uint64(newest.Register), MeasuredAt: newest.MeasuredAt}
	}
	return out
}

func baseOf(m oracle.Meter) *api.Base {
	if !m.HasBase {
		return nil
	}
	return &api.Base{Register: api.Uint64(m.BaseRegister), MeasuredAt: m.BaseMeasuredAt}
}

// missing says that something does not exist.
func missing(kind, id string) *api.Problem {
	return problem(fsm.NotFound, fsm.Field{Name: "kind", Value: kind}, fsm.Field{Name: "id", Value: id})
}
