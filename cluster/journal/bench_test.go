package journal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	benchBatch = 128
	benchLeaf  = 450
)

// benchLeaves are of the size and compressibility of real frames: a third is
// signature, the rest repeats.
func benchLeaves(r *rand.Rand) (leaves [][]byte, hashes []tlog.Hash) {
	for range benchBatch {
		leaf := make([]byte, 150, benchLeaf)
		for i := range leaf {
			leaf[i] = byte(r.Uint32())
		}
		leaf = append(leaf, fmt.Sprintf(`{"cluster":"3f5a0c7e9b1d2648af0e5c3b7d9142e6","lane":"m/%d","register":"%d"}`, r.IntN(1000), r.IntN(1<<30))...)
		leaf = append(leaf, bytes.Repeat([]byte(`"quality":"good",`), 20)...)[:benchLeaf]
		leaves = append(leaves, leaf)
		hashes = append(hashes, tlog.RecordHash(leaf))
	}
	return leaves, hashes
}

// BenchmarkAppend measures what Apply feels: leaves, outcomes and two index rows
// per leaf, with a Sync now and then so that sealing runs too.
func BenchmarkAppend(b *testing.B) {
	j, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	leaves, hashes := benchLeaves(r)
	outcome := make([]byte, 40)
	outcomes := make([][]byte, benchBatch)
	for i := range outcomes {
		outcomes[i] = outcome
	}
	batches := 0
	for b.Loop() {
		first := j.Size()
		if err := j.Append(first, leaves, hashes); err != nil {
			b.Fatal(err)
		}
		if err := j.AppendOutcomes(first, outcomes); err != nil {
			b.Fatal(err)
		}
		for i := range uint64(2 * benchBatch) {
			var key Key
			order.PutUint64(key[:], r.Uint64())
			order.PutUint64(key[8:], r.Uint64())
			if err := j.Put(key, first+i); err != nil {
				b.Fatal(err)
			}
		}
		if batches++; batches%1000 == 0 {
			if err := j.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "leaves/s")
	b.StopTimer()
	mustClose(b, j)
}

func BenchmarkAppendLeavesOnly(b *testing.B) {
	j, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	leaves, hashes := benchLeaves(rand.New(rand.NewPCG(1, 2)))
	for b.Loop() {
		if err := j.Append(j.Size(), leaves, hashes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "leaves/s")
	b.StopTimer()
	mustClose(b, j)
}

// BenchmarkGet measures look-ups among two million keys.
func BenchmarkGet(b *testing.B) {
	j, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	const keys = 2_000_000
	for i := range uint64(keys) {
		if err := j.Put(benchKey(i), i); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Sync(); err != nil {
		b.Fatal(err)
	}
	for name, from := range map[string]uint64{"hit": 0, "miss": keys} {
		b.Run(name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(3, 4))
			for b.Loop() {
				i := r.Uint64N(keys)
				values, err := j.Get(benchKey(from + i))
				if err != nil || len(values) != 0 != (from == 0) {
					b.Fatal(values, err)
				}
			}
		})
	}
	j.index.mu.RLock()
	b.Logf("%d runs", len(j.index.runs))
	j.index.mu.RUnlock()
	mustClose(b, j)
}

// benchKey is spread evenly, as IndexKey is, without the cost of a hash.
func benchKey(i uint64) (key Key) {
	order.PutUint64(key[:], (i+1)*0x9e3779b97f4a7c15)
	order.PutUint64(key[8:], (i+1)*0xc2b2ae3d27d4eb4f)
	return key
}

func benchJournal(b *testing.B, batches int) *Journal {
	b.Helper()
	j, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range batches {
		leaves, hashes := benchLeaves(r)
		if err := j.Append(uint64(i)*benchBatch, leaves, hashes); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Sync(); err != nil {
		b.Fatal(err)
	}
	return j
}

func BenchmarkRead(b *testing.B) {
	j := benchJournal(b, 2000)
	r := rand.New(rand.NewPCG(5, 6))
	size := j.Size()
	b.Run("ProveRecord", func(b *testing.B) {
		for b.Loop() {
			if _, err := j.ProveRecord(size, r.Uint64N(size)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Leaf", func(b *testing.B) {
		for b.Loop() {
			if _, err := j.Leaf(r.Uint64N(size)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("TileData", func(b *testing.B) {
		for b.Loop() {
			if _, err := j.TileData(0, r.Uint64N(size/tileWidth), tileWidth); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Leaves", func(b *testing.B) {
		for b.Loop() {
			if err := j.Leaves(0, size, func(uint64, []byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(uint64(b.N)*size)/b.Elapsed().Seconds(), "leaves/s")
	})
	b.Run("Verify", func(b *testing.B) {
		for b.Loop() {
			if err := j.Verify(nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(uint64(b.N)*size)/b.Elapsed().Seconds(), "leaves/s")
	})
	mustClose(b, j)
}
