package transport

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// worded makes the library word its own errors as ours. It is set once for the
// process, since the library keeps it in a variable.
var worded = sync.OnceFunc(func() {
	huma.NewError = problemOfStatus
	huma.DefaultArrayNullable = false
})

// apiVersion changes when a route or a meaning does.
const apiVersion = "1"

// tags part the routes in the order in which somebody needs them.
var tags = []*huma.Tag{
	{Name: "commands", Description: "Signed commands in, their outcomes out"},
	{Name: "markets", Description: "Markets, providers and meters"},
	{Name: "readings", Description: "Readings and how far each has come"},
	{Name: "money", Description: "Settlements and accounts"},
	{Name: "treasury", Description: "Disbursements, the treasury's money and what leaves it"},
	{Name: "evidence", Description: "What verifies offline"},
	{Name: "events", Description: "What happens, as it happens"},
	{Name: "explain", Description: "What something waits for, and who can act"},
	{Name: "keys", Description: "Keys and their nonce lanes"},
	{Name: "cluster", Description: "The committee and the node that answers"},
	{Name: "documents", Description: "The API's own description"},
}

// What the API's document says of who may ask: holders of a token, everybody, or
// everybody for some of it.
var (
	security = []map[string][]string{{"token": {}}}
	anyone   = []map[string][]string{{}}
	some     = []map[string][]string{{}, {"token": {}}}
)

func (d *Door) routes() {
	worded()
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Tallyvault node",
				Version: apiVersion,
				Description: "Signed commands in, replicated outcomes and offline-verifiable evidence out. " +
					"64-bit integers are decimal strings, times are unix milliseconds, bytes are lower-case hex. Every error is a problem document.",
				License: &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"},
			},
			Servers: []*huma.Server{{URL: "/", Description: "the node that serves this document"}},
			Tags:    tags,
			Components: &huma.Components{
				Schemas: newSchemas(),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {
					Type: "http", Scheme: "bearer", BearerFormat: "JWT",
					Description: "Self-signed EdDSA JWT: header kid = key id; claims aud = cluster id in hex, iat, exp at most 5 minutes later. tallyvault token makes one.",
				}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
	// Answers may gain members: generated clients must not refuse them.
	config.AllowAdditionalPropertiesByDefault = true
	d.api = humago.New(d.mux, config)
	d.commandRoutes()
	d.marketRoutes()
	d.moneyRoutes()
	d.treasuryRoutes()
	d.statementRoutes()
	d.explainRoutes()
	d.keyRoutes()
	d.nodeRoutes()
	d.evidenceRoutes()
	d.eventRoutes()
	d.documentRoutes()
	d.referenceRoute()
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, problem(fsm.NotFound, fsm.Field{Name: "kind", Value: "route"}), nil)
	})
}

// Freshness is how new the state must be that a read is answered from.
type Freshness struct {
	Consistency string `query:"consistency" enum:"stale,default,linearizable" default:"default" doc:"stale: what this node has. default: at least what the leader had applied. linearizable: the leader confirms its leadership first."`
	MinIndex    uint64 `query:"min_index" doc:"wait until this entry is applied here"`
}

func (f Freshness) freshness() Freshness { return f }

// Credentials carry what a request proves of its sender. They are filled in by
// the library: Resolve is called after the parameters are read.
type Credentials struct {
	Authorization string `header:"Authorization" hidden:"true"`
	address       netip.Prefix
}

// Resolve implements huma.Resolver.
func (c *Credentials) Resolve(ctx huma.Context) []error {
	c.address = addressOf(ctx.RemoteAddr())
	return nil
}

func (c *Credentials) credentials() *Credentials { return c }

// Place is a part of a list.
type Place struct {
	After string `query:"after" maxLength:"160" doc:"the next of the page before; absent for the first page"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"most items in the answer"`
}

// answer is a document with the index it was made at.
type answer[B any] struct {
	Index string `header:"Tallyvault-Index" doc:"the last entry that the answer takes into account"`
	Body  B
}

// state is what a read is answered from: one view, and what was final when it
// was taken.
type state struct {
	*fsm.View
	finalSize uint64
	asker     netip.Prefix // whose budget pays for what the read walks over
}

// facts is the part of an answer that says where it stands.
func (s state) facts() api.Facts {
	return api.Facts{Index: api.Uint64(s.Number()), Final: s.settled()}
}

// settled says that everything that the state rests on is under a published
// checkpoint: no command or receipt has come since the last cut, and that cut is
// published. What later ticks add are the marks of time alone.
func (s state) settled() bool { return !s.Dirty() && s.Cut().Size <= s.finalSize }

// readInput is what every read of state has.
type readInput[I any] interface {
	*I
	freshness() Freshness
	credentials() *Credentials
}

// read registers a read of state that takes a token.
func read[I any, P readInput[I], B any](d *Door, op huma.Operation, f func(s state, r Reader, in *I) (B, error)) {
	op.Method, op.Security = http.MethodGet, security
	huma.Register(d.api, op, func(ctx context.Context, in *I) (*answer[B], error) {
		s, r, err := d.readerAndState(ctx, op.OperationID, P(in).credentials(), P(in).freshness())
		if err != nil {
			return nil, d.worded(err)
		}
		body, err := f(s, r, in)
		if err != nil {
			return nil, d.worded(err)
		}
		return &answer[B]{Index: decimal(s.Number()), Body: body}, nil
	})
}

