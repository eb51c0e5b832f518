package proof

import (
	"bytes"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestReceiptGolden(t *testing.T) {
	golden(t, filepath.Join("testdata", "receipt.golden"), newFixture(3, 2, 5).receipt(t, 3, 0, 1))
}

func TestVerifyProofNamesThePart(t *testing.T) {
	f := newFixture(3, 2, 13)
	good := string(f.receipt(t, 4, 0, 1))
	lines := strings.SplitAfter(good, "\n")
	edit := func(change func(l []string) []string) string {
		return strings.Join(change(slices.Clone(lines)), "")
	}
	replace := func(i int, line string) string {
		return edit(func(l []string) []string { l[i] = line; return l })
	}
	for name, c := range map[string]struct {
		text string
		part Part
		says string
	}{
		"empty":                 {"", PartHeader, "first line"},
		"another header":        {replace(0, "c2sp.org/tlog-proof@v2\n"), PartHeader, "first line"},
		"far too long":          {good + strings.Repeat("x", maxProofSize), PartHeader, "bytes"},
		"no leaf":               {edit(func(l []string) []string { return slices.Delete(l, 1, 2) }), PartLeaf, "no extra line"},
		"empty leaf":            {replace(1, "extra \n"), PartLeaf, "0 bytes"},
		"leaf not base64":       {replace(1, "extra ?\n"), PartLeaf, "base64"},
		"leaf too long":         {replace(1, "extra "+encode64(make([]byte, MaxLeaf+1))+"\n"), PartLeaf, "65536 bytes"},
		"another leaf":          {replace(1, "extra "+encode64([]byte("forged"))+"\n"), PartInclusion, "does not lead"},
		"no index":              {edit(func(l []string) []string { return slices.Delete(l, 2, 3) }), PartIndex, "no index line"},
		"index not canonical":   {replace(2, "index 04\n"), PartIndex, "decimal"},
		"index negative":        {replace(2, "index -4\n"), PartIndex, "decimal"},
		"index outside":         {replace(2, "index 13\n"), PartIndex, "not below"},
		"index huge":            {replace(2, "index 9223372036854775807\n"), PartIndex, "more than"},
		"another index":         {replace(2, "index 5\n"), PartInclusion, "does not lead"},
		"index of a short path": {replace(2, "index 12\n"), PartPath, "want 2"},
		"path too short":        {edit(func(l []string) []string { return slices.Delete(l, 3, 4) }), PartPath, "3 hashes, want 4"},
		"path too long":         {edit(func(l []string) []string { return slices.Insert(l, 3, l[3]) }), PartPath, "5 hashes, want 4"},
		"path absurdly long":    {edit(func(l []string) []string { return slices.Insert(l, 3, slices.Repeat(l[3:4], 60)...) }), PartPath, "more than 48"},
		"path line broken":      {replace(3, lines[3][:20]+"\n"), PartPath, "hash 1"},
		"path without end":      {strings.Join(lines[:6], ""), PartPath, "no empty line"},
		"another path":          {edit(func(l []string) []string { l[3], l[4] = l[4], l[3]; return l }), PartInclusion, "does not lead"},
		"no checkpoint":         {strings.Join(lines[:8], ""), PartCheckpoint, "empty line"},
		"another root":          {replace(10, encode64(make([]byte, 32))+"\n"), PartSignature, "not one over"},
		"no cosignature":        {edit(func(l []string) []string { return l[:13] }), PartPolicy, "0 valid"},
		"one cosignature":       {edit(func(l []string) []string { return l[:14] }), PartPolicy, "1 valid: node-a"},
	} {
		_, err := VerifyProof(f.policy, []byte(c.text))
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if part(err) != c.part || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s saying %q", name, err, c.part, c.says)
		}
	}
}

func TestLargestLeafFits(t *testing.T) {
	f := newFixture(3, 2, 3)
	f.leaves[1] = bytes.Repeat([]byte{0x02}, MaxLeaf)
	if _, err := VerifyProof(f.policy, f.receipt(t, 1, 0, 1)); err != nil {
		t.Error(err)
	}
}

func TestPathLenIsTlogs(t *testing.T) {
	for size := range 70 {
		f := newFixture(1, 1, size)
		for i := range size {
			path, err := tlog.ProveRecord(int64(size), int64(i), f)
			if err != nil {
				t.Fatal(err)
			}
			if got := pathLen(uint64(i), uint64(size)); got != len(path) {
				t.Errorf("leaf %d of %d: length %d, want %d", i, size, got, len(path))
			}
		}
	}
	if got := pathLen(0, MaxSize); got != maxPath {
		t.Errorf("the longest path has %d hashes, want %d", got, maxPath)
	}
}

// With exactly as many cosignatures as needed, every bit of a receipt counts.
func TestReceiptMangled(t *testing.T) {
	f := newFixture(3, 2, 5)
	mangle(f.receipt(t, 3, 0, 1), func(what string, at int, mangled []byte) {
		if v, err := VerifyProof(f.policy, mangled); err == nil {
			t.Errorf("%s byte %d: accepted as %v\n%s", what, at, v, mangled)
		} else if part(err) == "" {
			t.Errorf("%s byte %d: %v names no part", what, at, err)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	f.Add(newFixture(3, 2, 5).receipt(f, 3, 0, 1))
	f.Add([]byte(proofHeader + "\nextra eA==\nindex 0\n\n"))
	policy := newFixture(3, 2, 5).policy
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProof(data)
		if err != nil {
			if part(err) == "" {
				t.Errorf("%v names no part", err)
			}
			return
		}
		if got := FormatProof(p.Leaf, p.Index, p.Path, p.Note); !bytes.Equal(got, data) {
			t.Errorf("%q was accepted and is written as %q", data, got)
		}
		if v, err := VerifyProof(policy, data); err == nil && !reflect.DeepEqual(v.Leaf, p.Leaf) {
			t.Errorf("verified another leaf than the one parsed")
		}
	})
}

func FuzzVerifyCheckpoint(f *testing.F) {
	fixture := newFixture(3, 2, 5)
	f.Add(fixture.note(f, 0, 1, 2))
	f.Add(fixture.note(f))
	f.Fuzz(func(t *testing.T, note []byte) {
		// Nobody can forge two cosignatures, so only the checkpoint can come out.
		if cp, _, err := VerifyCheckpoint(fixture.policy, note); err == nil && cp != fixture.checkpoint() {
			t.Errorf("verified %v", cp)
		}
	})
}

func BenchmarkVerifyProof(b *testing.B) {
	f := newFixture(5, 4, 1000)
	data := f.receipt(b, 17, 0, 1, 2, 3)
	for b.Loop() {
		if _, err := VerifyProof(f.policy, data); err != nil {
			b.Fatal(err)
		}
	}
}
