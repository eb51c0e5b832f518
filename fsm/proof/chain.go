package proof

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tallyvault/tallyvault/fsm/strict"
)

const chainHeader = "tallyvault-policy-chain v1"

// MaxSteps bounds a chain; a cluster has fewer seats to give.
const MaxSteps = 256

// A Step proves one change of the committee with two receipt files. Decided holds
// the change's pending receipt under the note that brought it into effect, cosigned
// by both committees and the new node. Effective holds the receipt that says so,
// under any later note of the new committee: that of the next transition is one.
//
// The first alone would not do: a new node whose change was given up could add its
// own cosignature to public ones at any time. The second takes a committee that saw
// the change take effect.
type Step struct {
	Decided, Effective []byte
}

// FormatChain writes a chain as text: a header line, then for each step a line
// "step", the lengths of both files, and the files as they are.
func FormatChain(steps []Step) []byte {
	out := []byte(chainHeader + "\n")
	for _, s := range steps {
		out = fmt.Appendf(out, "step %d %d\n", len(s.Decided), len(s.Effective))
		out = append(append(out, s.Decided...), s.Effective...)
	}
	return out
}

// ParseChain reads what FormatChain writes. It looks into no file. Errors are of type
// [*Error].
func ParseChain(data []byte) ([]Step, error) {
	rest, ok := bytes.CutPrefix(data, []byte(chainHeader+"\n"))
	if !ok {
		return nil, refuse(PartPolicy, "chain: the first line is not %q", chainHeader)
	}
	var steps []Step
	for len(rest) > 0 {
		if len(steps) == MaxSteps {
			return nil, refuse(PartPolicy, "chain: more than %d steps", MaxSteps)
		}
		var s Step
		var err error
		if s, rest, err = cutStep(rest); err != nil {
			return nil, refuse(PartPolicy, "chain: step %d: %w", len(steps)+1, err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func cutStep(data []byte) (s Step, rest []byte, err error) {
	line, rest, ok := bytes.Cut(data, []byte("\n"))
	fields := strings.Split(string(line), " ")
	if !ok || len(fields) != 3 || fields[0] != "step" {
		return s, nil, fmt.Errorf("%q is not a step line", clip(string(line)))
	}
	for i, file := range []*[]byte{&s.Decided, &s.Effective} {
		n, err := parseCount(fields[i+1])
		if err != nil {
			return s, nil, err
		}
		if n > uint64(len(rest)) || n > maxProofSize {
			return s, nil, fmt.Errorf("a file of %d bytes is cut short or too long", n)
		}
		*file, rest = rest[:n:n], rest[n:]
	}
	return s, rest, nil
}

// A Term is a policy with the size from which on checkpoints are judged by it, and
// what the journal says of the nodes that it counts; genesis says it of its own.
type Term struct {
	From   uint64
	Policy Policy
	Nodes  []PolicyNode
}

// A History is the sequence of policies that a chain has proven, from genesis on.
type History struct{ terms []Term }

// VerifyChain follows a chain from the policy of genesis. Errors are of type [*Error]
// and name the step.
func VerifyChain(genesis Policy, steps []Step) (*History, error) {
	h := &History{terms: []Term{{Policy: genesis}}}
	last := uint64(0)
	for i, s := range steps {
		change, term, err := s.verify(h.Newest())
		if err == nil && change <= last {
			err = fmt.Errorf("change %d comes after change %d", change, last)
		}
		if err != nil {
			return nil, refuse(PartPolicy, "chain: step %d: %w", i+1, err)
		}
		last = change
		h.terms = append(h.terms, term)
	}
	return h, nil
}

// verify follows one step from the policy before it.
func (s Step) verify(before Term) (change uint64, after Term, err error) {
	decided, err := VerifyProof(before.Policy, s.Decided)
	if err != nil {
		return 0, after, fmt.Errorf("the decision, under the policy before it: %w", err)
	}
	pending, err := readPolicyReceipt(decided, PolicyPending)
	if err != nil {
		return 0, after, fmt.Errorf("the decision: %w", err)
	}
	if decided.Index < before.From || pending.Decided != decided.Index || pending.Previous != before.Policy.Hash() {
		return 0, after, errors.New("the decision is not about the policy before it")
	}
	next, err := pending.next(before.Policy)
	if err != nil {
		return 0, after, fmt.Errorf("the decision: %w", err)
	}
	p, err := ParseProof(s.Decided)
	if err != nil {
		return 0, after, err
	}
	_, signers, err := VerifyCheckpoint(next, p.Note)
	if err != nil {
		return 0, after, fmt.Errorf("the transition, under the policy after it: %w", err)
	}
	if !slices.Contains(signers, pending.New) {
		return 0, after, fmt.Errorf("the transition is not cosigned by the new node %s", pending.New)
	}
	from, err := s.verifyEffect(pending, next, decided.Checkpoint)
	return pending.Change, Term{From: from, Policy: next, Nodes: pending.Nodes}, err
}

// verifyEffect asks the new committee whether exactly this change took effect, by
// exactly this checkpoint, and returns the size from which on it did.
func (s Step) verifyEffect(pending *PolicyReceipt, next Policy, transition Checkpoint) (uint64, error) {
	verified, err := VerifyProof(next, s.Effective)
	if err != nil {
		return 0, fmt.Errorf("the effect, under the policy after it: %w", err)
	}
	effect, err := readPolicyReceipt(verified, PolicyEffective)
	if err != nil {
		return 0, fmt.Errorf("the effect: %w", err)
	}
	t := effect.Transition
	same := effect.Change == pending.Change && effect.Decided == pending.Decided &&
		effect.Previous == pending.Previous && effect.Policy == pending.Policy
	if !same || t == nil || t.Size != transition.Size || t.Root != transition.Root || verified.Index < transition.Size {
		return 0, errors.New("the effect is not that of the decision and the transition")
	}
	return verified.Index + 1, nil
}

var policyReceiptCodec = strict.Compile(PolicyReceipt{})

// readPolicyReceipt takes a policy receipt of the wanted standing out of a leaf.
func readPolicyReceipt(v Verified, standing string) (*PolicyReceipt, error) {
	var r PolicyReceipt
	if err := policyReceiptCodec.Decode(v.Leaf, &r); err != nil {
		return nil, fmt.Errorf("leaf %d is no policy receipt: %w", v.Index, err)
	}
	if r.Kind != KindPolicy || r.Standing != standing {
		return nil, fmt.Errorf("leaf %d is a %s receipt with standing %q, want %q", v.Index, clip(r.Kind), clip(r.Standing), standing)
	}
	return &r, nil
}

// next is the policy that the receipt states in full.
func (r *PolicyReceipt) next(before Policy) (Policy, error) {
	cluster, _, _ := strings.Cut(before.Origin, "/")
	p := Policy{Origin: before.Origin, LogKey: before.LogKey, K: int(r.Cosigners)}
	for _, n := range r.Nodes {
		p.Witnesses = append(p.Witnesses, Witness{Name: n.Node, KeyName: cluster + "/" + n.Node, Key: n.CosignerKey, URL: n.APIAddress})
	}
	if err := p.Validate(); err != nil {
		return Policy{}, err
	}
	if p.Hash() != r.Policy {
		return Policy{}, errors.New("the policy has another hash than its receipt says")
	}
	return p, nil
}

// Terms are all policies, from genesis' on.
func (h *History) Terms() []Term { return slices.Clone(h.terms) }

// Newest is the last term that the chain knows.
func (h *History) Newest() Term { return h.terms[len(h.terms)-1] }

// At is the policy by which a checkpoint of that size is judged.
func (h *History) At(size uint64) Policy {
	for i := len(h.terms) - 1; i > 0; i-- {
		if h.terms[i].From <= size {
			return h.terms[i].Policy
		}
	}
	return h.terms[0].Policy
}

// VerifyCheckpoint is [VerifyCheckpoint] under the policy of the note's size. Where
// the chain may be too old for the note, the error says so.
func (h *History) VerifyCheckpoint(signed []byte) (Checkpoint, []string, error) {
	claimed, err := ReadCheckpoint(signed)
	if err != nil {
		return Checkpoint{}, nil, &Error{PartCheckpoint, err}
	}
	cp, signers, err := VerifyCheckpoint(h.At(claimed.Size), signed)
	if err != nil {
		return Checkpoint{}, nil, h.explain(err, claimed.Size, signed)
	}
	return cp, signers, nil
}

// VerifyProof is [VerifyProof] under the policy of the size that the file's note is
// of.
func (h *History) VerifyProof(data []byte) (Verified, error) {
	return verifyProof(h.VerifyCheckpoint, data)
}

// A StaleError says that evidence carries signatures of nodes that the newest policy
// does not know: perhaps the committee has changed since the chain was made.
type StaleError struct {
	Unknown []string // key names
	Err     error
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("%v; it also carries the signature of %s, whom this policy does not know: if the committee has changed, get the policy chain anew",
		e.Err, strings.Join(e.Unknown, ", "))
}

func (e *StaleError) Unwrap() error { return e.Err }

// explain adds to a refusal whom of the cluster the newest policy does not know.
func (h *History) explain(err error, size uint64, signed []byte) error {
	refused, ok := errors.AsType[*Error](err)
	newest := h.Newest()
	if !ok || size < newest.From {
		return err
	}
	cluster, _, _ := strings.Cut(newest.Policy.Origin, "/")
	_, lines, _ := bytes.Cut(signed, []byte("\n\n"))
	var unknown []string
	for line := range strings.Lines(string(lines)) {
		c, err := ParseCosignature(line)
		if err == nil && strings.HasPrefix(c.Name, cluster+"/") && !newest.Policy.knows(c) && !slices.Contains(unknown, c.Name) {
			unknown = append(unknown, c.Name)
		}
	}
	if len(unknown) == 0 {
		return err
	}
	return &Error{refused.Part, &StaleError{Unknown: unknown, Err: refused.Err}}
}

func (p Policy) knows(c Cosignature) bool {
	return slices.ContainsFunc(p.Witnesses, func(w Witness) bool {
		return c.Name == w.KeyName && c.KeyHash == keyHash(w.KeyName, algCosignatureV1, w.Key)
	})
}
