package cosign

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// accusation is evidence that node b signed a fork of three leaves.
func accusation(t *testing.T, c *committee) Evidence {
	theirs := grown("a", "X", "c").checkpoint(t, 3)
	return Evidence{
		Node: "b", Key: c.Witnesses[1].Key, Signed: theirs, Ours: grown("a", "b", "c").checkpoint(t, 3),
		Cosignature: proof.Cosign(c.Witnesses[1].KeyName, c.keys[1], 7, theirs),
	}
}

func TestEvidence(t *testing.T) {
	c := newCommittee(t)
	e := accusation(t, c)
	if !e.Valid() {
		t.Error("valid evidence is not")
	}
	same, unsigned := e, e
	same.Ours = e.Signed
	unsigned.Cosignature = proof.Cosign(c.Witnesses[1].KeyName, c.keys[0], 7, e.Signed)
	if same.Valid() || unsigned.Valid() {
		t.Error("no contradiction, or nobody's signature, passes for evidence")
	}
}

// Evidence that was found before the committee's checkpoint was final convinces a
// stranger once it is, also after a restart in between.
func TestEvidenceIsCompleted(t *testing.T) {
	c, dir := newCommittee(t), filepath.Join(t.TempDir(), "evidence")
	e := accusation(t, c)
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	path, err := a.Keep(e)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.Keep(e); err != nil || again != path || a.Len() != 1 {
		t.Errorf("the same evidence lies at %s and %s, %v", path, again, err)
	}
	if _, err := read(t, path).Prove(c.policyAt); err == nil {
		t.Error("its finder's word alone convinces")
	}
	if a, err = OpenArchive(dir); err != nil || a.Len() != 1 {
		t.Fatalf("%d files, %v", a.Len(), err)
	}
	honest := grown("a", "b", "c", "d", "e")
	for _, size := range []uint64{2, 5} {
		published, err := Verify(c.policyAt, c.note(t, honest.checkpoint(t, size), 1, 2))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Complete(published, honest); err != nil {
			t.Fatal(err)
		}
		proven, err := read(t, path).Prove(c.policyAt)
		if (err == nil) != (size == 5) {
			t.Errorf("with a checkpoint of %d leaves: %+v, %v", size, proven, err)
		}
		if err == nil && (proven.Node != "b" || proven.Size != 3 || proven.FinalSize != 5 || !proven.Both || proven.Signed == proven.True) {
			t.Errorf("proven: %+v", proven)
		}
	}
}

func read(t *testing.T, path string) Evidence {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseEvidence(data)
	if err != nil {
		t.Fatal(err)
	}
	back, err := e.Format()
	if err != nil || !bytes.Equal(back, data) {
		t.Errorf("the file does not lead back to its bytes: %v\n%s", err, back)
	}
	return e
}

// Whoever makes evidence up, or changes it, convinces nobody.
func TestFalseEvidenceProvesNothing(t *testing.T) {
	c := newCommittee(t)
	honest, forked := grown("a", "b", "c", "d"), grown("a", "X", "c", "d")
	good := accusation(t, c)
	good.Final = c.note(t, honest.checkpoint(t, 4), 0, 2)
	var err error
	if good.Path, err = honest.ProveTree(4, 3); err != nil {
		t.Fatal(err)
	}
	if proven, err := good.Prove(c.policyAt); err != nil || proven.Both {
		t.Fatalf("good evidence: %+v, %v", proven, err)
	}
	for name, spoil := range map[string]func(*Evidence){
		"a stranger's signature": func(e *Evidence) { e.Cosignature = proof.Cosign("cluster/x", newKey(t), 7, e.Signed) },
		"a forged signature":     func(e *Evidence) { e.Cosignature.Sig[3] ^= 1 },
		"another time":           func(e *Evidence) { e.Cosignature.Time++ },
		"another origin":         func(e *Evidence) { e.Signed.Origin, e.Ours.Origin = "other/0", "other/0" },
		"the true root": func(e *Evidence) {
			e.Signed = e.Ours
			e.Cosignature = proof.Cosign(c.Witnesses[1].KeyName, c.keys[1], 7, e.Ours)
		},
		"an invented truth":    func(e *Evidence) { e.Ours.Root[0]++ },
		"too few cosigners":    func(e *Evidence) { e.Final = c.note(t, honest.checkpoint(t, 4), 0) },
		"a forked checkpoint":  func(e *Evidence) { e.Final = c.note(t, forked.checkpoint(t, 4), 0, 2) },
		"a smaller checkpoint": func(e *Evidence) { e.Final = c.note(t, honest.checkpoint(t, 2), 0, 2) },
		"no path":              func(e *Evidence) { e.Path = nil },
		"a changed path":       func(e *Evidence) { e.Path = append(e.Path[:0:0], e.Path...); e.Path[0][0]++ },
	} {
		e := good
		spoil(&e)
		if proven, err := e.Prove(c.policyAt); err == nil {
			t.Errorf("%s: %+v", name, proven)
		}
	}
}

// A node that signs anything fills nobody's disk.
func TestEvidenceIsBounded(t *testing.T) {
	c, dir := newCommittee(t), t.TempDir()
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxKept {
		e := accusation(t, c)
		e.Signed.Root[0] = byte(i)
		if _, err := a.Keep(e); (err == nil) != (i < maxKept) {
			t.Errorf("file %d: %v", i, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != maxKept {
		t.Errorf("%d files, %v", len(entries), err)
	}
	if a, err = OpenArchive(dir); err != nil || a.Len() != maxKept {
		t.Errorf("%d files are known, %v", a.Len(), err)
	}
}

// Valid cosignatures are found on a note that does not meet the policy, and nobody
// else's.
func TestCosigned(t *testing.T) {
	c := newCommittee(t)
	cp := grown("a", "b").checkpoint(t, 2)
	note := c.note(t, cp, 0, 2)
	forged := proof.Cosign(c.Witnesses[1].KeyName, c.keys[1], 5, cp)
	forged.Sig[0] ^= 1
	note = append(note, forged.Line()...)
	note = append(note, proof.Cosign("cluster/x", newKey(t), 5, cp).Line()...)
	got, signed := Cosigned(c.policyAt, note)
	if got != cp || len(signed) != 2 || signed[0].Witness.Name != c.Witnesses[0].Name || signed[1].Witness.Name != c.Witnesses[2].Name {
		t.Errorf("%+v by %+v", got, signed)
	}
	for _, bad := range []string{"", "x", "\n\n", cp.Text(), strings.Replace(string(note), origin, "other/0", 1)} {
		if _, signed := Cosigned(c.policyAt, []byte(bad)); signed != nil {
			t.Errorf("%q is cosigned by %v", bad, signed)
		}
	}
}

func FuzzEvidence(f *testing.F) {
	f.Add([]byte(`{"node":"b","cosigner_key":"` + strings.Repeat("00", 32) + `","signed":"x","computed_here":"y"}`))
	for i := range 3 {
		f.Add([]byte(`{"consistency":[` + strconv.Itoa(i) + `]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseEvidence(data)
		if err != nil {
			return
		}
		back, err := e.Format()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseEvidence(back); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%+v, %v, want %+v", again, err, e)
		}
	})
}
