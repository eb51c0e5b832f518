package compose

import (
	"errors"
	"fmt"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// draft is the editable form of a command.
type draft struct {
	Command string         `json:"command"`
	Payload jsontext.Value `json:"payload"`
}

// Unsigned wraps a payload for signing; name is the command's.
func Unsigned(name string, payload any) envelope.Envelope {
	_, tag, ok := fsm.NewPayload(name)
	if !ok {
		panic(fmt.Sprintf("compose: %q is not a command", name))
	}
	return envelope.Envelope{PayloadType: tag.PayloadType(), Payload: strict.Encode(payload)}
}

// Read takes a draft or an envelope and demands a well-formed command.
func Read(data []byte) (envelope.Envelope, error) {
	var probe struct {
		PayloadType jsontext.Value `json:"payloadType"`
	}
	if err := json.Unmarshal(data, &probe); err != nil {
		return envelope.Envelope{}, fmt.Errorf("neither a draft nor an envelope: %w", err)
	}
	var e envelope.Envelope
	var err error
	if probe.PayloadType != nil {
		e, err = envelope.Parse(data)
	} else {
		e, err = readDraft(data)
	}
	if err != nil {
		return envelope.Envelope{}, err
	}
	_, err = words.Parse(e)
	return e, err
}

func readDraft(data []byte) (envelope.Envelope, error) {
	var d draft
	if err := json.Unmarshal(data, &d, json.RejectUnknownMembers(true)); err != nil {
		return envelope.Envelope{}, fmt.Errorf("draft: %w", err)
	}
	payload, _, ok := fsm.NewPayload(d.Command)
	if !ok {
		return envelope.Envelope{}, fmt.Errorf("draft: %q is not a command: see tallyvault command list", d.Command)
	}
	if err := strict.Decode(d.Payload, payload); err != nil {
		return envelope.Envelope{}, fmt.Errorf("draft: payload: %w", err)
	}
	return Unsigned(d.Command, payload), nil
}

// Draft writes a payload in the editable form.
func Draft(name string, payload any) []byte {
	text, err := json.Marshal(draft{Command: name, Payload: strict.Encode(payload)})
	if err != nil {
		panic(fmt.Sprintf("compose: a payload that was just encoded is not JSON: %v", err))
	}
	indented := jsontext.Value(text)
	if err := indented.Indent(jsontext.WithIndent("  ")); err != nil {
		panic(fmt.Sprintf("compose: own encoding is not JSON: %v", err))
	}
	return append(indented, '\n')
}

// ErrSigned says that the key's signature is there already.
var ErrSigned = errors.New("this key has signed the command already")

// Sign adds the signatures of keys.
func Sign(e envelope.Envelope, keys ...ed25519.PrivateKey) (envelope.Envelope, error) {
	c, err := words.Parse(e)
	if err != nil {
		return e, err
	}
	if have := len(e.Signatures) + len(keys); c.Single() != nil && have > 1 {
		return e, fmt.Errorf("%s takes exactly one signature, this would be number %d", c.Name(), have)
	}
	// The caller's signatures must not share memory with the result's.
	e.Signatures = append([]envelope.Signature(nil), e.Signatures...)
	for _, key := range keys {
		own := envelope.Sign(key, e.PayloadType, e.Payload)
		if h := c.Single(); h != nil && h.Signer != nil && envelope.KeyID(*h.Signer) != own.KeyID {
			return e, fmt.Errorf("the command names key %s as its signer: a signature by key %s would not count", envelope.KeyID(*h.Signer), own.KeyID)
		}
		for _, s := range e.Signatures {
			if s.KeyID == own.KeyID {
				return e, fmt.Errorf("key %s: %w", own.KeyID, ErrSigned)
			}
		}
		e.Signatures = append(e.Signatures, own)
	}
	return e, nil
}
