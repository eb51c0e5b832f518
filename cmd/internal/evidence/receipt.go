package evidence

import (
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Receipt is what a receipt file proved.
type Receipt struct {
	proof.Verified
	// Kind is the receipt's kind, or "command", "entry header", "undecodable".
	Kind string
	// Words say what the leaf states.
	Words string
}

// Verify checks a receipt file. A leaf that is proven and that nobody can read
// is refused too: it would be a receipt of nothing. Refusals are *proof.Error
// and name the part.
func (b Basis) Verify(file []byte, r words.Reader) (Receipt, error) {
	verified, err := b.History.VerifyProof(file)
	if err != nil {
		return Receipt{}, err
	}
	said, err := r.Leaf(verified.Leaf)
	if err != nil {
		return Receipt{}, &proof.Error{Part: proof.PartLeaf, Err: err}
	}
	return Receipt{Verified: verified, Kind: kindOf(verified.Leaf), Words: said}, nil
}

func kindOf(leaf []byte) string {
	switch leaf[0] {
	case fsm.LeafHeader:
		return "entry header"
	case fsm.LeafCommand:
		return "command"
	case fsm.LeafUndecodable:
		return "undecodable"
	}
	kind, _, err := fsm.ParseReceipt(leaf)
	if err != nil {
		return "unreadable"
	}
	return kind
}
