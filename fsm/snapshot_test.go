package fsm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/strict"
)

func snapshotOf(t testing.TB, v *View) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := v.WriteSnapshot(&b, v.Digest()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readSnapshot(t testing.TB, r *rig, whole []byte) *Machine {
	t.Helper()
	m, _, err := ReadSnapshot(r.genesis, bytes.NewReader(whole))
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
	if err := r.m.View().WriteSnapshot(&b, r.m.View().Digest()); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for i := 0; i < len(whole); i += 1 + i/100 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1
		if m, _, err := ReadSnapshot(r.genesis, bytes.NewReader(damaged)); err == nil && m.View().Digest() != r.m.View().Digest() {
			t.Fatalf("byte %d flipped: another state was restored", i)
		} else if err == nil {
			t.Fatalf("byte %d flipped: accepted", i)
		}
	}
	for _, n := range []int{0, 5, len(whole) / 2, len(whole) - 1} {
		if _, _, err := ReadSnapshot(r.genesis, bytes.NewReader(whole[:n])); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
}

// What another version wrote is told apart from damage: nothing about it is wrong.
func TestSnapshotsOfOtherVersions(t *testing.T) {
	r := world(t)
	for start, other := range map[string]bool{"tallyvault-image v1\n": true, "tallyvault-snapshot v1\n": true, "rubbish\n": false, "tallyvault-image": false, "": false} {
		_, _, err := ReadSnapshot(r.genesis, strings.NewReader(start))
		if found, is := errors.AsType[*OtherVersionError](err); err == nil || is != other || is && found.Found+"\n" != start {
			t.Errorf("%q: %v", start, err)
		}
	}
	var b bytes.Buffer
	b.WriteString(snapshotMagic)
	if err := WriteBlock(&b, strict.Encode(snapshotHeader{Rules: rulesNumber - 1, Cluster: r.genesis.Cluster})); err != nil {
		t.Fatal(err)
	}
	_, _, err := ReadSnapshot(r.genesis, &b)
	if found, is := errors.AsType[*OtherVersionError](err); !is || found.Found != fmt.Sprintf("rules %d", rulesNumber-1) {
		t.Errorf("of other rules: %v", err)
	}
}

// forged is a snapshot of changed rows whose header agrees with them.
func forged(t *testing.T, r *rig, change func(rows [][]byte) [][]byte) []byte {
	t.Helper()
	s := r.m.state
	var rows [][]byte
	s.image(func(row []byte) { rows = append(rows, bytes.Clone(row)) })
	rows = change(rows)
	sum := sha256.New()
	for _, row := range rows {
		_ = WriteBlock(sum, row)
	}
	var b bytes.Buffer
	b.WriteString(snapshotMagic)
	header := strict.Encode(snapshotHeader{
		Rules: rulesNumber, Cluster: s.genesis.Cluster, Era: s.era(), Entry: s.number,
		Cut: s.cutCount, Size: s.edge.Size(), Digest: [32]byte(sum.Sum(nil)), Owed: r.m.digest,
	})
	for _, block := range append(append([][]byte{header}, rows...), nil) {
		if err := WriteBlock(&b, block); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// A snapshot whose rows no history leads to is refused, even if its digest is
// that of its rows: going on from it would end in a panic, or in money from
// nowhere.
func TestForgedSnapshotsAreRefused(t *testing.T) {
	r := world(t)
	r.must(r.sign("sunny", r.reading("m-1", 0, r.now-2*hour)), r.sign("sunny", r.reading("m-1", 5_000, r.now-hour)))
	r.must(r.sign("windy", r.reading("m-2", 0, r.now-2*hour)), r.sign("windy", r.reading("m-2", 5_000, r.now-hour)))
	r.must(r.sign("oracle-a", r.attestation(1, 4)), r.sign("oracle-b", r.attestation(1, 4)))
	r.must(r.sign("sunny", r.reading("m-1", 6_000, r.now)))
	r.must(r.sign("sunny", r.rotation("sunny", testKey("sunny 2"), 3)))
	if _, _, err := ReadSnapshot(r.genesis, bytes.NewReader(forged(t, r, func(rows [][]byte) [][]byte { return rows }))); err != nil {
		t.Fatalf("nothing forged: %v", err)
	}
	find := func(rows [][]byte, tag ...byte) int {
		for i, row := range rows {
			if bytes.HasPrefix(row, tag) {
				return i
			}
		}
		t.Fatalf("no row %v", tag)
		return -1
	}
	drop := func(tag ...byte) func([][]byte) [][]byte {
		return func(rows [][]byte) [][]byte { return slices.Delete(rows, find(rows, tag...), find(rows, tag...)+1) }
	}
	const reading, settlement = 8, 9 // oracle's tags
	due := func(kind byte) func(row []byte) bool {
		return func(row []byte) bool { return row[0] == rowDue && row[1+2+8] == kind }
	}
	dropDue := func(kind byte) func([][]byte) [][]byte {
		return func(rows [][]byte) [][]byte { return slices.DeleteFunc(rows, due(kind)) }
	}
	tests := map[string]func(rows [][]byte) [][]byte{
		"a row twice": func(rows [][]byte) [][]byte {
			return slices.Insert(rows, find(rows, rowLane), rows[find(rows, rowLane)])
		},
		"rows swapped": func(rows [][]byte) [][]byte {
			i := find(rows, rowPrincipal)
			rows[i], rows[i+1] = rows[i+1], rows[i]
			return rows
		},
		"no scalars":              drop(rowScalars),
		"a cut missing":           drop(rowCut),
		"a principal missing":     drop(rowPrincipal),
		"a key missing":           drop(rowKey),
		"a receivable missing":    drop(rowReceivable),
		"a settlement missing":    drop(rowOracle, settlement),
		"an open reading missing": drop(rowOracle, reading),
		"an expiry missing":       dropDue(dueExpire),
		"a release missing":       dropDue(dueRelease),
		"an expiry of another reading": func(rows [][]byte) [][]byte {
			row := rows[slices.IndexFunc(rows, due(dueExpire))]
			row[len(row)-1]++ // the item's number, and not the key's
			return rows
		},
		"an account missing":      drop(rowLedger),
		"a row of no known table": func(rows [][]byte) [][]byte { return append(rows, []byte{99}) },
		"an empty row":            func(rows [][]byte) [][]byte { return append(rows, []byte{rowLane}) },
		"bytes behind a row":      func(rows [][]byte) [][]byte { rows[1] = append(rows[1], 0); return rows },
		"a row behind its table":  func(rows [][]byte) [][]byte { return append(rows, []byte{rowAlarm, 0, 1, 'x'}) },
	}
	for name, change := range tests {
		if _, _, err := ReadSnapshot(r.genesis, bytes.NewReader(forged(t, r, change))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
