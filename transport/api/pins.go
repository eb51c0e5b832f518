package api

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// PinsPayloadType is the payload type of the pins of a node.
const PinsPayloadType = "application/vnd.tallyvault.pins.v1+json"

// PinsLife is how long a statement of pins counts. It bounds how long a stolen
// TLS key stays useful after it was replaced; a node signs a new statement
// daily.
const PinsLife = 7 * 24 * time.Hour

// maxPins bounds a statement: the key in use, the one before and the next.
const maxPins = 4

// Pin is the SHA-256 of a certificate's SubjectPublicKeyInfo: it names the key
// that a TLS server proves to hold, whatever else its certificate says.
type Pin [sha256.Size]byte

// PinOf computes the pin of a certificate.
func PinOf(certificate *x509.Certificate) Pin {
	return sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
}

// String is the pin in lower-case hex.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// Pins is a node's word on which TLS keys its API uses. It ties a certificate
// that no authority vouches for to the node key that the committee knows.
type Pins struct {
	Cluster   [16]byte `json:"cluster"`
	Node      string   `json:"node"`
	Pins      []Pin    `json:"pins"`
	IssuedAt  int64    `json:"issued_at"`
	ExpiresAt int64    `json:"expires_at"`
}

// NewPins states pins from now on.
func NewPins(cluster [16]byte, node string, pins []Pin, now time.Time) Pins {
	return Pins{
		Cluster:   cluster,
		Node:      node,
		Pins:      pins,
		IssuedAt:  now.UnixMilli(),
		ExpiresAt: now.Add(PinsLife).UnixMilli(),
	}
}

// Sign signs the statement with the node key.
func (p Pins) Sign(nodeKey ed25519.PrivateKey) envelope.Envelope {
	payload := strict.Encode(p)
	return envelope.Envelope{
		PayloadType: PinsPayloadType,
		Payload:     payload,
		Signatures:  []envelope.Signature{envelope.Sign(nodeKey, PinsPayloadType, payload)},
	}
}

// Holds says whether the statement names the pin.
func (p Pins) Holds(pin Pin) bool {
	for _, known := range p.Pins {
		if known == pin {
			return true
		}
	}
	return false
}

// VerifyPins checks a statement of pins: signed by the key of the node that it names,
// for this cluster, and in force.
func VerifyPins(e envelope.Envelope, cluster [16]byte, keys NodeKeys, now time.Time) (Pins, error) {
	var p Pins
	if e.PayloadType != PinsPayloadType {
		return p, fmt.Errorf("pins have payload type %q", e.PayloadType)
	}
	if err := strict.Decode(e.Payload, &p); err != nil {
		return p, fmt.Errorf("reading pins: %w", err)
	}
	if p.Cluster != cluster {
		return p, fmt.Errorf("pins are for cluster %x, not %x", p.Cluster, cluster)
	}
	raw, ok := keys(p.Node)
	if !ok {
		return p, &UnknownNodeError{p.Node}
	}
	if len(p.Pins) == 0 || len(p.Pins) > maxPins {
		return p, fmt.Errorf("pins of node %s name %d keys, want 1 to %d", p.Node, len(p.Pins), maxPins)
	}
	if len(e.Signatures) != 1 || e.Signatures[0].KeyID != envelope.KeyIDOf(raw[:]) {
		return p, fmt.Errorf("pins of node %s are not signed by its key %s alone", p.Node, envelope.KeyIDOf(raw[:]))
	}
	key, err := signature.CheckPublicKey(raw)
	if err != nil {
		return p, fmt.Errorf("key of node %s: %w", p.Node, err)
	}
	if !key.Verify(e.PAE(), &e.Signatures[0].Sig) {
		return p, fmt.Errorf("signature under the pins of node %s is wrong", p.Node)
	}
	return p, p.inForce(now)
}

// inForce allows for clocks that differ by some minutes. A statement from the future is
// in force: nobody but the node can sign one, and it says that our own clock is behind,
// which only a cluster that we talk to can tell. Until then a TLS key that was stolen
// and replaced works for longer on a machine whose clock is behind.
func (p Pins) inForce(now time.Time) error {
	const slack = 10 * time.Minute
	if now.Add(-slack).UnixMilli() > p.ExpiresAt {
		at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
		return fmt.Errorf("pins of node %s ended %s; this machine's clock says %s", p.Node, at(time.UnixMilli(p.ExpiresAt)), at(now))
	}
	return nil
}
