package proof

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestVerifyCheckpoint(t *testing.T) {
	f := newFixture(3, 2, 9)
	for _, signers := range [][]int{{0, 1}, {2, 0}, {0, 1, 2}} {
		cp, cosigners, err := VerifyCheckpoint(f.policy, f.note(t, signers...))
		if err != nil || cp != f.checkpoint() {
			t.Errorf("signed by %v: %v, %v", signers, cp, err)
		}
		var want []string
		for _, n := range slices.Sorted(slices.Values(signers)) {
			want = append(want, f.policy.Witnesses[n].Name)
		}
		if !slices.Equal(cosigners, want) {
			t.Errorf("signed by %v: cosigners %v, want %v", signers, cosigners, want)
		}
	}
}

func TestVerifyCheckpointCounts(t *testing.T) {
	f := newFixture(3, 2, 9)
	stranger := Cosign("stranger", testKey(50), 1_760_000_000, f.checkpoint()).Line()
	one := f.cosignatures(0)[0].Line()
	again := Cosign(f.policy.Witnesses[0].KeyName, f.nodes[0], 1_760_000_099, f.checkpoint()).Line()
	for name, c := range map[string]struct {
		note  []byte
		valid []string
	}{
		"nobody":                {f.note(t), nil},
		"one":                   {f.note(t, 0), []string{"node-a"}},
		"one and a stranger":    {append(f.note(t, 0), stranger...), []string{"node-a"}},
		"one, the same twice":   {append(f.note(t, 0), one...), []string{"node-a"}},
		"one, at two times":     {append(f.note(t, 0), again...), []string{"node-a"}},
		"one and a name stolen": {append(f.note(t, 0), Cosign(f.policy.Witnesses[1].KeyName, testKey(50), 1, f.checkpoint()).Line()...), []string{"node-a"}},
	} {
		_, _, err := VerifyCheckpoint(f.policy, c.note)
		quorum, ok := errors.AsType[*QuorumError](err)
		if !ok || quorum.Needed != 2 || quorum.Witnesses != 3 || !slices.Equal(quorum.Valid, c.valid) {
			t.Errorf("%s: %v", name, err)
		}
		if part(err) != PartPolicy {
			t.Errorf("%s: blamed on %q", name, part(err))
		}
	}
	if _, cosigners, err := VerifyCheckpoint(f.policy, append(f.note(t, 0, 1), stranger...)); err != nil || len(cosigners) != 2 {
		t.Errorf("a stranger's signature was not ignored: %v, %v", cosigners, err)
	}
	_, _, err := VerifyCheckpoint(f.policy, f.note(t, 1))
	if err == nil || err.Error() != "policy: 2 of 3 needed, 1 valid: node-b" {
		t.Errorf("too few: %v", err)
	}
}

// part is what an error blames.
func part(err error) Part {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Part
	}
	return ""
}

func TestVerifyCheckpointNamesTheFault(t *testing.T) {
	f := newFixture(3, 2, 9)
	good := f.note(t, 0, 1)
	other := newFixture(3, 2, 9)
	other.policy.Origin = "another/0"
	noLog := Assemble(f.checkpoint(), "", f.cosignatures(0, 1))
	badLog := Assemble(f.checkpoint(), sigLine(testOrigin, keyHash(testOrigin, algEd25519, f.policy.LogKey), make([]byte, 64)), f.cosignatures(0, 1))
	stolen := f.cosignatures(0, 1)
	stolen[1].Time++
	line, err := SignLog(testOrigin, f.log, f.checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	shortSig := append(bytes.Clone(good), sigLine(f.policy.Witnesses[2].KeyName, f.cosignatures(2)[0].KeyHash, make([]byte, 40))...)
	for name, c := range map[string]struct {
		policy Policy
		note   []byte
		part   Part
		says   string
	}{
		"empty":                 {f.policy, nil, PartCheckpoint, "empty line"},
		"no signature":          {f.policy, []byte(f.checkpoint().Text()), PartCheckpoint, "empty line"},
		"no signature line":     {f.policy, []byte(f.checkpoint().Text() + "\n"), PartSignature, "malformed"},
		"extension line":        {f.policy, bytes.Replace(good, []byte("\n\n"), []byte("\nmore\n\n"), 1), PartCheckpoint, "follows the root"},
		"other size":            {f.policy, bytes.Replace(good, []byte("\n9\n"), []byte("\n8\n"), 1), PartSignature, "not one over this checkpoint"},
		"other origin":          {other.policy, good, PartPolicy, "origin"},
		"strangers only":        {other.policy, bytes.ReplaceAll(good, []byte(testOrigin), []byte("another/0")), PartSignature, "not one over"},
		"no log signature":      {f.policy, noLog, PartSignature, "has not signed"},
		"wrong log signature":   {f.policy, badLog, PartSignature, "signature of the log"},
		"wrong cosignature":     {f.policy, Assemble(f.checkpoint(), line, stolen), PartSignature, "cosignature of node-b"},
		"cosignature too short": {f.policy, shortSig, PartSignature, "cosignature of node-c"},
		"bits unused set":       {f.policy, append(bytes.Clone(good), "— someone AAAAAAF=\n"...), PartSignature, "someone"},
		"too long":              {f.policy, append(bytes.Clone(good), make([]byte, maxNoteSize)...), PartCheckpoint, "bytes"},
		"policy without nodes":  {Policy{Origin: testOrigin, K: 0}, good, PartPolicy, "witnesses"},
	} {
		_, _, err := VerifyCheckpoint(c.policy, c.note)
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if part(err) != c.part || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s saying %q", name, err, c.part, c.says)
		}
	}
}

