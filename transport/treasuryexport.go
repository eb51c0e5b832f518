package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

// Bounds of an export. It is written row by row from one view, which is kept for as long.
const (
	exportedRow   = 32               // how many rows a read could walk over while one disbursement is worded
	exportPaid    = 20_000           // rows that are paid for before the first byte
	exportPart    = 1024             // rows that are paid for at a time behind these
	exportBytes   = 64 << 10         // written at a time
	exportTime    = 15 * time.Minute // in all
	mostExports   = 16               // at a time
	exportsOfEach = 4                // of them for one address
)

func (d *Door) exportRoute() {
	op := huma.Operation{
		OperationID: "treasury-export", Method: http.MethodGet, Path: "/v1/treasury/export", Tags: []string{"treasury"}, Security: security,
		Summary: "Everything about the treasury, as one snapshot",
		Description: "The same bytes from every node whose last applied entry is the same: nothing in it is a node's own. " +
			"It has any length, and comes as fast as the address's budget allows; one that is not whole JSON was cut off.",
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: d.content("application/json", api.TreasuryExport{})}},
	}
	huma.Register(d.api, op, d.treasuryExport)
}

// exported is an answer whose body is written as it is made.
type exported struct {
	Index string `header:"Tallyvault-Index" doc:"the last entry that the answer takes into account"`
	Body  func(huma.Context)
}

// treasuryExport refuses before the first byte whatever can be refused.
func (d *Door) treasuryExport(ctx context.Context, in *balanceInput) (*exported, error) {
	s, _, err := d.readerAndState(ctx, "treasury-export", in.credentials(), in.freshness())
	if err != nil {
		return nil, d.worded(err)
	}
	rows := uint64(0)
	for _, status := range treasury.Statuses() {
		n, _ := s.Book().Count(status)
		rows += n
	}
	paid := int(min(rows, exportPaid))
	if err := d.walk(s.asker, paid*exportedRow); err != nil {
		return nil, d.worded(err)
	}
	leave, err := d.exports.enter(s.asker, mostExports, exportsOfEach)
	if err != nil {
		return nil, d.worded(err)
	}
	return &exported{Index: decimal(s.Number()), Body: func(c huma.Context) {
		defer leave()
		r, w := humago.Unwrap(c)
		w.Header().Set("Content-Type", "application/json")
		ctx, cancel := context.WithTimeout(r.Context(), exportTime)
		defer cancel()
		control := http.NewResponseController(w)
		e := &exporter{
			pay: func() error {
				// HTTP/2 ends a stream when the deadline passes, though nothing is written.
				err := control.SetWriteDeadline(time.Time{})
				return errors.Join(err, d.pay(ctx, s.asker, exportPart*exportedRow))
			},
			write: func(part []byte) error {
				err := errors.Join(ctx.Err(), control.SetWriteDeadline(time.Now().Add(d.times.stall)))
				if err == nil {
					_, err = w.Write(part)
				}
				return err
			},
			paid: paid + exportPart,
		}
		if e.export(s) != nil {
			panic(http.ErrAbortHandler) // a part of it must not look like a whole
		}
	}}, nil
}

// pay draws from an address's budget for so many rows and waits where it is used up.
func (d *Door) pay(ctx context.Context, address netip.Prefix, rows int) error {
	for {
		left, ok := d.budgets.take(address, d.price(rows), time.Now())
		if ok {
			return nil
		}
		timer := time.NewTimer(left.Wait)
		select {
		case <-timer.C:
		case <-d.stop:
			timer.Stop()
			return errors.New("the door is closing")
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// exporter writes an export part by part: it holds one part and one row.
type exporter struct {
	pay   func() error // for exportPart rows more
	write func([]byte) error

	pending bytes.Buffer
	rows    int
	paid    int
	err     error
}

// exportLists are the lists of an export as they end a document in which they are empty.
const exportLists = `"accounts":[],"disbursements":[],"withdrawals":[],"epochs":[]}`

// export writes the bytes that an api.TreasuryExport has as JSON, which a test says.
func (e *exporter) export(s state) error {
	head, whole := bytes.CutSuffix(e.encode(exportHead(s)), []byte(exportLists))
	if !whole {
		return errors.New("the lists are not at the end of an export")
	}
	e.pending.Write(head)
	e.list(`"accounts":[`, func() {
		s.Ledger().Accounts("", func(a treasury.Account) bool { return e.row(accountOf(a)) })
	})
	e.list(`],"disbursements":[`, func() {
		s.Book().Disbursements(func(d *treasury.Disbursement) bool {
			return e.row(api.ExportedDisbursement{Disbursement: disbursementOf(s, d), Ballots: ballotsOf(s, d)})
		})
	})
	e.list(`],"withdrawals":[`, func() {
		s.Book().Withdrawals(treasury.ID{}, func(w *treasury.Withdrawal) bool { return e.row(withdrawalOf(w)) })
	})
	e.list(`],"epochs":[`, func() {
		s.Book().History(0, func(f treasury.Flow) bool { return e.row(flowOf(f)) })
	})
	e.pending.WriteString("]}\n")
	e.flush()
	return e.err
}

// exportHead is an export without its lists.
func exportHead(s state) api.TreasuryExport {
	return api.TreasuryExport{
		Format: api.ExportFormat, Cluster: s.Genesis().ClusterID(), Era: s.Era(), Index: api.Uint64(s.Number()), Leaves: api.Uint64(s.TreeSize()),
		Height: api.Uint64(s.Height()), TreasuryHeight: api.Uint64(s.Book().Height()), Now: s.Now(),
		Paused: append([]string{}, s.Book().PausedScopes()...), Money: moneyOf(s),
		Accounts: []api.Account{}, Disbursements: []api.ExportedDisbursement{}, Withdrawals: []api.Withdrawal{}, Epochs: []api.TreasuryFlow{},
	}
}

func (e *exporter) list(begin string, rows func()) {
	e.pending.WriteString(begin)
	if e.err == nil {
		rows()
	}
	e.pending.Truncate(len(bytes.TrimSuffix(e.pending.Bytes(), []byte(","))))
}

// row writes one row of a list; false ends the list.
func (e *exporter) row(v any) bool {
	if e.rows == e.paid {
		if e.err = e.pay(); e.err != nil {
			return false
		}
		e.paid += exportPart
	}
	e.rows++
	if e.pending.Len() >= exportBytes { // before the row, so that its comma can be taken back
		e.flush()
	}
	e.pending.Write(e.encode(v))
	e.pending.WriteByte(',')
	return e.err == nil
}

func (e *exporter) flush() {
	if e.err == nil {
		e.err = e.write(e.pending.Bytes())
	}
	e.pending.Reset()
}

// encode words a value as the library does for other routes, without the line's end.
func (e *exporter) encode(v any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil && e.err == nil {
		e.err = err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

func ballotsOf(s state, d *treasury.Disbursement) (out []api.Ballot) {
	for _, b := range s.Book().Ballots(d.ID) {
		verdict := fsm.VerdictReject
		if b.Approve {
			verdict = fsm.VerdictApprove
		}
		out = append(out, api.Ballot{Principal: b.Principal, Verdict: verdict})
	}
	return out
}
