package client

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// eraZero is the era of a cluster that was never restored.
var eraZero = "0-" + strings.Repeat("0", 64)

// Signer makes envelopes with one key for one cluster.
type Signer struct {
	Key     ed25519.PrivateKey
	Cluster [16]byte
	Era     string // "" means the first era
}

// KeyID is the id of the signer's key.
func (s Signer) KeyID() envelope.KeyID {
	return envelope.KeyIDOf(s.Key.Public().(ed25519.PublicKey))
}

func (s Signer) era() string {
	if s.Era == "" {
		return eraZero
	}
	return s.Era
}

// Build signs a single-signature command. cmd is a pointer to one of fsm's
// payload types, e.g. *fsm.SubmitReading; its header is filled in.
func (s Signer) Build(cmd any, lane string, nonce uint64, now time.Time, ttl time.Duration) (envelope.Envelope, error) {
	signer := [16]byte(s.KeyID())
	header := fsm.Header{
		Cluster: s.Cluster, Era: s.era(), Lane: lane, Nonce: nonce,
		IssuedAt: now.UnixMilli(), ExpiresAt: now.Add(ttl).UnixMilli(), Signer: &signer,
	}
	return s.seal(cmd, header)
}

// BuildThreshold signs a threshold command with a first signature; others add
// theirs with [Signer.AddSignature]. The salt keeps two equal commands apart.
func (s Signer) BuildThreshold(cmd any, salt [16]byte, now time.Time, ttl time.Duration) (envelope.Envelope, error) {
	header := fsm.ThresholdHeader{
		Cluster: s.Cluster, Era: s.era(), Salt: salt,
		IssuedAt: now.UnixMilli(), ExpiresAt: now.Add(ttl).UnixMilli(),
	}
	return s.seal(cmd, header)
}

// AddSignature returns the envelope with the signer's signature besides. What is
// signed are the payload's bytes as they are.
func (s Signer) AddSignature(e envelope.Envelope) envelope.Envelope {
	e.Signatures = append(append([]envelope.Signature{}, e.Signatures...), envelope.Sign(s.Key, e.PayloadType, e.Payload))
	return e
}

// seal puts the header into a copy of the payload, encodes and signs it.
func (s Signer) seal(cmd, header any) (envelope.Envelope, error) {
	payloadType, err := payloadTypeOf(cmd)
	if err != nil {
		return envelope.Envelope{}, err
	}
	payload := reflect.New(reflect.TypeOf(cmd).Elem()).Elem()
	payload.Set(reflect.ValueOf(cmd).Elem())
	field := payload.FieldByName(reflect.TypeOf(header).Name())
	if !field.IsValid() {
		return envelope.Envelope{}, fmt.Errorf("%T has no %T", cmd, header)
	}
	field.Set(reflect.ValueOf(header))
	bytes := strict.Encode(payload.Interface())
	return envelope.Envelope{
		PayloadType: payloadType,
		Payload:     bytes,
		Signatures:  []envelope.Signature{envelope.Sign(s.Key, payloadType, bytes)},
	}, nil
}

// payloadTypeOf looks a payload's Go type up in fsm's table of commands, so that
// a new command needs nothing here.
func payloadTypeOf(cmd any) (string, error) {
	for _, name := range fsm.CommandNames() {
		payload, tag, _ := fsm.NewPayload(name)
		if reflect.TypeOf(payload) == reflect.TypeOf(cmd) {
			return tag.PayloadType(), nil
		}
	}
	return "", fmt.Errorf("%T is not a pointer to the payload of a command", cmd)
}