func TestVerifyCheckpointTakesAHundredSignatures(t *testing.T) {
	f := newFixture(3, 2, 9)
	note := f.note(t, 0, 1)
	for n := range 97 {
		note = append(note, Cosign("stranger", testKey(150), uint64(n), f.checkpoint()).Line()...)
	}
	if _, _, err := VerifyCheckpoint(f.policy, note); err != nil {
		t.Errorf("a hundred signatures: %v", err)
	}
	note = append(note, Cosign("stranger", testKey(150), 99, f.checkpoint()).Line()...)
	if _, _, err := VerifyCheckpoint(f.policy, note); err == nil {
		t.Error("a hundred and one signatures were accepted")
	}
}

// With exactly as many cosignatures as needed, every bit of a note counts.
func TestNoteMangled(t *testing.T) {
	f := newFixture(3, 2, 9)
	mangle(f.note(t, 1, 2), func(what string, at int, mangled []byte) {
		if _, _, err := VerifyCheckpoint(f.policy, mangled); err == nil {
			t.Errorf("%s byte %d: accepted\n%s", what, at, mangled)
		}
	})
}

// With one cosignature to spare, a mangled one may turn into a stranger's, which is
// ignored; nothing else may change.
func TestNoteWithSpareCosignatureMangled(t *testing.T) {
	f := newFixture(3, 2, 9)
	mangle(f.note(t, 0, 1, 2), func(what string, at int, mangled []byte) {
		cp, cosigners, err := VerifyCheckpoint(f.policy, mangled)
		if err == nil && (cp != f.checkpoint() || len(cosigners) != 2) {
			t.Errorf("%s byte %d: accepted as %v by %v\n%s", what, at, cp, cosigners, mangled)
		}
	})
}

// mangle calls try with every way of changing, removing and doubling one byte.
func mangle(data []byte, try func(what string, at int, mangled []byte)) {
	for i := range data {
		for _, flip := range []byte{1, 4, 0x20, 0x80} {
			mangled := bytes.Clone(data)
			mangled[i] ^= flip
			try("flipped", i, mangled)
		}
		try("removed", i, slices.Delete(bytes.Clone(data), i, i+1))
		try("doubled", i, slices.Insert(bytes.Clone(data), i, data[i]))
		try("cut at", i, data[:i])
	}
}

func TestVerifyProof(t *testing.T) {
	f := newFixture(3, 2, 20)
	for i := range f.leaves {
		got, err := VerifyProof(f.policy, f.receipt(t, i, 0, 2))
		want := Verified{f.leaves[i], uint64(i), f.checkpoint(), []string{"node-a", "node-c"}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("receipt %d: %v, %v", i, got, err)
		}
	}
	alone := newFixture(1, 1, 1)
	if _, err := VerifyProof(alone.policy, alone.receipt(t, 0, 0)); err != nil {
		t.Errorf("receipt of the only leaf: %v", err)
	}
}
