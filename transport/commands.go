package transport

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

func (d *Door) commandRoutes() {
	d.raw(huma.Operation{
		OperationID: "submit", Method: http.MethodPost, Path: "/v1/commands", Tags: []string{"commands"},
		Summary:     "Submit a signed command and wait for its outcome",
		Description: "Sending the same bytes again is always safe and answers with the same outcome. After a 503 nothing was logged; after a 504 send the same bytes again.",
		RequestBody: &huma.RequestBody{Required: true, Content: d.content("application/json", api.Envelope{})},
		Responses:   d.responses(http.StatusOK, "the command was accepted", d.content("application/json", api.Outcome{})),
	}, d.submit)
	d.raw(huma.Operation{
		OperationID: "submit-batch", Method: http.MethodPost, Path: "/v1/commands:batch", Tags: []string{"commands"},
		Summary:     "Submit many commands",
		Description: "One envelope a line in, one outcome or problem a line out, in the same order. At most 1,024 lines and 4 MiB. One command's refusal does not touch the others.",
		RequestBody: &huma.RequestBody{Required: true, Content: d.content("application/x-ndjson", api.Envelope{})},
		Responses:   d.responses(http.StatusOK, "one line for each command", d.content("application/x-ndjson", api.BatchLine{})),
	}, d.submitBatch)
	public(d, huma.Operation{
		OperationID: "outcome", Path: "/v1/commands/{id}", Tags: []string{"commands"},
		Summary: "The outcome of a command by its identity",
	}, d.outcome)
}

func (d *Door) submit(w http.ResponseWriter, r *http.Request) error {
	return d.submitIf(w, r, func(*fsm.Command) *fsm.Refusal { return nil })
}

// submitIf submits a command that a route has no objection to.
func (d *Door) submitIf(w http.ResponseWriter, r *http.Request, objection func(*fsm.Command) *fsm.Refusal) error {
	body, release, err := d.readBody(w, r, envelope.MaxJSON)
	if err != nil {
		return err
	}
	defer release()
	command, refusal := d.parse(body)
	if refusal == nil {
		refusal = objection(command)
	}
	if refusal != nil {
		return d.refused(refusal)
	}
	d.count(command)
	left, err := d.admit(r, []*fsm.Command{command})
	if err != nil {
		return err
	}
	answers, err := d.config.Node.Submit(r.Context(), []*fsm.Command{command})
	if err != nil {
		return err
	}
	outcome, err := d.settle(answers[0])
	if err != nil {
		return err
	}
	for name, values := range left.headers() {
		w.Header()[name] = values
	}
	return writeJSON(w, outcome)
}

// admit asks what needs no curve operation, then draws the signature checks
// from the address's budget.
func (d *Door) admit(r *http.Request, commands []*fsm.Command) (budget, error) {
	checks := 0
	for _, c := range commands {
		checks += len(c.Sigs)
	}
	address, now := addressOf(r.RemoteAddr), time.Now()
	left, ok := d.budgets.take(address, checks, now)
	if ok {
		return left, nil
	}
	for _, c := range commands {
		d.metrics.limited.WithLabelValues(c.Name(), d.marketOf(c)).Inc()
	}
	return left, d.tooMany(address, left)
}

func (d *Door) tooMany(address netip.Prefix, left budget) error {
	p := problem(fsm.RateLimited,
		fsm.Field{Name: "address", Value: address.String()}, fsm.Field{Name: "retry_after_s", Value: seconds(left.Wait)})
	return huma.ErrorWithHeaders(p, left.headers())
}

// parse reads an envelope and asks of the command what this node can say for
// sure without a curve operation. What depends on the newest state is asked at
// the leader.
func (d *Door) parse(body []byte) (*fsm.Command, *fsm.Refusal) {
	e, err := envelope.Parse(body)
	if err != nil {
		return nil, &fsm.Refusal{Code: fsm.MalformedPayload, Fields: []fsm.Field{{Name: "detail", Value: err.Error()}}}
	}
	c, refusal := fsm.FromEnvelope(e)
	if refusal == nil {
		refusal = c.Refused()
	}
	if refusal != nil {
		return nil, refusal
	}
	return c, d.misplaced(c)
}

// misplaced refuses a command for another cluster or era.
func (d *Door) misplaced(c *fsm.Command) *fsm.Refusal {
	var to [16]byte
	var era string
	if h := c.Single(); h != nil {
		to, era = h.Cluster, h.Era
	} else if h := c.Threshold(); h != nil {
		to, era = h.Cluster, h.Era
	}
	v := d.config.Node.View()
	if to != v.Cluster() {
		return &fsm.Refusal{Code: fsm.WrongCluster, Fields: []fsm.Field{{Name: "cluster", Value: d.cluster}}}
	}
	if era != v.Era() {
		return &fsm.Refusal{Code: fsm.WrongEra, Fields: []fsm.Field{{Name: "era", Value: v.Era()}}}
	}
	return nil
}

// count counts a command under its name and market.
func (d *Door) count(c *fsm.Command) {
	d.metrics.calls.WithLabelValues(c.Name(), d.marketOf(c)).Inc()
}

// marketOf is the market a command is about, as a bounded label.
func (d *Door) marketOf(c *fsm.Command) string {
	var market string
	switch b := c.Body().(type) {
	case *fsm.SubmitReading:
		market = b.Market
	case *fsm.Attest:
		market = b.Market
	case *fsm.RegisterMeters:
		market = b.Market
	default:
		return anyMarket
	}
	if _, known := d.config.Node.View().Oracle().Market(market); !known {
		return "other"
	}
	return market
}

// settle turns one answer of the cluster into an outcome or an error. A
// replicated refusal is an error too, with the outcome in its problem.
func (d *Door) settle(a cluster.Answer) (api.Outcome, error) {
	switch {
	case a.Err != nil:
		return api.Outcome{}, a.Err
	case a.Refusal != nil:
		return api.Outcome{}, d.refused(a.Refusal)
	case a.Outcome == nil:
		return api.Outcome{}, errors.New("the cluster answered without an answer")
	}
	outcome := outcomeOf(a.Outcome, d.config.Node.FinalSize())
	if a.Outcome.Refusal == nil {
		return outcome, nil
	}
	p := problemFrom(a.Outcome.Refusal)
	p.Logged, p.Outcome = true, &outcome
	return outcome, p
}

func (d *Door) refused(r *fsm.Refusal) error {
	d.metrics.refusals.WithLabelValues(string(r.Code)).Inc()
	return r
}
