package proof

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A Part names what an [Error] found wrong.
type Part string

// The parts of a receipt file, in the order in which they are checked.
const (
	PartHeader     Part = "header"
	PartLeaf       Part = "leaf"
	PartIndex      Part = "index"
	PartPath       Part = "proof path"
	PartCheckpoint Part = "checkpoint"
	PartSignature  Part = "checkpoint signature"
	PartPolicy     Part = "policy"
	// PartInclusion: the checkpoint is good, every part has its right form, and
	// still leaf, index and path do not lead to the root. Which of the three was
	// altered cannot be known.
	PartInclusion Part = "inclusion (leaf, index or proof path)"
)

// An Error says which part of some evidence was refused, and why.
type Error struct {
	Part Part
	Err  error
}

func (e *Error) Error() string { return string(e.Part) + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func refuse(part Part, format string, args ...any) error {
	return &Error{Part: part, Err: fmt.Errorf(format, args...)}
}

// A QuorumError says that too few witnesses cosigned. Valid lists those that did
// by their short names, in the policy's order.
type QuorumError struct {
	Needed, Witnesses int
	Valid             []string
}

func (e *QuorumError) Error() string {
	s := fmt.Sprintf("%d of %d needed, %d valid", e.Needed, e.Witnesses, len(e.Valid))
	if len(e.Valid) > 0 {
		s += ": " + strings.Join(e.Valid, ", ")
	}
	return s
}

// maxNoteSize bounds what VerifyCheckpoint looks at: a hundred signature lines,
// the most that a signed note may have, fit.
const maxNoteSize = 64 << 10

// VerifyCheckpoint checks a signed note under a policy and returns its checkpoint
// and the short names of the witnesses that cosigned it, in the policy's order.
//
// Signatures by unknown keys are ignored, as signed notes demand, and of several
// by one key the first counts. A wrong signature by a known key is refused even
// when enough others are right: somebody altered this note.
func VerifyCheckpoint(p Policy, signed []byte) (Checkpoint, []string, error) {
	if err := p.Validate(); err != nil {
		return Checkpoint{}, nil, &Error{PartPolicy, err}
	}
	cp, err := ReadCheckpoint(signed)
	if err != nil {
		return Checkpoint{}, nil, &Error{PartCheckpoint, err}
	}
	if cp.Origin != p.Origin {
		return Checkpoint{}, nil, refuse(PartPolicy, "the checkpoint's origin is %q, the policy's %q", cp.Origin, p.Origin)
	}
	n, err := note.Open(signed, p.verifiers(cp))
	if err != nil {
		return Checkpoint{}, nil, &Error{PartSignature, p.explain(err)}
	}
	for _, sig := range append(n.Sigs, n.UnverifiedSigs...) {
		if _, err := decode64(sig.Base64); err != nil {
			return Checkpoint{}, nil, refuse(PartSignature, "line of %q: %w", sig.Name, err)
		}
	}
	valid, err := p.count(n.Sigs)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	return cp, valid, nil
}

// ReadCheckpoint reads the text of a signed note and looks at no signature: to know
// by which policy it is to be judged. It cuts where note.Open will cut.
func ReadCheckpoint(signed []byte) (Checkpoint, error) {
	if len(signed) > maxNoteSize {
		return Checkpoint{}, fmt.Errorf("signed note of %d bytes, want at most %d", len(signed), maxNoteSize)
	}
	end := bytes.LastIndex(signed, []byte("\n\n"))
	if end < 0 {
		return Checkpoint{}, errors.New("no empty line parts text and signatures")
	}
	return ParseCheckpoint(string(signed[:end+1]))
}

// count applies the policy to signatures that have been verified.
func (p Policy) count(sigs []note.Signature) ([]string, error) {
	has := func(name string, hash uint32) bool {
		for _, s := range sigs {
			if s.Name == name && s.Hash == hash {
				return true
			}
		}
		return false
	}
	if !has(p.Origin, keyHash(p.Origin, algEd25519, p.LogKey)) {
		return nil, refuse(PartSignature, "the log %q has not signed", p.Origin)
	}
	var valid []string
	for _, w := range p.Witnesses {
		if has(w.KeyName, keyHash(w.KeyName, algCosignatureV1, w.Key)) {
			valid = append(valid, w.Name)
		}
	}
	if len(valid) < p.K {
		return nil, &Error{PartPolicy, &QuorumError{Needed: p.K, Witnesses: len(p.Witnesses), Valid: valid}}
	}
	return valid, nil
}

// explain turns what note.Open says into who and what.
func (p Policy) explain(err error) error {
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return errors.New("neither the log nor any witness of the policy has signed")
	}
	bad, ok := errors.AsType[*note.InvalidSignatureError](err)
	if !ok {
		return err
	}
	for _, w := range p.Witnesses {
		if w.KeyName == bad.Name && keyHash(w.KeyName, algCosignatureV1, w.Key) == bad.Hash {
			return fmt.Errorf("the cosignature of %s is not one over this checkpoint", w.Name)
		}
	}
	return fmt.Errorf("the signature of the log %q is not one over this checkpoint", bad.Name)
}

// verifiers makes the keys of a policy known to note.Open.
func (p Policy) verifiers(cp Checkpoint) note.Verifiers { return policyVerifiers{p, cp} }

type policyVerifiers struct {
	policy     Policy
	checkpoint Checkpoint
}

func (v policyVerifiers) Verifier(name string, hash uint32) (note.Verifier, error) {
	if name == v.policy.Origin && hash == keyHash(name, algEd25519, v.policy.LogKey) {
		return note.NewVerifier(LogVKey(name, v.policy.LogKey))
	}
	for _, w := range v.policy.Witnesses {
		if name == w.KeyName && hash == keyHash(name, algCosignatureV1, w.Key) {
			return cosignatureVerifier{name, hash, w.Key, v.checkpoint}, nil
		}
	}
	return nil, &note.UnknownVerifierError{Name: name, KeyHash: hash}
}

// cosignatureVerifier is a note.Verifier for cosignature/v1. The checkpoint is
// the note's text, already parsed.
type cosignatureVerifier struct {
	name       string
	hash       uint32
	key        [32]byte
	checkpoint Checkpoint
}

func (v cosignatureVerifier) Name() string    { return v.name }
func (v cosignatureVerifier) KeyHash() uint32 { return v.hash }

func (v cosignatureVerifier) Verify(text, sig []byte) bool {
	c, err := ParseCosignature(sigLine(v.name, v.hash, sig))
	return err == nil && string(text) == v.checkpoint.Text() && c.Verify(v.key, v.checkpoint)
}
