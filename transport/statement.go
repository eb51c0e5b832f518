package transport

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

func (d *Door) statementRoutes() {
	read(d, huma.Operation{
		OperationID: "statement", Path: "/v1/providers/{provider}/statement", Tags: []string{"money"},
		Summary: "What a provider earned: credited, held until when, receivable, available",
		Description: "Totals are of all markets and the same on every page; lines come in pages. " +
			"Every page walks over all settlements that are not released and draws as much from the address's budget, so ask for large ones.",
	}, d.statement)
}

// statementInput names a provider and a place among its lines.
type statementInput struct {
	ListInput
	Provider string `path:"provider" maxLength:"64"`
}

// cursor is a place among settlements: behind number of market.
type cursor struct {
	market string
	number uint64
}

func (d *Door) statement(s state, _ Reader, in *statementInput) (api.Statement, error) {
	p, known := s.Oracle().Provider(in.Provider)
	if !known {
		return api.Statement{}, missing(oracle.KindProvider, in.Provider)
	}
	var after cursor
	if in.After != "" {
		market, digits, _ := strings.Cut(in.After, "/")
		after = cursor{market, (&numberedInput{Number: digits}).number()}
		if after.number == 0 {
			return api.Statement{}, malformed("after", errors.New("want the next of the page before, MARKET/NUMBER"))
		}
	}
	return d.statementOf(s, p, after, in.Limit)
}

// statementOf makes the statement with at most limit lines behind a place.
func (d *Door) statementOf(s state, p oracle.Provider, after cursor, limit int) (api.Statement, error) {
	_, settlements := s.Oracle().Open()
	if err := d.walk(s.asker, settlements); err != nil {
		return api.Statement{}, err
	}
	page, last := s.page(limit), ""
	out := api.Statement{
		Provider: p.ID, Active: p.Active, Height: api.Uint64(s.Height()), Now: s.Now(),
		Markets: []api.StatementMarket{}, Lines: []api.Settlement{},
	}
	var receivable big.Int
	s.Oracle().Markets(func(m oracle.Market) bool {
		sum := marketSum{state: s}
		s.Oracle().Settlements(m.ID, 0, func(set oracle.Settlement) bool {
			if set.Provider != p.ID {
				return true
			}
			sum.add(set)
			behind := m.ID > after.market || m.ID == after.market && set.Number > after.number
			if behind && page.Next == "" && limit > 0 && page.take(last) {
				last = m.ID + "/" + decimal(set.Number)
				out.Lines = append(out.Lines, settlementOf(set))
			}
			return true
		})
		if sum.any() {
			out.Markets = append(out.Markets, sum.shown(m.ID))
			receivable.Add(&receivable, &sum.receivable)
		}
		return true
	})
	out.Page = page.Page
	held, _ := s.Ledger().Account(treasury.ProviderHeld(p.ID))
	own, _ := s.Ledger().Account(treasury.Provider(p.ID))
	out.Asset, out.Accounts = own.Asset, []api.Account{accountOf(own), accountOf(held)}
	out.Totals = api.StatementTotals{
		Credited: held.Credits.String(), Released: held.Debits.String(), Held: out.Accounts[1].Balance,
		Receivable: receivable.String(), Available: out.Accounts[0].Balance, PaidOut: own.Debits.String(),
	}
	return out, nil
}

// marketSum adds up one market's settlements of one provider. Receivables are in no
// account, so nothing bounds their sum to 128 bits.
type marketSum struct {
	state
	held, receivable        big.Int
	settlements, rehearsals uint64
	next                    uint64
	days                    map[string]*daySum
}

type daySum struct {
	amount      big.Int
	settlements uint64
	from, until uint64
}

func (m *marketSum) any() bool { return m.settlements+m.rehearsals > 0 }

func (m *marketSum) add(set oracle.Settlement) {
	net := set.Net.Big()
	switch {
	case set.Rehearsal:
		m.rehearsals++
		return
	case set.ReleaseHeight == 0:
		m.receivable.Add(&m.receivable, net)
		m.settlements++
		return
	}
	m.held.Add(&m.held, net)
	m.settlements++
	if m.next == 0 || set.ReleaseHeight < m.next {
		m.next = set.ReleaseHeight
	}
	if m.days == nil {
		m.days = map[string]*daySum{}
	}
	date := time.UnixMilli(m.at(set.ReleaseHeight)).UTC().Format(time.DateOnly)
	day := m.days[date]
	if day == nil {
		day = &daySum{from: set.ReleaseHeight}
		m.days[date] = day
	}
	day.amount.Add(&day.amount, net)
	day.settlements++
	day.from, day.until = min(day.from, set.ReleaseHeight), max(day.until, set.ReleaseHeight)
}

// at is about when a height is reached, unix ms.
func (s state) at(height uint64) int64 {
	return s.Now() + s.blocksMs(height-min(height, s.Height()))
}

func (m *marketSum) shown(market string) api.StatementMarket {
	out := api.StatementMarket{
		Market: market, Held: m.held.String(), Receivable: m.receivable.String(),
		Settlements: api.Uint64(m.settlements), Rehearsals: api.Uint64(m.rehearsals), Due: []api.StatementDue{},
	}
	if m.next > 0 {
		next := api.Uint64(m.next)
		out.NextRelease = &next
	}
	for date, day := range m.days {
		out.Due = append(out.Due, api.StatementDue{
			Date: date, FromHeight: api.Uint64(day.from), UntilHeight: api.Uint64(day.until), At: m.at(day.until),
			Amount: day.amount.String(), Settlements: api.Uint64(day.settlements),
		})
	}
	slices.SortFunc(out.Due, func(a, b api.StatementDue) int { return strings.Compare(a.Date, b.Date) })
	return out
}
