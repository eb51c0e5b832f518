package journal

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"sort"
)

const (
	runMagic      = "TVINDEX1"
	runHeaderSize = 32
	runBlockSize  = 4096
	runRowSize    = 24
	runBlockRows  = (runBlockSize - 4) / runRowSize
)

// A run is an immutable file of sorted, distinct index rows.
type run struct {
	file   *os.File
	name   string // relative to the journal
	number uint64
	rows   uint64
	level  uint32
	blocks uint32
	sum    uint32
	first  []uint64 // the leading eight key bytes of each block's first row
	filter filter
}

func (r *run) header() []byte {
	h := append(make([]byte, 0, runHeaderSize), runMagic...)
	h = order.AppendUint64(h, r.rows)
	h = order.AppendUint32(h, r.level)
	h = order.AppendUint32(h, r.blocks)
	return order.AppendUint64(h, uint64(len(r.filter)))
}

// trailer is what follows the blocks, without the checksum.
func (r *run) trailer() []byte {
	t := make([]byte, 0, 8*len(r.first)+len(r.filter)+4)
	for _, key := range r.first {
		t = order.AppendUint64(t, key)
	}
	return append(t, r.filter...)
}

// writeRun writes a run to a file, durably, from rows that next yields in order
// without repetition, and opens it. atMost bounds how many there are.
func writeRun(path, name string, number uint64, level uint32, atMost uint64, next func() (row, bool, error)) (*run, error) {
	f, err := os.OpenFile(path+tempSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	r := &run{name: name, number: number, level: level, filter: newFilter(atMost)}
	if err := r.write(f, next); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	if err := commitFile(f, path); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	if r.file, err = os.Open(path); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *run) write(f *os.File, next func() (row, bool, error)) error {
	w := bufio.NewWriterSize(f, 1<<20)
	// The header's numbers are known in the end; until then zeros hold its place.
	if _, err := w.Write(make([]byte, runHeaderSize)); err != nil {
		return err
	}
	block := make([]byte, 0, runBlockSize)
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		r.first = append(r.first, order.Uint64(block))
		r.blocks++
		clear(block[len(block) : runBlockSize-4])
		block = block[:runBlockSize-4]
		_, err := w.Write(order.AppendUint32(block, checksum(block)))
		block = block[:0]
		stepAside()
		return err
	}
	for {
		next, ok, err := next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		r.filter.add(next.key)
		r.rows++
		block = order.AppendUint64(append(block, next.key[:]...), next.value)
		if len(block) == runBlockRows*runRowSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	header, trailer := r.header(), r.trailer()
	r.sum = checksum(header, trailer)
	if _, err := w.Write(order.AppendUint32(trailer, r.sum)); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := f.WriteAt(header, 0)
	return err
}

// openRun opens a run and checks everything but its blocks, which are checked when
// they are read.
func openRun(path, name string, number uint64) (*run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &run{file: f, name: name, number: number}
	if err := r.load(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *run) load() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	header := make([]byte, runHeaderSize)
	if _, err := r.file.ReadAt(header, 0); err != nil {
		return r.damaged(0, "the header cannot be read", err)
	}
	r.rows, r.level, r.blocks = order.Uint64(header[8:]), order.Uint32(header[16:]), order.Uint32(header[20:])
	filterSize := order.Uint64(header[24:])
	blocksEnd := runHeaderSize + int64(r.blocks)*runBlockSize
	size := info.Size()
	switch {
	case string(header[:8]) != runMagic:
		return r.damaged(0, "the header is not a run's", nil)
	case filterSize > uint64(size), uint64(size) != uint64(blocksEnd)+8*uint64(r.blocks)+filterSize+4,
		(r.rows+runBlockRows-1)/runBlockRows != uint64(r.blocks), filterSize%filterLine != 0:
		return r.damaged(0, "the file's size does not fit its header", nil)
	}
	trailer := make([]byte, size-blocksEnd)
	if _, err := r.file.ReadAt(trailer, blocksEnd); err != nil {
		return r.damaged(0, "the filter cannot be read", err)
	}
	end := len(trailer) - 4
	if r.sum = order.Uint32(trailer[end:]); r.sum != checksum(header, trailer[:end]) {
		return r.damaged(0, "the checksum of header and filter is wrong", nil)
	}
	r.first = make([]uint64, r.blocks)
	for b := range r.first {
		r.first[b] = order.Uint64(trailer[8*b:])
	}
	r.filter = filter(trailer[8*r.blocks : end])
	return nil
}

// readBlocks reads the blocks [b, b+n) into buf, which may be nil, and checks each.
func (r *run) readBlocks(buf []byte, b, n uint32) ([]byte, error) {
	if buf = buf[:0]; cap(buf) < int(n)*runBlockSize {
		buf = make([]byte, int(n)*runBlockSize)
	}
	buf = buf[:int(n)*runBlockSize]
	if _, err := r.file.ReadAt(buf, runHeaderSize+int64(b)*runBlockSize); err != nil {
		return nil, r.damaged(b, "the block cannot be read", err)
	}
	for i := range n {
		block := buf[i*runBlockSize:][:runBlockSize]
		rows, sum := block[:runBlockSize-4], block[runBlockSize-4:]
		if order.Uint32(sum) != checksum(rows) {
			return nil, r.damaged(b+i, "the block's checksum is wrong", nil)
		}
		// A good block in another's place would answer for keys that are not its own.
		if order.Uint64(rows) != r.first[b+i] {
			return nil, r.damaged(b+i, "the block is not the one of this place", nil)
		}
	}
	return buf, nil
}

// rowsIn is how many rows block b holds: all blocks but the last are full.
func (r *run) rowsIn(b uint32) int {
	return int(min(runBlockRows, r.rows-uint64(b)*runBlockRows))
}

// rowAt decodes row i of a block.
func rowAt(block []byte, i int) row {
	at := block[i*runRowSize:][:runRowSize]
	return row{Key(at), order.Uint64(at[16:])}
}

// get appends the values of a key to dst.
func (r *run) get(dst []uint64, key Key) ([]uint64, error) {
	if !r.filter.mayHold(key) {
		return dst, nil
	}
	head := order.Uint64(key[:8])
	// The key's rows begin at the earliest in the block before the first one that
	// begins at or above it, and may run over several blocks.
	b := sort.Search(len(r.first), func(i int) bool { return r.first[i] >= head })
	var block []byte
	for b = max(b-1, 0); b < len(r.first) && r.first[b] <= head; b++ {
		var err error
		if block, err = r.readBlocks(block, uint32(b), 1); err != nil {
			return nil, err
		}
		rows := r.rowsIn(uint32(b))
		at := sort.Search(rows, func(i int) bool {
			return bytes.Compare(block[i*runRowSize:][:len(key)], key[:]) >= 0
		})
		for ; at < rows && rowAt(block, at).key == key; at++ {
			dst = append(dst, rowAt(block, at).value)
		}
	}
	return dst, nil
}

func (r *run) damaged(b uint32, what string, cause error) error {
	return &DamagedError{File: r.name, What: what, Index: uint64(b) * runBlockRows, Err: cause}
}

// verify reads every block and checks that rows are in order and in the filter.
func (r *run) verify() error {
	it := newRunReader(r)
	var last row
	for i := uint64(0); ; i++ {
		next, ok, err := it.read()
		if err != nil || !ok {
			return err
		}
		if i > 0 && compareRows(last, next) >= 0 || !r.filter.mayHold(next.key) {
			return r.damaged(uint32(i/runBlockRows), "the rows are not in order or not in the filter", nil)
		}
		last = next
	}
}

// A runReader yields all rows of a run in order.
type runReader struct {
	run  *run
	next uint32 // the block after those in buf
	buf  []byte // blocks not yet used up, the current one first
	all  []byte // the memory behind buf
	at   int    // row of the current block
	rows int    // rows of the current block
}

// runReadAhead is the number of blocks that a runReader takes at once.
const runReadAhead = 64

func newRunReader(r *run) *runReader { return &runReader{run: r} }

func (it *runReader) read() (row, bool, error) {
	if it.at == it.rows {
		if more, err := it.advance(); !more || err != nil {
			return row{}, false, err
		}
	}
	it.at++
	return rowAt(it.buf, it.at-1), true, nil
}

// advance moves on to the next block; false if there is none.
func (it *runReader) advance() (bool, error) {
	if len(it.buf) > 0 {
		it.buf = it.buf[runBlockSize:]
	}
	if len(it.buf) == 0 {
		n := min(runReadAhead, it.run.blocks-it.next)
		if n == 0 {
			return false, nil
		}
		var err error
		if it.all, err = it.run.readBlocks(it.all, it.next, n); err != nil {
			return false, err
		}
		it.buf = it.all
		it.next += n
	}
	current := it.next - uint32(len(it.buf)/runBlockSize)
	it.at, it.rows = 0, it.run.rowsIn(current)
	return true, nil
}
