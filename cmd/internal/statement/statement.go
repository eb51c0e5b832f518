// Package statement is the file with which a principal asks to be let in: her
// name, her role, her public key and the proof that she holds the private one.
//
// It is made on her own machine, beside the private key, and may be shown to
// anybody:
//
//	{
//	  "cluster": "00000000000000000000000000000000",
//	  "principal": "alice",
//	  "role": "admin",
//	  "public_key": "…64 hex digits…",
//	  "proof": "…128 hex digits…"
//	}
//
// The proof is a signature over all the other members. A statement for cluster
// zeros can go into a genesis file, which has no cluster id yet; one for a
// cluster can go into a threshold command of exactly that cluster. Neither can
// stand for the other, so a key that was shown once cannot be registered
// elsewhere, under another name or in another role.
package statement

import (
	"errors"
	"fmt"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/oracle"
)

// maxSize bounds what is read; an honest statement is under a kilobyte.
const maxSize = 16 << 10

// A Statement is one principal's public key with its proof of possession.
type Statement struct {
	// Cluster is all zeros before there is a genesis.
	Cluster   [16]byte `json:"cluster"`
	Principal string   `json:"principal"`
	Role      string   `json:"role"`
	PublicKey [32]byte `json:"public_key"`
	Proof     [64]byte `json:"proof"`
}

// New makes a statement and proves possession of the key.
func New(key ed25519.PrivateKey, cluster [16]byte, principal, role string) (Statement, error) {
	s := Statement{Cluster: cluster, Principal: principal, Role: role}
	if err := s.check(); err != nil {
		return Statement{}, err
	}
	copy(s.PublicKey[:], key.Public().(ed25519.PublicKey))
	s.Proof = s.possession().Prove(key)
	return s, nil
}

// Parse reads a statement and verifies its proof.
func Parse(data []byte) (Statement, error) {
	var s Statement
	if len(data) > maxSize {
		return s, fmt.Errorf("statement of %d bytes, want at most %d", len(data), maxSize)
	}
	if err := strict.Decode(data, &s); err != nil {
		return s, fmt.Errorf("statement: %w", err)
	}
	if err := s.check(); err != nil {
		return s, fmt.Errorf("statement: %w", err)
	}
	if err := s.possession().Check(&s.Proof); err != nil {
		return s, fmt.Errorf("statement of %s %s: %w", s.Role, s.Principal, err)
	}
	return s, nil
}

// ReadFile reads the statement in a file.
func ReadFile(path string) (Statement, error) {
	data, err := smallfile.Read(path, maxSize)
	if err != nil {
		return Statement{}, fmt.Errorf("reading a statement: %w", err)
	}
	s, err := Parse(data)
	if err != nil {
		return Statement{}, fmt.Errorf("%s: %w", path, smallfile.Other(err, data))
	}
	return s, nil
}

// Format writes the statement for people: one member a line.
func (s Statement) Format() []byte {
	text := jsontext.Value(strict.Encode(s))
	if err := text.Indent(jsontext.WithIndent("  ")); err != nil {
		panic(fmt.Sprintf("statement: own encoding is not JSON: %v", err))
	}
	return append(text, '\n')
}

// KeyID is the id of the statement's key.
func (s Statement) KeyID() envelope.KeyID { return envelope.KeyIDOf(s.PublicKey[:]) }

var errNotFounding = errors.New("its proof is for a cluster that exists already; make one for a genesis with: tallyvault key prove")

// Founder is the statement as a genesis file holds it.
func (s Statement) Founder() (genesis.Principal, error) {
	if s.Cluster != ([16]byte{}) {
		return genesis.Principal{}, fmt.Errorf("statement of %s %s: %w", s.Role, s.Principal, errNotFounding)
	}
	return genesis.Principal{Principal: s.Principal, Role: s.Role, PublicKey: s.PublicKey, Proof: s.Proof}, nil
}

// For demands that the proof is for the cluster.
func (s Statement) For(cluster [16]byte) error {
	if s.Cluster == cluster {
		return nil
	}
	whose := fmt.Sprintf("cluster %x", s.Cluster)
	if s.Cluster == ([16]byte{}) {
		whose = "a genesis, not for a cluster"
	}
	return fmt.Errorf("statement of %s %s: its proof is for %s; make one for cluster %x with: tallyvault key prove --genesis FILE",
		s.Role, s.Principal, whose, cluster)
}

func (s Statement) possession() genesis.Possession {
	return genesis.Possession{Cluster: s.Cluster, Principal: s.Principal, Role: s.Role, Key: s.PublicKey}
}

func (s Statement) check() error {
	if !oracle.ValidID(s.Principal) {
		return fmt.Errorf("principal %q: want a lower-case letter, then letters, digits, '-', '_' or '.', at most 64", s.Principal)
	}
	if !genesis.ValidRole(s.Role) {
		return fmt.Errorf("role %q: want admin, oracle, provider, payer or auditor", s.Role)
	}
	return nil
}
