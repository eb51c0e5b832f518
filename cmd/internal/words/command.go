package words

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Reader says what commands mean.
type Reader struct {
	// Genesis gives names to the cluster and to the keys it knows; may be nil.
	Genesis *genesis.Signed
	// Now is what "in 3 days" counts from.
	Now time.Time
}

// ErrNoWords says that a command is one that this program cannot explain.
var ErrNoWords = errors.New("this program has no words for the command and will not ask anybody to sign it")

// Parse reads the command in an envelope, signed or not.
func Parse(e envelope.Envelope) (*fsm.Command, error) {
	unsigned := len(e.Signatures) == 0
	if unsigned {
		// The rules know signed commands only, and the parser is theirs.
		e.Signatures = make([]envelope.Signature, 1)
	}
	c, refusal := fsm.FromEnvelope(e)
	if refusal == nil && c.Refused() != nil {
		refusal = c.Refused()
	}
	if refusal != nil {
		return nil, fmt.Errorf("the command is not well-formed: %w", refusal)
	}
	if unsigned {
		c.KeyIDs, c.Sigs = nil, nil
	}
	return c, nil
}

// Command says what an envelope asks for: who, what, how much, until when.
func (r Reader) Command(e envelope.Envelope) (string, error) {
	c, err := Parse(e)
	if err != nil {
		return "", err
	}
	said, err := says(c.Body())
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.Name(), err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", c.Name())
	for _, line := range said {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	r.place(&b, c)
	for _, id := range c.KeyIDs {
		fmt.Fprintf(&b, "  signed by    %s\n", r.Signer(id))
	}
	id := c.Identity()
	fmt.Fprintf(&b, "  identity     %s (compare these digits on a second device)\n", ShortHash(id[:]))
	return b.String(), nil
}

// place says for which cluster a command is, and when.
func (r Reader) place(b *strings.Builder, c *fsm.Command) {
	var cluster [16]byte
	var era, order string
	var issued, expires int64
	if h := c.Single(); h != nil {
		cluster, era, issued, expires = h.Cluster, h.Era, h.IssuedAt, h.ExpiresAt
		order = fmt.Sprintf("  order        lane %s, nonce %d; takes one signature", name(h.Lane), h.Nonce)
		if h.Signer != nil {
			order += ", by " + r.Signer(envelope.KeyID(*h.Signer))
		}
		order += "\n"
	} else {
		h := c.Threshold()
		cluster, era, issued, expires = h.Cluster, h.Era, h.IssuedAt, h.ExpiresAt
		order = "  order        once, whenever enough admins have signed"
		if r.knows(cluster) {
			order += fmt.Sprintf(" (%d different ones)", r.Genesis.AdminThreshold)
		}
		order += "\n"
	}
	called := ""
	if r.knows(cluster) {
		called = fmt.Sprintf("%q, ", r.Genesis.Name)
	} else if r.Genesis != nil {
		called = "NOT the one of the given genesis, "
	}
	number, _, _ := strings.Cut(era, "-")
	number = name(number)
	fmt.Fprintf(b, "  cluster      %sid %x, era %s\n", called, cluster, number)
	b.WriteString(order)
	fmt.Fprintf(b, "  issued       %s\n", Time(issued))
	fmt.Fprintf(b, "  valid until  %s (%s)\n", Time(expires), r.until(expires))
}

func (r Reader) knows(cluster [16]byte) bool {
	return r.Genesis != nil && r.Genesis.Cluster == cluster
}

func (r Reader) until(ms int64) string {
	left := time.UnixMilli(ms).Sub(r.Now)
	if left < 0 {
		return "over for " + Span(-left)
	}
	return "in " + Span(left)
}

// Signer names a key by its owner where genesis knows her.
func (r Reader) Signer(id envelope.KeyID) string {
	if r.Genesis != nil {
		for _, p := range r.Genesis.Principals {
			if envelope.KeyIDOf(p.PublicKey[:]) == id {
				return fmt.Sprintf("%s %s, key %s", p.Role, p.Principal, id)
			}
		}
	}
	return fmt.Sprintf("key %s", id)
}
