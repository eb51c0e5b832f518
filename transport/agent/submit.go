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

// submit brings an attestation to its outcome. A refusal that says that these
// votes cannot count is logged and leaves them; an error means that the page is
// to be tried again.
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
			w.log.Debug("attested", "ranges", len(attestation.Ranges), "rejects", len(attestation.Rejects), "result", outcome.Result)
			return nil
		}
		again, err := w.refused(refused, attestation)
		if !again || err != nil {
			return err
		}
	}
	return errors.New("an attestation was refused again and again")
}

// refused says whether to sign the attestation anew.
func (w *watcher) refused(r *client.Refused, attestation fsm.Attest) (again bool, err error) {
	code := fsm.Code(r.Code)
	if code == fsm.LimitExceeded && r.Fields["limit"] == "nonce_gap" {
		code = fsm.NonceReplay
	}
	switch code {
	case fsm.NonceReplay:
		w.nonce = 0 // another process uses the lane, or this one lost count
		return true, nil
	case fsm.Expired, fsm.TimestampSkew:
		w.agent.skew.learn(r)
		return true, nil
	case fsm.UnknownKey, fsm.KeyRevoked, fsm.Unauthorized, fsm.WrongCluster, fsm.WrongEra, fsm.SignatureInvalid:
		// These may be put right from outside, while the readings are live.
		return false, r
	default:
		// The readings' numbers are out of reach by now, or mean other readings than
		// this node had said: nothing that the same votes could change.
		w.log.Error("an attestation was refused", "from", attestation.Ranges[0].From, "refusal", r)
		return false, nil
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
