package logstore

import (
	"errors"

	"github.com/hashicorp/raft"
)

// A between stands between the store and bolt and has every write go through a
// function of the test's, which may fail it or look at the disk before or after.
type between struct {
	backend
	write func(op func() error) error
}

func (b *between) StoreLogs(logs []*raft.Log) error {
	return b.write(func() error { return b.backend.StoreLogs(logs) })
}

func (b *between) DeleteRange(from, to uint64) error {
	return b.write(func() error { return b.backend.DeleteRange(from, to) })
}

func (b *between) Set(key, value []byte) error {
	return b.write(func() error { return b.backend.Set(key, value) })
}

func isDamage(err error) bool {
	_, ok := errors.AsType[*DamagedError](err)
	return ok
}
