package cluster

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/audit"
	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
)

// sliceSource is a journal in memory, without the hashes of its tree.
type sliceSource [][]byte

func (s sliceSource) Size() uint64 { return uint64(len(s)) }

func (s sliceSource) Leaves(from, to uint64, fn func(i uint64, leaf []byte) error) error {
	for i := from; i < to; i++ {
		if err := fn(i, s[i]); err != nil {
			return err
		}
	}
	return nil
}

// audited is a committee's journal after some work, with all nodes stopped.
type audited struct {
	*committee
	dir    string // of the journal
	note   []byte
	leaves sliceSource
	digest [32]byte
}

func newAudited(t *testing.T) *audited {
	c := newCommittee(t).startAll()
	answers := c.must(0, c.deposits("audited", 30)...)
	c.must(1, c.deposits("audited too", 3)...)
	c.final(0, answers[29].Outcome.Receipts[0]+1)
	c.agree()
	a := &audited{committee: c, dir: c.members[0].dir.journal(), note: fewest(c.members[0].Checkpoint(), c.genesis.Policy().K)}
	c.stop(1)
	c.stop(2)
	m := c.members[0]
	a.digest = m.View().Digest()
	size := m.View().TreeSize()
	err := m.journal.Leaves(0, size, func(_ uint64, leaf []byte) error {
		a.leaves = append(a.leaves, bytes.Clone(leaf))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.stop(0)
	return a
}

// fewest leaves no cosignature in a note that it could do without, so that no byte
// of it may change: the line of a key that nobody knows is ignored, as signed notes
// demand.
func fewest(note []byte, k int) []byte {
	text, signatures, _ := bytes.Cut(note, []byte("\n\n"))
	lines := bytes.SplitAfter(signatures, []byte("\n"))
	kept := bytes.Join(lines[:min(1+k, len(lines))], nil)
	return slices.Concat(text, []byte("\n\n"), kept)
}

// find gives the first leaf that ask is content with.
func (a *audited) find(what string, ask func(leaf []byte) bool) uint64 {
	a.t.Helper()
	for i, leaf := range a.leaves {
		if ask(leaf) {
			return uint64(i)
		}
	}
	a.t.Fatalf("the journal holds no %s", what)
	return 0
}

func isReceipt(kind string) func([]byte) bool {
	return func(leaf []byte) bool { return bytes.HasPrefix(leaf, []byte(`{"kind":"`+kind+`"`)) }
}

func TestAuditClean(t *testing.T) {
	a := newAudited(t)
	before := treeOf(t, a.dir)
	var told uint64
	report, err := audit.Run(t.Context(), audit.Config{Genesis: a.genesis, Dir: a.dir, Progress: func(done, total uint64) {
		if done > total || done < told {
			t.Errorf("progress %d of %d after %d", done, total, told)
		}
		told = done
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() {
		t.Fatalf("%s, conserved %v", report.FirstMismatch, report.Conserved)
	}
	if report.Leaves < uint64(len(a.leaves)) || report.Commands != 33 || report.Cuts == 0 || told != report.Leaves {
		t.Errorf("report: %+v, told %d", report, told)
	}
	if report.Checkpoint.Size == 0 || len(report.Cosigners) < 2 {
		t.Errorf("checkpoint of %d leaves, cosigned by %v", report.Checkpoint.Size, report.Cosigners)
	}
	for _, b := range report.Balances {
		if b.Account == "payer/city" && (b.Amount.Lo != 33_000 || b.Negative) {
			t.Errorf("balance of %s: %s", b.Account, b.Amount)
		}
	}
	if after := treeOf(t, a.dir); after != before {
		t.Errorf("the audit changed the journal:\n%s\nwas\n%s", after, before)
	}
	// The leaves alone lead to the state that the nodes had.
	report, err = audit.Run(t.Context(), audit.Config{Genesis: a.genesis, Source: a.leaves, Checkpoint: a.note, Workers: 1})
	if err != nil || !report.Clean() || report.Digest != a.digest {
		t.Errorf("from leaves alone: %v, %v, digest %x, want %x", err, report.FirstMismatch, report.Digest, a.digest)
	}
}

// treeOf lists files with sizes and times.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(path + " " + info.ModTime().String() + " " + number(uint64(info.Size())) + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Whatever is altered, the audit names a leaf at or right behind the alteration.
func TestAuditFindsAlterations(t *testing.T) {
	a := newAudited(t)
	threshold := a.find("threshold receipt", isReceipt("threshold"))
	cut := a.find("cut receipt", isReceipt("cut"))
	command := a.find("command", func(leaf []byte) bool { return leaf[0] == fsm.LeafCommand })
	entry := command - 1
	replace := func(i uint64, old, new string) func(sliceSource) sliceSource {
		return func(s sliceSource) sliceSource {
			s[i] = bytes.Replace(s[i], []byte(old), []byte(new), 1)
			return s
		}
	}
	flip := func(i uint64, at int) func(sliceSource) sliceSource {
		return func(s sliceSource) sliceSource {
			s[i] = bytes.Clone(s[i])
			s[i][at] ^= 1
			return s
		}
	}
	cases := []struct {
		name        string
		alter       func(sliceSource) sliceSource
		first, last uint64 // where the named leaf must lie
		says        string
	}{
		{"a receipt's amount", replace(threshold, `"1000"`, `"1001"`), threshold, threshold, "threshold receipt differs"},
		{"a cut's root", replace(cut, `"root":"`, `"root":"0`), cut, cut, "differs"},
		{"a receipt left out", func(s sliceSource) sliceSource { return append(s[:threshold:threshold], s[threshold+1:]...) }, threshold, threshold, ""},
		{"a receipt invented", func(s sliceSource) sliceSource {
			return append(append(s[:threshold:threshold], s[threshold]), s[threshold:]...)
		}, threshold, threshold + 30, ""},
		{"a command's payload", replace(command, `"amount":"1000"`, `"amount":"9000"`), command, cut + 1_000, ""},
		{"a command's signature", flip(command, 20), command, cut + 1_000, ""},
		{"a command's tag", flip(command, 1), command, command, "cannot be used"},
		{"an entry's time", flip(entry, 17), entry, cut + 1_000, ""},
		{"an entry's number", flip(entry, 9), entry, entry, ""},
		{"an entry's end", func(s sliceSource) sliceSource { return s[:command+1] }, command, command + 1, ""},
		{"a journal cut short", func(s sliceSource) sliceSource { return s[:entry] }, entry, entry, "the journal ends here"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			altered := tc.alter(append(sliceSource(nil), a.leaves...))
			report, err := audit.Run(t.Context(), audit.Config{Genesis: a.genesis, Source: altered, Checkpoint: a.note})
			if err != nil {
				t.Fatal(err)
			}
			m := report.FirstMismatch
			if m == nil || report.Clean() {
				t.Fatal("nothing was found")
			}
			if m.Leaf < tc.first || m.Leaf > tc.last || !strings.Contains(m.What, tc.says) {
				t.Errorf("%s, want leaf %d to %d", m, tc.first, tc.last)
			}
		})
	}
	t.Run("the checkpoint", func(t *testing.T) {
		for at := range a.note {
			note := bytes.Clone(a.note)
			note[at] ^= 1
			report, err := audit.Run(t.Context(), audit.Config{Genesis: a.genesis, Source: a.leaves, Checkpoint: note})
			if err != nil || report.Clean() || !strings.Contains(report.FirstMismatch.What, "checkpoint") {
				t.Errorf("byte %d: %v, %v", at, err, report.FirstMismatch)
			}
		}
	})
}

// One flipped byte in the file of the leaves is found and the leaf is named, also
// when its checksum was made to fit.
func TestAuditFindsFlippedByte(t *testing.T) {
	a := newAudited(t)
	threshold := a.find("threshold receipt", isReceipt("threshold"))
	files, err := filepath.Glob(filepath.Join(a.dir, "leaves", "*.plain"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, a.leaves[threshold])
	data[at+30] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Run(t.Context(), audit.Config{Genesis: a.genesis, Dir: a.dir})
	if err != nil {
		t.Fatal(err)
	}
	if m := report.FirstMismatch; m == nil || m.Leaf != threshold {
		t.Errorf("found %v, want leaf %d", m, threshold)
	}
}

// An entry that all nodes refused is replayed from the one leaf that it left.
func TestAuditRefusedEntry(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	dir := t.TempDir()
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.journal = j
	apply := func(index uint64, data []byte) {
		r.ApplyBatch([]*raft.Log{{Index: index, Term: 1, Data: logData(1, data)}})
	}
	apply(1, c.tick(r.view.Load(), false).Encode())
	apply(2, []byte("nonsense"))
	apply(3, c.tick(r.view.Load(), true).Encode())
	want := r.view.Load()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Run(t.Context(), audit.Config{Genesis: c.genesis, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() || report.Refused != 1 || len(report.Alarms) != 1 || report.Digest != want.Digest() {
		t.Errorf("%v, refused %d, alarms %v", report.FirstMismatch, report.Refused, report.Alarms)
	}
}

func TestAuditCancelled(t *testing.T) {
	a := newAudited(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if report, err := audit.Run(ctx, audit.Config{Genesis: a.genesis, Source: a.leaves}); err == nil {
		t.Errorf("a cancelled audit reports %+v", report)
	}
	if _, err := audit.Run(t.Context(), audit.Config{Genesis: a.genesis, Dir: t.TempDir()}); err == nil {
		t.Error("an empty directory is audited")
	}
}
