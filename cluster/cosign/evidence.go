package cosign

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Evidence is a cosignature that contradicts what its finder computed.
type Evidence struct {
	Node        string            // who signed
	Key         [32]byte          // its cosigner key
	Signed      proof.Checkpoint  // what it signed
	Cosignature proof.Cosignature // and how
	Ours        proof.Checkpoint  // what the finder computed for the same size

	// Final is a note that met the policy, of Signed's size or a larger one, and Path
	// proves that its tree begins with that of Ours. They are what makes the evidence
	// convincing to a stranger, and may come later than the rest.
	Final []byte
	Path  tlog.TreeProof
}

// Valid reports whether the evidence shows a contradiction to its finder.
func (e Evidence) Valid() bool {
	return e.Signed.Origin == e.Ours.Origin && e.Signed.Size == e.Ours.Size && e.Signed.Root != e.Ours.Root &&
		e.Cosignature.Verify(e.Key, e.Signed)
}

// errOpen is the answer of Prove as long as only the finder's word stands against
// the signature.
var errOpen = errors.New("only its finder says that the signed root is wrong: no cosigned checkpoint of this size or a larger one is in the file yet")

// A Proven is what evidence shows to somebody who has nothing but the policy.
type Proven struct {
	Node      string   // who signed another root than the committee
	Size      uint64   // of the tree that it signed
	Signed    string   // the root that it signed
	True      string   // the root that the committee has
	FinalSize uint64   // of the committee's checkpoint
	Cosigners []string // who cosigned that
	// Both says that the node cosigned the committee's checkpoint too, so that it has
	// contradicted itself.
	Both bool
}

// Prove checks everything under the policies of the sizes and believes nobody: that a
// witness signed the root, and that a checkpoint that meets its policy has another one
// at that size.
func (e Evidence) Prove(policyAt func(size uint64) proof.Policy) (Proven, error) {
	policy := policyAt(e.Signed.Size)
	i := slices.IndexFunc(policy.Witnesses, func(w proof.Witness) bool { return w.KeyName == e.Cosignature.Name })
	switch {
	case e.Signed.Origin != policy.Origin || e.Ours.Origin != policy.Origin:
		return Proven{}, fmt.Errorf("it is about %q, the policy about %q", e.Signed.Origin, policy.Origin)
	case i < 0:
		return Proven{}, fmt.Errorf("%q is no witness of the policy", e.Cosignature.Name)
	case !e.Cosignature.Verify(policy.Witnesses[i].Key, e.Signed):
		return Proven{}, fmt.Errorf("the cosignature is not one of %s over this checkpoint", policy.Witnesses[i].Name)
	case e.Signed.Size != e.Ours.Size || e.Signed.Root == e.Ours.Root:
		return Proven{}, errors.New("the two checkpoints do not contradict each other")
	case e.Final == nil:
		return Proven{}, errOpen
	}
	final, err := Verify(policyAt, e.Final)
	if err != nil {
		return Proven{}, fmt.Errorf("the committee's checkpoint: %w", err)
	}
	if final.Size < e.Ours.Size {
		return Proven{}, errOpen
	}
	if err := tlog.CheckTree(e.Path, int64(final.Size), final.Root, int64(e.Ours.Size), e.Ours.Root); err != nil {
		return Proven{}, fmt.Errorf("the committee's checkpoint of %d leaves does not begin with the computed one of %d: %w", final.Size, e.Ours.Size, err)
	}
	name := policy.Witnesses[i].Name
	return Proven{
		Node: name, Size: e.Signed.Size, Signed: e.Signed.Root.String(), True: e.Ours.Root.String(),
		FinalSize: final.Size, Cosigners: final.Cosigners, Both: slices.Contains(final.Cosigners, name),
	}, nil
}

// evidenceFile is how evidence lies on disk. Signed and final are signed notes, so
// that other people's tools read them too.
type evidenceFile struct {
	Node        string   `json:"node"`
	CosignerKey string   `json:"cosigner_key"`
	Signed      string   `json:"signed"`
	Computed    string   `json:"computed_here"`
	Final       string   `json:"final,omitempty"`
	Consistency []string `json:"consistency,omitempty"`
	HowToCheck  string   `json:"how_to_check"`
}

const howToCheck = "signed is a checkpoint with this node's cosignature (c2sp.org/tlog-cosignature); computed_here has another root at the same size; " +
	"final is a checkpoint that enough nodes cosigned, and consistency proves (RFC 6962) that its tree begins with computed_here: tallyvault evidence verify"

// Format is the evidence as a file.
func (e Evidence) Format() ([]byte, error) {
	file := evidenceFile{
		Node: e.Node, CosignerKey: hex.EncodeToString(e.Key[:]), Signed: e.Signed.Text() + "\n" + e.Cosignature.Line(),
		Computed: e.Ours.Text(), Final: string(e.Final), HowToCheck: howToCheck,
	}
	for _, hash := range e.Path {
		file.Consistency = append(file.Consistency, hash.String())
	}
	data, err := json.MarshalIndent(file, "", "  ")
	return append(data, '\n'), err
}

// ParseEvidence reads what Format writes. It says nothing of whether it is true.
func ParseEvidence(data []byte) (Evidence, error) {
	var file evidenceFile
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(&file); err != nil {
		return Evidence{}, fmt.Errorf("evidence: %w", err)
	}
	e := Evidence{Node: file.Node}
	key, err := hex.DecodeString(file.CosignerKey)
	if err != nil || len(key) != len(e.Key) {
		return Evidence{}, errors.New("evidence: cosigner_key is not a key")
	}
	e.Key = [32]byte(key)
	text, line, found := strings.Cut(file.Signed, "\n\n")
	if !found {
		return Evidence{}, errors.New("evidence: signed is not a signed note")
	}
	if e.Signed, err = proof.ParseCheckpoint(text + "\n"); err == nil {
		e.Cosignature, err = proof.ParseCosignature(line)
	}
	if err == nil {
		e.Ours, err = proof.ParseCheckpoint(file.Computed)
	}
	if err != nil {
		return Evidence{}, fmt.Errorf("evidence: %w", err)
	}
	if file.Final != "" {
		e.Final = []byte(file.Final)
	}
	for _, text := range file.Consistency {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return Evidence{}, fmt.Errorf("evidence: consistency: %w", err)
		}
		e.Path = append(e.Path, hash)
	}
	return e, nil
}