// readerAndState is what every read of state begins with.
func (d *Door) readerAndState(ctx context.Context, operation string, c *Credentials, f Freshness) (state, Reader, error) {
	r, err := d.reader(c)
	if err != nil {
		return state{}, r, err
	}
	d.metrics.calls.WithLabelValues(operation, anyMarket).Inc()
	s, err := d.state(ctx, f)
	s.asker = c.address
	return s, r, err
}

// public registers a read that everybody may make.
func public[I, B any](d *Door, op huma.Operation, f func(ctx context.Context, in *I) (B, error)) {
	op.Method, op.Security = http.MethodGet, anyone
	huma.Register(d.api, op, func(ctx context.Context, in *I) (*answer[B], error) {
		d.metrics.calls.WithLabelValues(op.OperationID, anyMarket).Inc()
		body, err := f(ctx, in)
		if err != nil {
			return nil, d.worded(err)
		}
		return &answer[B]{Index: decimal(d.config.Node.View().Number()), Body: body}, nil
	})
}

// raw registers a route that reads and writes its bodies itself; op documents it.
func (d *Door) raw(op huma.Operation, f func(w http.ResponseWriter, r *http.Request) error) {
	if op.Security == nil {
		op.Security = anyone
	}
	documented := op
	documented.Path = strings.ReplaceAll(op.Path, "...}", "}") // the router's mark for many segments
	d.api.OpenAPI().AddOperation(&documented)
	d.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		if op.Method == http.MethodGet { // commands are counted by their own names
			d.metrics.calls.WithLabelValues(op.OperationID, anyMarket).Inc()
		}
		if err := f(w, r); err != nil {
			p, header := d.explain(err)
			writeProblem(w, p, header)
		}
	})
}

// worded turns an error into the answer that the library writes.
func (d *Door) worded(err error) error {
	p, header := d.explain(err)
	return huma.ErrorWithHeaders(p, header)
}

// explain words an error, and logs it if nobody foresaw it.
func (d *Door) explain(err error) (*api.Problem, http.Header) {
	p, header := problemOf(err)
	if p.Status == http.StatusInternalServerError {
		d.config.Logger.Error("a request met an internal error", "error", err)
	}
	return p, header
}

// reader admits who may read. With public reads, that is everybody.
func (d *Door) reader(c *Credentials) (Reader, error) {
	if d.config.PublicReads {
		return Reader{}, nil
	}
	if err := d.charge(c.address, 1, time.Now()); err != nil {
		return Reader{}, err
	}
	v := d.config.Node.View()
	// A node whose clock is wrong goes by the committee's.
	r, p := readerOf(c.Authorization, tokenSubject{cluster: d.cluster, height: v.Height(), keys: v.Keys()}, d.config.Node.Time())
	if p != nil {
		if p.Code == string(fsm.Expired) {
			p.Fields["now"] = strconv.FormatInt(d.config.Node.Time().UnixMilli(), 10) // for clocks that are wrong
		}
		return Reader{}, p
	}
	return r, nil
}

// charge draws signature checks from an address's budget.
func (d *Door) charge(address netip.Prefix, checks int, now time.Time) error {
	left, ok := d.budgets.take(address, checks, now)
	if ok {
		return nil
	}
	p := problem(fsm.RateLimited, fsm.Field{Name: "address", Value: address.String()}, fsm.Field{Name: "retry_after_s", Value: seconds(left.Wait)})
	return huma.ErrorWithHeaders(p, left.headers())
}

// usualRowCost is how much of a signature check's time it takes to look at one row,
// about.
const usualRowCost = 1.0 / 128

// walk draws from an address's budget for a read that looks at so many rows, more
// than it answers with, also where reads are public. Half of what an address can save
// up is the most that one read takes, so that none is out of reach.
func (d *Door) walk(address netip.Prefix, rows int) error {
	return d.charge(address, d.price(rows), time.Now())
}

// price is what looking at so many rows costs, in signature checks.
func (d *Door) price(rows int) int {
	return int(min(float64(rows)*d.rowCost, float64(d.config.Limits.ChecksBurst/2)))
}

// state takes a view that is as fresh as asked for.
func (d *Door) state(ctx context.Context, f Freshness) (state, error) {
	node := d.config.Node
	wanted := f.MinIndex
	if f.Consistency != "stale" {
		index, err := node.ReadIndex(ctx, f.Consistency == "linearizable")
		if err != nil {
			return state{}, err
		}
		wanted = max(wanted, index)
	}
	if wanted > node.View().Number() {
		ctx, cancel := context.WithTimeout(ctx, maxWait)
		defer cancel()
		if err := node.WaitApplied(ctx, wanted); err != nil {
			return state{}, err
		}
	}
	return d.now(), nil
}

// now is the state of this moment. The final size is read first, so that
// whatever it covers is in the view.
func (d *Door) now() state {
	final := d.config.Node.FinalSize()
	return state{View: d.config.Node.View(), finalSize: final}
}
