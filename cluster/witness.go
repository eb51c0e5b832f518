package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cluster/snapshot"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// proveTimeout bounds one call for a proof.
const proveTimeout = 2 * time.Second

// nodeWitness answers for a replica what its node and its peers know.
type nodeWitness struct{ node *Node }

func (w nodeWitness) published() cosign.Published { return w.node.finality.published.Newest() }

func (w nodeWitness) signed() proof.Checkpoint { return w.node.finality.signer.Last() }

// evidence proves a base that is not genesis with the receipt that states its digest.
// Beside genesis goes the checkpoint itself, which binds what comes before it.
func (w nodeWitness) evidence(base snapshot.Base, under cosign.Published) (chain, evidence []byte, err error) {
	steps, _, err := w.node.policyChain(under)
	if err != nil {
		return nil, nil, err
	}
	evidence = under.Note
	if base.Leaf != 0 {
		if evidence, err = w.node.proveUnder(base.Leaf, under.Size, under.Note); err != nil {
			return nil, nil, err
		}
	}
	return proof.FormatChain(steps), evidence, nil
}

// prove asks one peer after the other. What they say needs no belief.
func (w nodeWitness) prove(size, old uint64, holds func(tlog.TreeProof) error) error {
	var failed []error
	for _, peer := range w.node.roster.peers() {
		ctx, cancel := context.WithTimeout(context.Background(), proveTimeout)
		path, err := w.node.calls.continues(ctx, peer, size, old)
		cancel()
		if err == nil {
			err = holds(path)
		}
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return fmt.Errorf("no peer proves it: %w", errors.Join(failed...))
}

// snapshotRefused tells people of a snapshot that was not believed.
func (n *Node) snapshotRefused(path string, why error) {
	n.alarms.raise(AlarmSnapshot)
	n.config.Logger.Error("the leader has sent a snapshot that does not prove itself", "leader", n.leader(), "err", why, "kept", path)
}
