package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/client"
	"github.com/tallyvault/tallyvault/treasury"
)

// treasuryFunds is what the committee has to decide about.
const treasuryFunds = 100_000

// treasuryLane is the lane of what admins sign alone.
const treasuryLane = "3"

// treasurer acts for the admins.
type treasurer struct {
	*committee
	api    *client.Client
	nonces map[string]uint64
	say    func(string, ...any)
}

// treasury is the story of a committee and its treasury: a payment and one that waits
// for it, a vote that fails, a veto, and a payment that is taken back.
func (c *committee) treasury(ctx context.Context, say func(string, ...any)) error {
	api, err := c.client(admins[0])
	if err != nil {
		return err
	}
	defer api.Close()
	t := &treasurer{c, api, map[string]uint64{}, say}
	deposit := &fsm.Deposit{Account: string(treasury.Treasury), Asset: treasury.Asset, Amount: fsm.Amount{Lo: treasuryFunds}, Reference: "the treasury's opening balance"}
	if err := c.govern(ctx, api, deposit); err != nil {
		return fmt.Errorf("paying in for the treasury: %w", err)
	}
	inverter, err := t.decide(ctx, "an inverter for the school", 500, fsm.VerdictApprove)
	if err != nil {
		return err
	}
	mounting, err := t.decide(ctx, "mounting the inverter, once it is paid", 120, fsm.VerdictApprove, inverter)
	if err != nil {
		return err
	}
	office, err := t.decide(ctx, "a larger office", 900, fsm.VerdictReject)
	if err != nil {
		return err
	}
	paint, err := t.propose(ctx, "golden paint", 300)
	if err == nil {
		err = t.act(ctx, admins[2], &fsm.Veto{Disbursement: paint, Reason: "we have paint"})
	}
	if err != nil {
		return err
	}
	mistake, err := t.decide(ctx, "the same inverter, paid again by mistake", 501, fsm.VerdictApprove)
	if err != nil {
		return err
	}
	if err := t.await(ctx, mistake, treasury.Executed); err != nil {
		return err
	}
	if err := c.govern(ctx, api, &fsm.Rollback{Disbursement: mistake, Reason: "it was paid already"}); err != nil {
		return fmt.Errorf("rolling back: %w", err)
	}
	for _, end := range []struct {
		id     [32]byte
		status treasury.Status
	}{{office, treasury.Rejected}, {paint, treasury.Cancelled}, {mistake, treasury.RolledBack}, {inverter, treasury.Finalized}, {mounting, treasury.Finalized}} {
		if err := t.await(ctx, end.id, end.status); err != nil {
			return err
		}
	}
	return nil
}

// propose puts a disbursement to a provider before the committee.
func (t *treasurer) propose(ctx context.Context, title string, amount uint64, deps ...[32]byte) (id [32]byte, err error) {
	return t.submit(ctx, admins[0], &fsm.Propose{DisbursementBody: payment(title, amount, deps)})
}

func payment(title string, amount uint64, deps [][32]byte) fsm.DisbursementBody {
	return fsm.DisbursementBody{Title: title, Destination: string(treasury.Provider(gridCoop)), Amount: fsm.Amount{Lo: amount}, Deps: deps}
}

// decide proposes, opens and has two of three admins vote, which decides.
func (t *treasurer) decide(ctx context.Context, title string, amount uint64, verdict string, deps ...[32]byte) (id [32]byte, err error) {
	if id, err = t.propose(ctx, title, amount, deps...); err != nil {
		return id, err
	}
	if err := t.act(ctx, admins[0], &fsm.Open{Disbursement: id}); err != nil {
		return id, err
	}
	body := payment(title, amount, deps)
	content, refusal := body.Content()
	if refusal != nil {
		return id, refusal
	}
	for _, who := range admins[:2] {
		if err := t.act(ctx, who, &fsm.Vote{Disbursement: id, Content: content, Verdict: verdict}); err != nil {
			return id, err
		}
	}
	return id, nil
}

func (t *treasurer) act(ctx context.Context, who string, command any) error {
	_, err := t.submit(ctx, who, command)
	return err
}

// submit signs a command as somebody, and returns its identity.
func (t *treasurer) submit(ctx context.Context, who string, command any) (id [32]byte, err error) {
	t.nonces[who]++
	e, err := t.signer(who).Build(command, treasuryLane, t.nonces[who], time.Now(), time.Hour)
	if err != nil {
		return id, err
	}
	if _, err := t.api.Submit(ctx, e); err != nil {
		return id, fmt.Errorf("%T by %s: %w", command, who, err)
	}
	return e.Identity(), nil
}

// await waits until a disbursement has come to a status.
func (t *treasurer) await(ctx context.Context, id [32]byte, status treasury.Status) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	var title string
	err := wait(ctx, func() (bool, error) {
		d, known := t.members[0].cluster.View().Book().Get(id)
		if !known {
			return false, errors.New("the disbursement has not arrived")
		}
		title = d.Body.Title
		return d.Status == status, fmt.Errorf("%q is %s, not %s", title, d.Status, status)
	})
	if err == nil {
		t.say("treasury: %s: %s", title, status)
	}
	return err
}

// disbursements counts them by status.
func (c *committee) disbursements() map[string]uint64 {
	counts := map[string]uint64{}
	for _, s := range treasury.Statuses() {
		if n, _ := c.members[0].cluster.View().Book().Count(s); n > 0 {
			counts[s.String()] = n
		}
	}
	return counts
}
