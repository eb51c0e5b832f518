package fsm

import (
	"bytes"
	"testing"
)

func snapshotOf(t testing.TB, v *View) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := v.WriteSnapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readSnapshot(t testing.TB, r *rig, whole []byte) *Machine {
	t.Helper()
	m, err := ReadSnapshot(r.genesis, bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func restore(t testing.TB, r *rig, v *View) *Machine {
	t.Helper()
	return readSnapshot(t, r, snapshotOf(t, v))
}

func receiptsWithDigest(r *rig) int {
	m, n := r.fresh(), 0
	for _, raw := range r.log {
		e, _ := DecodeEntry(raw)
		for _, receipt := range m.Apply(raw, e).Receipts {
			if cut, ok := receipt.Body.(*CutReceipt); ok && cut.Digest != nil {
				n++
			}
		}
	}
	return n
}

// A node that restores between a frozen cut and the receipt with its digest
// must write the same receipt as one that never stopped.
func TestRestoreAtEveryEntryGoesOnAlike(t *testing.T) {
	r := world(t)
	for i := range 15 {
		r.must(r.sign("sunny", r.reading("m-1", uint64(100*i), r.now-int64(40-i)*60_000)))
		r.pass(1)
	}
	want := r.m.View().Root()
	m := r.fresh()
	for _, raw := range r.log {
		e, _ := DecodeEntry(raw)
		m.Apply(raw, e)
		m = restore(t, r, m.View())
	}
	if m.View().Root() != want {
		t.Error("a machine restored at every entry has another root")
	}
}

func TestDamagedSnapshotsAreRefused(t *testing.T) {
	r := world(t)
	r.must(r.sign("sunny", r.reading("m-1", 1_000, r.now)))
	r.pass(2)
	var b bytes.Buffer
	if err := r.m.View().WriteSnapshot(&b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for i := 0; i < len(whole); i += 1 + i/100 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1
		if m, err := ReadSnapshot(r.genesis, bytes.NewReader(damaged)); err == nil && m.View().Digest() != r.m.View().Digest() {
			t.Fatalf("byte %d flipped: another state was restored", i)
		} else if err == nil {
			t.Fatalf("byte %d flipped: accepted", i)
		}
	}
	for _, n := range []int{0, 5, len(whole) / 2, len(whole) - 1} {
		if _, err := ReadSnapshot(r.genesis, bytes.NewReader(whole[:n])); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
}
