package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Basis is a policy with what has to be believed for it to be the right one.
type Basis struct {
	// History has the policy for every size of the journal.
	History *proof.History
	Genesis *genesis.Signed // nil if only a policy file was given
	// Assumes says in one sentence what was taken on trust.
	Assumes string
}

// FromPolicy takes a policy file at its word.
func FromPolicy(text []byte, source string) (Basis, error) {
	p, err := proof.ParsePolicy(text)
	if err != nil {
		// The parser says "policy" too; once is enough.
		return Basis{}, broken(fmt.Errorf("%s: %s", source, strings.TrimPrefix(smallfile.Other(err, text).Error(), "policy: ")))
	}
	alone, err := proof.VerifyChain(p, nil)
	if err != nil {
		return Basis{}, err
	}
	return Basis{History: alone, Assumes: fmt.Sprintf("that %s is the true policy of %s: its keys were believed, not checked", source, p.Origin)}, nil
}

// FromChain derives the policy from a genesis hash and the chain of policy
// changes as /v1/policy serves it.
func FromChain(chain []byte, hash [32]byte) (Basis, error) {
	var c api.PolicyChain
	if err := json.Unmarshal(chain, &c); err != nil {
		return Basis{}, broken(fmt.Errorf("the policy chain is not JSON: %w", err))
	}
	g, err := genesis.Parse(c.Genesis)
	if err != nil {
		return Basis{}, broken(fmt.Errorf("the policy chain's genesis: %w", err))
	}
	if g.Hash != hash {
		return Basis{}, broken(fmt.Errorf("the policy chain begins with genesis %x, not with %x", g.Hash, hash))
	}
	if err := g.CheckSigned(); err != nil {
		return Basis{}, broken(err)
	}
	history, err := c.History(g)
	if err != nil {
		return Basis{}, err
	}
	if c.Policy != "" && c.Policy != string(history.Newest().Policy.Format()) {
		return Basis{}, broken(errors.New("the policy that the chain ends with does not follow from it"))
	}
	return Basis{
		History: history, Genesis: g,
		Assumes: fmt.Sprintf("that %x is the hash of the true genesis (short hash %s), and that the chain leaves out no change of the committee that was in effect; all else follows from it", hash, g.ShortHash()),
	}, nil
}

func broken(err error) error { return &proof.Error{Part: proof.PartPolicy, Err: err} }

// Rule says the policy in words, the newest of a chain.
func (b Basis) Rule() string {
	newest := b.History.Newest()
	names := make([]string, 0, len(newest.Policy.Witnesses))
	for _, w := range newest.Policy.Witnesses {
		names = append(names, w.Name)
	}
	rule := fmt.Sprintf("journal %s, cosigned by %d of %s", newest.Policy.Origin, newest.Policy.K, strings.Join(names, ", "))
	if newest.From > 0 {
		rule += fmt.Sprintf(" from size %d on, and below by the committees before", newest.From)
	}
	return rule
}
