package proof

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func TestSignaturesGolden(t *testing.T) {
	f := newFixture(3, 2, 5)
	cp := f.checkpoint()
	line, err := SignLog(cp.Origin, f.log, cp)
	if err != nil {
		t.Fatal(err)
	}
	w := f.policy.Witnesses[0]
	text := LogVKey(cp.Origin, f.policy.LogKey) + "\n" + CosignerVKey(w.KeyName, w.Key) + "\n" +
		string(CosignedMessage(1_760_000_000, cp)) + line + f.cosignatures(0)[0].Line()
	golden(t, filepath.Join("testdata", "signatures.golden"), []byte(text))
	golden(t, filepath.Join("testdata", "note.golden"), f.note(t, 0, 1, 2))
}

func TestLogSignatureIsAPlainNoteSignature(t *testing.T) {
	f := newFixture(1, 1, 5)
	v, err := note.NewVerifier(LogVKey(testOrigin, f.policy.LogKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(f.note(t), note.VerifierList(v)); err != nil {
		t.Error(err)
	}
}

func TestSignLogRefuses(t *testing.T) {
	f := newFixture(1, 1, 5)
	cp := f.checkpoint()
	if _, err := SignLog("another/0", f.log, cp); err == nil {
		t.Error("the key of another origin signed")
	}
	if _, err := SignLog(testOrigin, f.log[:32], cp); err == nil {
		t.Error("half a key signed")
	}
	cp.Origin = "with space"
	if _, err := SignLog(cp.Origin, f.log, cp); err == nil {
		t.Error("an origin with a space was signed")
	}
}

func TestCosignatureVerify(t *testing.T) {
	f := newFixture(2, 1, 5)
	cp := f.checkpoint()
	c := f.cosignatures(0)[0]
	if !c.Verify(f.policy.Witnesses[0].Key, cp) {
		t.Fatal("a good cosignature does not verify")
	}
	if c.Verify(f.policy.Witnesses[1].Key, cp) {
		t.Error("verified under another key")
	}
	for what, change := range map[string]func(c *Cosignature, cp *Checkpoint){
		"name":      func(c *Cosignature, _ *Checkpoint) { c.Name = "other" },
		"key hash":  func(c *Cosignature, _ *Checkpoint) { c.KeyHash++ },
		"time":      func(c *Cosignature, _ *Checkpoint) { c.Time++ },
		"signature": func(c *Cosignature, _ *Checkpoint) { c.Sig[40] ^= 1 },
		"origin":    func(_ *Cosignature, cp *Checkpoint) { cp.Origin += "x" },
		"size":      func(_ *Cosignature, cp *Checkpoint) { cp.Size++ },
		"root":      func(_ *Cosignature, cp *Checkpoint) { cp.Root[0] ^= 1 },
	} {
		changed, changedCP := c, cp
		change(&changed, &changedCP)
		if changed.Verify(f.policy.Witnesses[0].Key, changedCP) {
			t.Errorf("verified with another %s", what)
		}
	}
}

func TestParseCosignature(t *testing.T) {
	c := newFixture(1, 1, 5).cosignatures(0)[0]
	got, err := ParseCosignature(c.Line())
	if err != nil || got != c {
		t.Fatalf("parsed %v, %v, want %v", got, err, c)
	}
	line := c.Line()
	for name, bad := range map[string]string{
		"empty":           "",
		"no newline":      strings.TrimSuffix(line, "\n"),
		"two newlines":    line + "\n",
		"a hyphen":        strings.Replace(line, "—", "-", 1),
		"no name":         strings.Replace(line, c.Name, "", 1),
		"two spaces":      strings.Replace(line, c.Name+" ", c.Name+"  ", 1),
		"a log signature": sigLine(c.Name, c.KeyHash, c.Sig[:]),
		"one byte more":   sigLine(c.Name, c.KeyHash, make([]byte, 73)),
		"unused bits set": strings.Replace(line, "==", "=", 1),
	} {
		if _, err := ParseCosignature(bad); err == nil {
			t.Errorf("%s: %q was accepted", name, bad)
		}
	}
}

// The order in which cosignatures come in must not show in what is published.
func TestAssembleIsDeterministic(t *testing.T) {
	f := newFixture(3, 2, 5)
	want := f.note(t, 0, 1, 2)
	line, err := SignLog(testOrigin, f.log, f.checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	later := Cosign(f.policy.Witnesses[1].KeyName, f.nodes[1], 1_770_000_000, f.checkpoint())
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {1, 1, 0, 2, 2}} {
		cosigs := append([]Cosignature{later}, f.cosignatures(order...)...)
		before := slices.Clone(cosigs)
		if got := Assemble(f.checkpoint(), line, cosigs); !bytes.Equal(got, want) {
			t.Errorf("order %v: got\n%s\nwant\n%s", order, got, want)
		}
		if !slices.Equal(cosigs, before) {
			t.Errorf("order %v: the caller's list was changed", order)
		}
	}
}

func FuzzParseCosignature(f *testing.F) {
	f.Add(newFixture(1, 1, 5).cosignatures(0)[0].Line())
	f.Fuzz(func(t *testing.T, line string) {
		if c, err := ParseCosignature(line); err == nil && c.Line() != line {
			t.Errorf("%q was accepted and is written as %q", line, c.Line())
		}
	})
}
