package logstore

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// batchesOf makes batches of entries with data of their own.
func batchOf(first uint64, n, size int) []*raft.Log {
	logs := make([]*raft.Log, n)
	for i := range logs {
		index := first + uint64(i)
		data := make([]byte, size)
		for at := range data {
			data[at] = byte(index + uint64(at)*31)
		}
		logs[i] = &raft.Log{Index: index, Term: 2, Type: raft.LogCommand, Data: data, AppendedAt: time.Now()}
	}
	return logs
}

func openBare(t testing.TB) raft.LogStore {
	b, err := openBolt(filepath.Join(t.TempDir(), "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func openWrapped(t testing.TB) *Store {
	path := filepath.Join(t.TempDir(), "log.db")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{Path: path, Fail: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkStoreLogs compares appending without the store, with it, and with the mark
// synced at each append, in turns, so that a disk that slows down slows all three. It
// reports medians, because one sync in a hundred takes ten times as long and hits any.
func BenchmarkStoreLogs(b *testing.B) {
	for _, n := range []int{1, 64} {
		for _, size := range []int{1 << 10, 30 << 10} {
			b.Run(fmt.Sprintf("batch=%d/bytes=%d", n, size), func(b *testing.B) { compare(b, n, size) })
		}
	}
}

func compare(b *testing.B, n, size int) {
	synced := openWrapped(b)
	stores := []raft.LogStore{openBare(b), openWrapped(b), synced}
	spent := make([][]time.Duration, len(stores))
	for round := 0; b.Loop(); round++ {
		logs := batchOf(uint64(round*n+1), n, size)
		synced.mark.syncedAt = time.Time{}
		for i := range stores {
			i = (i + round) % len(stores)
			begin := time.Now()
			if err := stores[i].StoreLogs(logs); err != nil {
				b.Fatal(err)
			}
			spent[i] = append(spent[i], time.Since(begin))
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, name := range []string{"bare", "sealed", "synced"} {
		slices.Sort(spent[i])
		b.ReportMetric(float64(spent[i][len(spent[i])/2].Nanoseconds())/1e3, name+"-µs")
	}
}

// BenchmarkOpen opens a log of 100,000 entries of 1 KiB, every page and entry of it
// checked and read from the disk.
func BenchmarkOpen(b *testing.B) {
	const entries = 100_000
	path := filepath.Join(b.TempDir(), "log.db")
	config := Config{Path: path, Fail: func(err error) { b.Error(err) }}
	if err := Create(path); err != nil {
		b.Fatal(err)
	}
	for first := uint64(1); first == 1 || b.Loop(); first += entries {
		s, err := Open(config)
		if err != nil {
			b.Fatal(err)
		}
		for i := uint64(1); first == 1 && i <= entries; i += 1000 {
			if err := s.StoreLogs(batchOf(i, 1000, 1<<10)); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
