package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Evidence judges receipts by the policies of a committee from its genesis on. It
// needs no network.
type Evidence struct{ history *proof.History }

// EvidenceOf judges by a genesis and the chain of the committee's changes, the file
// that /v1/policy serves as chain; "" if there were none.
func EvidenceOf(g *genesis.Signed, chain string) (*Evidence, error) {
	if err := g.CheckSigned(); err != nil {
		return nil, err
	}
	history, err := api.PolicyChain{Chain: chain}.History(g)
	if chain == "" {
		history, err = proof.VerifyChain(g.Policy(), nil)
	}
	if err != nil {
		return nil, fmt.Errorf("the chain of policies: %w", err)
	}
	return &Evidence{history}, nil
}

// Evidence fetches the chain of policies and checks it against the genesis that the
// client was made with.
func (c *Client) Evidence(ctx context.Context) (*Evidence, error) {
	if c.config.Genesis == nil {
		return nil, errors.New("evidence is judged by a genesis: give one to Dial")
	}
	var chain api.PolicyChain
	if err := c.Get(ctx, "/v1/policy", nil, &chain); err != nil {
		return nil, err
	}
	return EvidenceOf(c.config.Genesis, chain.Chain)
}

// Proven is a receipt that a committee cosigned.
type Proven struct {
	Kind string
	// Body is a pointer to the receipt's type, e.g. *fsm.SettlementReceipt.
	Body      any
	Leaf      uint64   // its number in the journal
	Size      uint64   // of the checkpoint
	Cosigners []string // who cosigned it
}

// Verify judges a proof file as /v1/receipts/{leaf}.tlog-proof serves it.
func (e *Evidence) Verify(file []byte) (Proven, error) {
	v, err := e.history.VerifyProof(file)
	if err != nil {
		return Proven{}, err
	}
	kind, body, err := fsm.ParseReceipt(v.Leaf)
	if err != nil {
		return Proven{}, fmt.Errorf("leaf %d is proven, but no receipt: %w", v.Index, err)
	}
	return Proven{Kind: kind, Body: body, Leaf: v.Index, Size: v.Checkpoint.Size, Cosigners: v.Cosigners}, nil
}
