package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/client"
)

// maxRebuilds bounds how often one attestation is signed anew.
const maxRebuilds = 8

// clockSkew is how far this machine's clock is behind the cluster's, as far as
// a refusal has told.
type clockSkew struct{ ms atomic.Int64 }

func (s *clockSkew) now() time.Time {
	return time.Now().Add(time.Duration(s.ms.Load()) * time.Millisecond)
}

// learn takes the cluster's now out of a refusal.
func (s *clockSkew) learn(r *client.Refused) {
	if now, err := strconv.ParseInt(r.Fields["now"], 10, 64); err == nil {
		s.ms.Store(now - time.Now().UnixMilli())
	}
}

// errOutOfReach says that a part of an attestation is about readings that cannot
// be voted on any more, or are others than a node had said.
var errOutOfReach = errors.New("an attestation is about readings that are out of reach")

// attest brings an attestation to its outcome. What is out of reach is left; so
// that it takes no other vote along, its ranges are tried apart.
func (w *watcher) attest(ctx context.Context, attestation fsm.Attest) error {
	err := w.submit(ctx, attestation)
	if !errors.Is(err, errOutOfReach) {
		return err
	}
	if len(attestation.Ranges) == 1 {
		w.agent.metrics.attested(w.market, "refused")
		w.log.Error("an attestation was refused", "from", attestation.Ranges[0].From, "to", attestation.Ranges[0].To, "error", err)
		return nil
	}
	half := len(attestation.Ranges) / 2
	for _, ranges := range [][]fsm.AttestedRange{attestation.Ranges[:half], attestation.Ranges[half:]} {
		if err := w.attest(ctx, within(attestation, ranges)); err != nil {
			return err
		}
	}
	return nil
}

// within is the part of an attestation that is about some of its ranges.
func within(a fsm.Attest, ranges []fsm.AttestedRange) fsm.Attest {
	from, to := ranges[0].From, ranges[len(ranges)-1].To
	out := fsm.Attest{Market: a.Market, Ranges: ranges}
	for _, n := range a.Rejects {
		if n >= from && n <= to {
			out.Rejects = append(out.Rejects, n)
		}
	}
	for _, v := range a.Values {
		if v.Number >= from && v.Number <= to {
			out.Values = append(out.Values, v)
		}
	}
	return out
}

// submit brings an attestation to its outcome. An error that is not errOutOfReach
// means that the page is to be tried again.
func (w *watcher) submit(ctx context.Context, attestation fsm.Attest) error {
	for range maxRebuilds {
		if err := w.needNonce(ctx); err != nil {
			return err
		}
		e, err := w.agent.signer.Build(&attestation, w.lane, w.nonce, w.agent.skew.now(), lifeOfVote)
		if err != nil {
			return fmt.Errorf("building an attestation: %w", err)
		}
		outcome, err := w.agent.config.Client.Submit(ctx, e)
		var refused *client.Refused
		if err != nil && !errors.As(err, &refused) {
			return fmt.Errorf("sending an attestation: %w", err)
		}
		if refused == nil || refused.Logged {
			w.nonce++
		}
		if refused == nil {
			w.agent.metrics.attested(w.market, "accepted")
			w.log.Debug("attested", "ranges", len(attestation.Ranges), "rejects", len(attestation.Rejects), "result", outcome.Result)
			return nil
		}
		if err := w.refused(refused); err != nil {
			return err
		}
	}
	return errors.New("an attestation was refused again and again")
}

// refused says why not to sign the attestation anew; nil is to do it.
func (w *watcher) refused(r *client.Refused) error {
	code := fsm.Code(r.Code)
	if code == fsm.LimitExceeded && r.Fields["limit"] == "nonce_gap" {
		code = fsm.NonceReplay
	}
	switch code {
	case fsm.NonceReplay:
		w.nonce = 0 // another process uses the lane, or this one lost count
		return nil
	case fsm.Expired, fsm.TimestampSkew:
		w.agent.skew.learn(r)
		return nil
	case fsm.UnknownKey, fsm.KeyRevoked, fsm.Unauthorized, fsm.WrongCluster, fsm.WrongEra, fsm.SignatureInvalid:
		// These may be put right from outside, while the readings are live.
		return r
	default:
		return fmt.Errorf("%w: %w", errOutOfReach, r)
	}
}

// needNonce asks for the lane's next nonce if it is not known.
func (w *watcher) needNonce(ctx context.Context) error {
	if w.nonce > 0 {
		return nil
	}
	next, err := w.agent.config.Client.NextNonce(ctx, w.agent.signer.KeyID(), w.lane)
	if err != nil {
		return fmt.Errorf("asking for the next nonce: %w", err)
	}
	w.nonce = next
	return nil
}
