package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/torchwood"
)

// example is a committed set of receipts, so that this module tests something on
// every machine. fsm/proof's tests write it.
const example = "testdata/example"

func TestExample(t *testing.T) { checkDirectory(t, example) }

// TestChange checks a step of a policy chain: the note of a transition meets the policy
// before it and the one after it, and the receipt of the effect that after it.
func TestChange(t *testing.T) {
	for _, side := range []string{"before", "after"} {
		dir := filepath.Join("testdata/change", side)
		policy, err := readPolicy(filepath.Join(dir, "policy"))
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.tlog-proof"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no receipts in %s: %v", dir, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(policy, data); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// TestProofs checks what a real cluster left behind: a directory with a policy and
// receipt files, such as the demo makes.
func TestProofs(t *testing.T) {
	dir := os.Getenv("TALLYVAULT_PROOFS")
	if dir == "" {
		t.Skip("TALLYVAULT_PROOFS is not set: no receipts of a real cluster were verified")
	}
	checkDirectory(t, dir)
}

func checkDirectory(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "policy"))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := torchwood.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tlog-proof"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no receipts in %s", dir)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(policy, data); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for what, forged := range forgeries(t, data, threshold(t, string(text))) {
			if bytes.Equal(forged, data) {
				t.Errorf("%s: forging its %s changed nothing", file, what)
			} else if verify(policy, forged) == nil {
				t.Errorf("%s: accepted with a forged %s", file, what)
			}
		}
	}
	t.Logf("verified %d receipts of %s", len(files), dir)
}

// threshold is k of the policy's committee.
func threshold(t *testing.T, policy string) int {
	t.Helper()
	_, rest, ok := strings.Cut(policy, "\ngroup committee ")
	var k int
	if _, err := fmt.Sscan(rest, &k); !ok || err != nil {
		t.Fatalf("policy has no committee: %v", err)
	}
	return k
}

// receipt is a receipt file as lines, taken apart without any library.
type receipt struct {
	header, extra, index string
	path                 []string
	checkpoint           []string // origin, size, root
	signatures           []string // the log's, then the cosignatures
}

func split(t *testing.T, data []byte) receipt {
	t.Helper()
	parts := strings.Split(string(data), "\n\n")
	if len(parts) != 3 {
		t.Fatalf("receipt has %d parts, want 3", len(parts))
	}
	head := strings.Split(parts[0], "\n")
	return receipt{
		header: head[0], extra: head[1], index: head[2], path: head[3:],
		checkpoint: strings.Split(parts[1], "\n"),
		signatures: strings.Split(strings.TrimSuffix(parts[2], "\n"), "\n"),
	}
}

func (r receipt) join() []byte {
	lines := append([]string{r.header, r.extra, r.index}, r.path...)
	lines = append(append(lines, ""), r.checkpoint...)
	lines = append(append(lines, ""), r.signatures...)
	return []byte(strings.Join(lines, "\n") + "\n")
}

// flip alters one byte of the base64 that ends a line.
func flip(t *testing.T, line string, at int) string {
	t.Helper()
	start := strings.LastIndex(line, " ") + 1
	raw, err := base64.StdEncoding.DecodeString(line[start:])
	if err != nil {
		t.Fatal(err)
	}
	raw[(at+len(raw))%len(raw)] ^= 1
	return line[:start] + base64.StdEncoding.EncodeToString(raw)
}

// forgeries returns altered copies of a receipt by what was altered.
func forgeries(t *testing.T, data []byte, k int) map[string][]byte {
	t.Helper()
	forged := make(map[string][]byte)
	alter := func(what string, change func(r *receipt)) {
		r := split(t, data)
		change(&r)
		forged[what] = r.join()
	}
	alter("leaf", func(r *receipt) { r.extra = flip(t, r.extra, -1) })
	alter("index", func(r *receipt) {
		var i int64
		if _, err := fmt.Sscanf(r.index, "index %d", &i); err != nil {
			t.Fatal(err)
		}
		r.index = fmt.Sprintf("index %d", i^1)
	})
	for i := range split(t, data).path {
		alter(fmt.Sprintf("path, hash %d", i), func(r *receipt) { r.path[i] = flip(t, r.path[i], i) })
	}
	alter("size", func(r *receipt) { r.checkpoint[1] += "0" })
	alter("root", func(r *receipt) { r.checkpoint[2] = flip(t, r.checkpoint[2], 5) })
	alter("origin", func(r *receipt) { r.checkpoint[0] += "x" })
	alter("log signature", func(r *receipt) { r.signatures[0] = flip(t, r.signatures[0], -1) })
	for i := range split(t, data).signatures[1:] {
		alter(fmt.Sprintf("cosignature %d", i), func(r *receipt) { r.signatures[i+1] = flip(t, r.signatures[i+1], -1) })
		// The time is signed too: its last byte stands just before the signature.
		alter(fmt.Sprintf("time of cosignature %d", i), func(r *receipt) { r.signatures[i+1] = flip(t, r.signatures[i+1], 11) })
	}
	alter("set of cosignatures, one too few", func(r *receipt) { r.signatures = r.signatures[:k] })
	alter("set of cosignatures, one counted twice", func(r *receipt) {
		r.signatures = append(r.signatures[:k:k], r.signatures[k-1])
	})
	alter("set of signatures, none of the log", func(r *receipt) { r.signatures = r.signatures[1:] })
	return forged
}

func TestRun(t *testing.T) {
	receipts, err := filepath.Glob(filepath.Join(example, "*.tlog-proof"))
	if err != nil || len(receipts) == 0 {
		t.Fatalf("no receipts: %v", err)
	}
	policy := filepath.Join(example, "policy")
	spoilt := filepath.Join(t.TempDir(), "spoilt.tlog-proof")
	data, err := os.ReadFile(receipts[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spoilt, forgeries(t, data, 2)["root"], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		exit int
	}{
		{"all good", append([]string{"-policy", policy}, receipts...), 0},
		{"one spoilt", append([]string{"-policy", policy, spoilt}, receipts...), 1},
		{"no such receipt", []string{"-policy", policy, "absent"}, 1},
		{"no such policy", []string{"-policy", "absent", receipts[0]}, 1},
		{"not a policy", []string{"-policy", receipts[0], receipts[0]}, 1},
		{"no policy", receipts, 2},
		{"no receipts", []string{"-policy", policy}, 2},
		{"unknown flag", []string{"-polcy", policy}, 2},
	} {
		var stdout, stderr bytes.Buffer
		if exit := run(c.args, &stdout, &stderr); exit != c.exit {
			t.Errorf("%s: exit %d, want %d; %s", c.name, exit, c.exit, &stderr)
		}
		if got := strings.Count(stdout.String(), "verified"); c.exit == 0 && got != len(receipts) {
			t.Errorf("%s: %d receipts verified, want %d", c.name, got, len(receipts))
		}
	}
}
