package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/raft"
)

// Content is what bolt's file was found to hold.
type content struct {
	store    digest
	settings map[string]setting
	chain    chain
	// births is where in the log the generation of entries rises.
	births  []birth
	decoder *codec.Decoder
}

// A birth says that entries from index on are of this generation.
type birth struct{ index, generation uint64 }

// readContent checks every page and every row of bolt's file. A file that is missing
// or without a byte holds nothing.
func readContent(path string, store digest, progress func(checked, total uint64)) (*content, error) {
	c := &content{
		store: store, settings: make(map[string]setting),
		decoder: codec.NewDecoderBytes(nil, &codec.MsgpackHandle{}),
	}
	file, size, err := openBoltFile(path)
	if err != nil {
		return nil, fmt.Errorf("open raft's log: %w", err)
	}
	if file == nil {
		return c, nil
	}
	defer file.Close()
	if size == 0 {
		return c, nil
	}
	f := &boltFile{file: file, size: size, progress: progress}
	if err := f.rows(c.setting, c.entry); err != nil {
		if d, ok := errors.AsType[*DamagedError](err); ok {
			d.Path = path
			return nil, d
		}
		return nil, &DamagedError{Path: path, What: "bolt's file is not whole", Err: err}
	}
	return c, nil
}

// setting takes a row of the stable store.
func (c *content) setting(r boltRow) error {
	s, err := unsealSetting(c.store, string(r.key), r.value)
	if err != nil {
		return fmt.Errorf("setting %q: %w", r.key, err)
	}
	c.settings[string(r.key)] = s
	return nil
}

// entry takes a row of the log. It is decoded as raft-boltdb does it.
func (c *content) entry(r boltRow) (err error) {
	if len(r.key) != 8 {
		return fmt.Errorf("key %x is not an index", r.key)
	}
	index := binary.BigEndian.Uint64(r.key)
	damage := func(what string, err error) error { return &DamagedError{Index: index, What: what, Err: err} }
	var l raft.Log
	if err := c.decode(r.value, &l); err != nil {
		return damage("it cannot be decoded", err)
	}
	s, err := unseal(&l)
	switch {
	case err != nil:
		return damage(err.Error(), nil)
	case l.Index != index:
		return damage(fmt.Sprintf("another entry, %d, lies in its place", l.Index), nil)
	case c.chain.first == 0:
		c.chain.tip = s.before
	case s.before != c.chain.tip:
		return damage(fmt.Sprintf("it does not follow entry %d: what was between them is missing, or one is from another time", c.chain.last), nil)
	case s.generation < c.births[len(c.births)-1].generation:
		return damage(fmt.Sprintf("it is older than entry %d", c.chain.last), nil)
	}
	if n := len(c.births); n == 0 || c.births[n-1].generation != s.generation {
		c.births = append(c.births, birth{index, s.generation})
	}
	c.chain.append(index, s.sum)
	return nil
}

// decode keeps what the decoder panics with from ending the process.
func (c *content) decode(b []byte, l *raft.Log) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	c.decoder.ResetBytes(b)
	return c.decoder.Decode(l)
}

// judge compares the content with the mark, and brings the chain to the position at
// which the log stands.
//
// The mark may lag: an append is marked after it, and without a sync. So the log must
// hold at least what the mark says and may hold more entries behind. Settings are
// marked with a sync, so at most the last one is not in the mark.
func (c *content) judge(m mark) error {
	if err := c.judgeSettings(m); err != nil {
		return err
	}
	var errs []error
	for _, p := range m.logs {
		err := c.extends(p)
		if err == nil {
			c.chain.generation = p.generation
			if c.chain.first == 0 {
				c.chain.position = p
			}
			return nil
		}
		errs = append(errs, err)
	}
	// Of two positions the later says best what is missing.
	return errs[len(errs)-1]
}

// extends says why the log cannot have grown out of a position.
func (c *content) extends(p position) error {
	have := &c.chain
	if p.last == 0 {
		if have.first != 0 && have.base != p.tip {
			return &DamagedError{What: fmt.Sprintf("it holds entries %d to %d, which the mark says were deleted", have.first, have.last)}
		}
		return c.grownAfter(0, p)
	}
	switch tip, ok := have.sum(p.last); {
	case have.first == 0:
		return &DamagedError{What: fmt.Sprintf("it holds no entry, the mark says that it held %d to %d: it was emptied or replaced", p.first, p.last)}
	case have.last < p.last:
		return &DamagedError{Index: p.last, What: fmt.Sprintf("the mark says that it was stored, the log ends at %d: the file is older than the mark", have.last)}
	case !ok || tip != p.tip:
		return &DamagedError{Index: p.last, What: "the mark says that another entry was stored there: the file is older than the mark, or another node's"}
	case have.first != p.first || have.base != p.base:
		return &DamagedError{Index: p.first, What: fmt.Sprintf("the mark says that the log begins there, it begins at %d", have.first)}
	}
	return c.grownAfter(p.last, p)
}

// grownAfter checks that all entries behind index were appended since p.
func (c *content) grownAfter(index uint64, p position) error {
	next, more := c.chain.next(index + 1)
	if !more {
		return nil
	}
	for _, i := range []uint64{next, c.chain.last} {
		if g := c.generation(i); g != p.generation {
			return &DamagedError{Index: i, What: fmt.Sprintf("it was stored before deletion %d and not after %d: the file is older than the mark", g+1, p.generation)}
		}
	}
	return nil
}

func (c *content) generation(index uint64) uint64 {
	i := sort.Search(len(c.births), func(i int) bool { return c.births[i].index > index })
	return c.births[i-1].generation
}

func (c *content) judgeSettings(m mark) error {
	for _, key := range slices.Sorted(maps.Keys(m.settings)) {
		want := m.settings[key]
		have, ok := c.settings[key]
		switch {
		case !ok:
			return &DamagedError{What: fmt.Sprintf("%s is missing, the mark says that write %d set it", key, want.set)}
		case have.set < want.set:
			return &DamagedError{What: fmt.Sprintf("%s is from write %d, the mark says %d: the file is older than the mark", key, have.set, want.set)}
		case have.set == want.set && string(have.value) != string(want.value):
			return &DamagedError{What: key + " differs from the mark's"}
		}
	}
	for key, have := range c.settings {
		// Every write has a number of its own, so only one setting passes as the last.
		if want, known := m.settings[key]; (!known || have.set != want.set) && have.set != m.sets+1 {
			return &DamagedError{What: fmt.Sprintf("%s is from write %d, the mark only knows %d writes: the mark is older than the file", key, have.set, m.sets)}
		}
	}
	return nil
}
