package logstore

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
)

// What follows is the file format of bolt, version 2, as far as a reader needs it:
// pages of a size that the meta pages state, in the byte order of the machine.
//
//	every page  id u64, kind u16, count u16, overflow u32 (further pages that belong to it)
//	meta        magic u32, version u32, page size u32, flags u32, root bucket (root u64,
//	            sequence u64), free list u64, end u64 (the first page not in use),
//	            transaction u64, FNV-1a of all this u64
//	branch      for each child: key's offset from here u32, key size u32, page u64
//	leaf        for each row: flags u32, key's offset from here u32, key size u32, value size u32
//
// A row whose flag says bucket has as value (root u64, sequence u64), and where the
// root is 0 a leaf page behind it.
const (
	pageHeader  = 16
	elementSize = 16
	metaSize    = 64
	bucketSize  = 16

	kindBranch   = 1
	kindLeaf     = 2
	kindFreelist = 16
	rowBucket    = 1

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	noFreelist  = ^uint64(0)
)

var order = binary.NativeEndian

// A boltMeta is what counts of a meta page.
type boltMeta struct {
	pageSize    uint64
	root        uint64
	freelist    uint64
	end         uint64
	transaction uint64
}

// parseMeta reads a meta page, from behind its header.
func parseMeta(b []byte) (boltMeta, bool) {
	if len(b) < metaSize {
		return boltMeta{}, false
	}
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	m := boltMeta{
		pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		end: order.Uint64(b[40:]), transaction: order.Uint64(b[48:]),
	}
	return m, order.Uint32(b) == boltMagic && order.Uint32(b[4:]) == boltVersion && order.Uint64(b[56:]) == sum.Sum64()
}

// A boltPage is a page with what overflows from it.
type boltPage []byte

func (p boltPage) id() uint64       { return order.Uint64(p) }
func (p boltPage) kind() uint16     { return order.Uint16(p[8:]) }
func (p boltPage) count() int       { return int(order.Uint16(p[10:])) }
func (p boltPage) overflow() uint64 { return uint64(order.Uint32(p[12:])) }

var errPage = errors.New("a page points outside of itself")

// slice is a part of the page, if it lies within it.
func (p boltPage) slice(from, size uint64) ([]byte, error) {
	if from < pageHeader || from+size > uint64(len(p)) { // all are sums of 32-bit numbers
		return nil, errPage
	}
	return p[from : from+size : from+size], nil
}

// child is an element of a branch page.
func (p boltPage) child(i int) (key []byte, page uint64, err error) {
	at := uint64(pageHeader + i*elementSize)
	e, err := p.slice(at, elementSize)
	if err != nil {
		return nil, 0, err
	}
	key, err = p.slice(at+uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])))
	return key, order.Uint64(e[8:]), err
}

// row is an element of a leaf page.
func (p boltPage) row(i int) (r boltRow, err error) {
	at := uint64(pageHeader + i*elementSize)
	e, err := p.slice(at, elementSize)
	if err != nil {
		return boltRow{}, err
	}
	from, keySize, valueSize := at+uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
	both, err := p.slice(from, keySize+valueSize)
	if err != nil {
		return boltRow{}, err
	}
	return boltRow{flags: order.Uint32(e), key: both[:keySize], value: both[keySize:]}, nil
}

// A boltRow is a key and its value, valid until the next page is read.
type boltRow struct {
	flags      uint32
	key, value []byte
}
