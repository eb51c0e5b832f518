package journal

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

var update = flag.Bool("update", false, "rewrite the golden journal")

// goldenDir holds a journal as the first version wrote it. Every later version must
// read it. It is only read, never compared byte by byte, since another version of
// the compressor may pack the same records differently.
const goldenDir = "testdata/v1"

const goldenSize = 45

func TestGoldenJournal(t *testing.T) {
	if *update {
		if err := os.RemoveAll(goldenDir); err != nil {
			t.Fatal(err)
		}
		j := openTiny(t, goldenDir)
		fill(t, j, goldenSize)
		settle(t, j)
		mustClose(t, j)
		if err := os.Remove(filepath.Join(goldenDir, lockName)); err != nil {
			t.Fatal(err)
		}
	}
	j, err := open(goldenDir, tiny, true)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, j, goldenSize)
	mustClose(t, j)
}

// The plain files and the hashes are the same bytes in every version.
func TestGoldenBytes(t *testing.T) {
	dir := t.TempDir()
	j := openTiny(t, dir)
	leaf := []byte("{leaf}")
	if err := j.Append(0, [][]byte{leaf, {}}, []tlog.Hash{tlog.RecordHash(leaf), tlog.RecordHash(nil)}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, j)
	for name, want := range map[string]string{
		"leaves/0000000000.plain": "5456504c41494e31" + "0000000000000001" + "0000000000000000" +
			"00000006" + "d439c05e" + "7b6c6561667d" + "00000000" + "1371daf1",
		hashesName: hash(tlog.RecordHash(leaf)) + hash(tlog.RecordHash(nil)) +
			hash(tlog.NodeHash(tlog.RecordHash(leaf), tlog.RecordHash(nil))),
		markName: hex.EncodeToString([]byte("tallyvault-journal-mark 1\nleaves 2\noutcomes 0\nroot " +
			"EUUbCD8jSL/93a/6AJfZdw6DHURHMJ4y1otFyVmRyaU=\ngeneration -\n" +
			"sum 06c1ac58b638416c90bd175d8f6a66d251c0ba2b90bd6a1ca7a06a13cd192cdd\n")),
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if hex.EncodeToString(got) != want {
			t.Errorf("%s:\n%x, want\n%s\n%q", name, got, want, got)
		}
	}
}

func hash(h tlog.Hash) string { return hex.EncodeToString(h[:]) }

func TestParseMarkRefuses(t *testing.T) {
	good := string(mark{
		leaves: 7, outcomes: 3, root: rootOf(7), generation: numbered(4, genSuffix),
		runs: []markRun{{1, 0xabcdef01}, {3, 7}},
	}.format())
	if m, err := parseMark([]byte(good)); err != nil || string(m.format()) != good {
		t.Fatalf("a good mark comes back as %v, %v", m, err)
	}
	for i := range good {
		spoilt := []byte(good)
		spoilt[i] ^= 1
		if _, err := parseMark(spoilt); err == nil {
			t.Errorf("accepted with byte %d changed: %q", i, spoilt)
		}
		if _, err := parseMark([]byte(good[:i])); err == nil {
			t.Errorf("accepted when cut to %d bytes", i)
		}
	}
	// Even with a right checksum only the canonical form is a mark.
	for _, edit := range [][2]string{
		{"leaves 7", "leaves 07"},
		{"leaves 7", "leaves -7"},
		{"leaves 7\n", ""},
		{"outcomes", "outcome"},
		{"run 1 ", "run 01 "},
		{"run 1 abcdef01", "run 1 ABCDEF01"},
		{"run 1 ", "run  "},
		{"generation", "\ngeneration"},
		{" 1\n", " 2\n"},
		{"root ", "root x"},
	} {
		body, _, _ := strings.Cut(strings.Replace(good, edit[0], edit[1], 1), "sum ")
		if _, err := parseMark(summed(body)); err == nil {
			t.Errorf("accepted with %q in place of %q", edit[1], edit[0])
		}
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add("tallyvault-journal-mark 1\nleaves 0\noutcomes 0\nroot 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ngeneration -\n")
	f.Add("tallyvault-journal-mark 1\nleaves 0\noutcomes 0\nroot x\ngeneration -\nrun 1 0\n")
	f.Fuzz(func(t *testing.T, body string) {
		text := summed(body)
		if m, err := parseMark(text); err == nil && string(m.format()) != string(text) {
			t.Errorf("%q was accepted and is written as %q", text, m.format())
		}
	})
}
