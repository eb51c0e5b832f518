package envelope

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of an envelope, in bytes and counts.
const (
	MaxPayload    = 60 << 10
	MaxJSON       = 96 << 10
	MaxSignatures = 64
)

// Envelope is a decoded DSSE envelope.
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []Signature
}

// Signature is one signature with the id of the key that made it.
type Signature struct {
	KeyID KeyID
	Sig   [ed25519.SignatureSize]byte
}

// wire mirrors the JSON form of an envelope.
type wire struct {
	PayloadType string          `json:"payloadType"`
	Payload     string          `json:"payload"`
	Signatures  []wireSignature `json:"signatures"`
}

type wireSignature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

// Parse decodes an envelope's JSON. Errors say which member is wrong.
func Parse(data []byte) (Envelope, error) {
	if len(data) > MaxJSON {
		return Envelope{}, fmt.Errorf("envelope is %d bytes, more than %d", len(data), MaxJSON)
	}
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return Envelope{}, fmt.Errorf("envelope is not valid JSON: %w", err)
	}
	if w.PayloadType == "" {
		return Envelope{}, errors.New("envelope has no payloadType")
	}
	payload, err := decodeBase64(w.Payload)
	if err != nil {
		return Envelope{}, fmt.Errorf("envelope payload: %w", err)
	}
	if len(payload) > MaxPayload {
		return Envelope{}, fmt.Errorf("payload is %d bytes, more than %d", len(payload), MaxPayload)
	}
	if len(w.Signatures) > MaxSignatures {
		return Envelope{}, fmt.Errorf("envelope has %d signatures, more than %d", len(w.Signatures), MaxSignatures)
	}
	e := Envelope{PayloadType: w.PayloadType, Payload: payload}
	for i, s := range w.Signatures {
		sig, err := s.decode()
		if err != nil {
			return Envelope{}, fmt.Errorf("signature %d: %w", i+1, err)
		}
		e.Signatures = append(e.Signatures, sig)
	}
	return e, nil
}

func (w wireSignature) decode() (Signature, error) {
	var s Signature
	id, err := ParseKeyID(w.KeyID)
	if err != nil {
		return s, err
	}
	raw, err := decodeBase64(w.Sig)
	if err != nil {
		return s, err
	}
	if len(raw) != len(s.Sig) {
		return s, fmt.Errorf("sig has %d bytes, want %d", len(raw), len(s.Sig))
	}
	s.KeyID = id
	copy(s.Sig[:], raw)
	return s, nil
}

// decodeBase64 reads the standard and the URL-safe alphabet, padded or not, as
// DSSE requires of a reader.
func decodeBase64(s string) ([]byte, error) {
	// Each byte is looked for by itself: that is many times faster than a set.
	has := func(c byte) bool { return strings.IndexByte(s, c) >= 0 }
	encoding := base64.RawStdEncoding
	if has('-') || has('_') {
		encoding = base64.RawURLEncoding
	}
	if has('\r') || has('\n') {
		return nil, errors.New("base64 holds a line break")
	}
	return encoding.Strict().DecodeString(strings.TrimRight(s, "="))
}

// JSON encodes the envelope in one line, standard base64 with padding.
func (e Envelope) JSON() []byte {
	w := wire{
		PayloadType: e.PayloadType,
		Payload:     base64.StdEncoding.EncodeToString(e.Payload),
		Signatures:  make([]wireSignature, 0, len(e.Signatures)),
	}
	for _, s := range e.Signatures {
		w.Signatures = append(w.Signatures, wireSignature{s.KeyID.String(), base64.StdEncoding.EncodeToString(s.Sig[:])})
	}
	b, err := json.Marshal(w, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(fmt.Sprintf("envelope: encoding strings cannot fail: %v", err))
	}
	return b
}

// PAE is the pre-authentication encoding: the bytes that are signed.
func PAE(payloadType string, payload []byte) []byte {
	b := make([]byte, 0, len("DSSEv1    ")+len(payloadType)+len(payload)+2*20)
	b = strconv.AppendInt(append(b, "DSSEv1 "...), int64(len(payloadType)), 10)
	b = append(append(append(b, ' '), payloadType...), ' ')
	b = append(strconv.AppendInt(b, int64(len(payload)), 10), ' ')
	return append(b, payload...)
}

// PAE is the encoding that the envelope's signatures cover.
func (e Envelope) PAE() []byte { return PAE(e.PayloadType, e.Payload) }

// Identity is the identity of what the envelope carries.
func (e Envelope) Identity() Identity { return IdentityOf(e.PayloadType, e.Payload) }

// Sign makes one signature over a payload.
func Sign(key ed25519.PrivateKey, payloadType string, payload []byte) Signature {
	s := Signature{KeyID: KeyIDOf(key.Public().(ed25519.PublicKey))}
	copy(s.Sig[:], ed25519.Sign(key, PAE(payloadType, payload)))
	return s
}
