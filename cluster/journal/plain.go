package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	plainMagic      = "TVPLAIN1"
	plainHeaderSize = 24
	recordHeader    = 8
)

// A plain file is a segment as it is filled: records one behind the other.
//
// ends is allocated at full length at once. The writer fills it; readers look
// only at places below the sequence's published count, whose atomic load orders
// them after the writer.
type plain struct {
	file  *os.File
	name  string // relative to the journal, for errors
	first uint64
	ends  []uint32 // ends[i] is the file offset behind record i of the segment
	used  int      // records written; the writer's
	buf   []byte   // the writer's scratch
}

func plainHeader(kind byte, first uint64) []byte {
	h := make([]byte, 0, plainHeaderSize)
	h = append(h, plainMagic...)
	h = order.AppendUint64(h, uint64(kind))
	return order.AppendUint64(h, first)
}

func createPlain(path, name string, kind byte, first, records uint64) (*plain, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(plainHeader(kind, first)); err != nil {
		f.Close()
		return nil, err
	}
	return &plain{file: f, name: name, first: first, ends: make([]uint32, records)}, nil
}

// openPlain reads the first want records of an existing file and checks each. What
// lies behind them is none of its business.
func openPlain(f *os.File, name string, kind byte, first, records uint64, want int) (*plain, error) {
	p := &plain{file: f, name: name, first: first, ends: make([]uint32, records)}
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, 1<<62), 1<<20)
	header := make([]byte, plainHeaderSize)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, p.damaged(0, "the header is cut short", err)
	}
	if string(header) != string(plainHeader(kind, first)) {
		return nil, p.damaged(0, "the header is not this segment's", nil)
	}
	end := uint32(plainHeaderSize)
	var record []byte
	for i := range want {
		var err error
		if record, err = p.scan(r, i, record); err != nil {
			return nil, err
		}
		end += uint32(recordHeader + len(record))
		p.ends[i] = end
	}
	p.used = want
	return p, nil
}

// scan reads record i of the segment from a stream into buf.
func (p *plain) scan(r io.Reader, i int, buf []byte) ([]byte, error) {
	var head [recordHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, p.damaged(i, "the file ends before the record", err)
	}
	n := order.Uint32(head[:])
	if n > MaxRecord {
		return nil, p.damaged(i, "the record's length is impossible", nil)
	}
	if cap(buf) < int(n) {
		buf = make([]byte, MaxRecord)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, p.damaged(i, "the file ends within the record", err)
	}
	if order.Uint32(head[4:]) != p.sum(i, head[:4], buf) {
		return nil, p.damaged(i, "the record's checksum is wrong", nil)
	}
	return buf, nil
}

// sum is the checksum of a record. The record's number is part of it, so that a
// record in another's place is noticed.
func (p *plain) sum(i int, length, record []byte) uint32 {
	var number [8]byte
	order.PutUint64(number[:], p.first+uint64(i))
	return checksum(number[:], length, record)
}

// end is the offset behind record i, or behind the header for i = -1.
func (p *plain) end(i int) int64 {
	if i < 0 {
		return plainHeaderSize
	}
	return int64(p.ends[i])
}

// append writes records behind the ones there, with one write call. The caller
// has checked that they fit.
func (p *plain) append(records [][]byte) error {
	p.buf = p.buf[:0]
	start := p.end(p.used - 1)
	for k, record := range records {
		head := len(p.buf)
		p.buf = order.AppendUint32(p.buf, uint32(len(record)))
		p.buf = order.AppendUint32(p.buf, p.sum(p.used+k, p.buf[head:], record))
		p.buf = append(p.buf, record...)
		p.ends[p.used+k] = uint32(start) + uint32(len(p.buf))
	}
	if _, err := p.file.WriteAt(p.buf, start); err != nil {
		return fmt.Errorf("append to %s: %w", p.name, err)
	}
	p.used += len(records)
	return nil
}

// read returns the records [lo, hi) of the segment in one block, which takes the
// memory of another that is done with.
func (p *plain) read(done block, lo, hi int) (block, error) {
	start, end := p.end(lo-1), p.end(hi-1)
	data := sized(done.data, int(end-start))
	if _, err := p.file.ReadAt(data, start); err != nil {
		if errors.Is(err, os.ErrClosed) {
			return block{}, ErrClosed
		}
		return block{}, p.damaged(lo, "the record cannot be read", err)
	}
	b := block{data: data, spans: sized(done.spans, hi-lo)[:0]}
	at := 0
	for i := lo; i < hi; i++ {
		next := int(p.end(i) - start)
		head, record := data[at:at+recordHeader], data[at+recordHeader:next]
		if int(order.Uint32(head)) != len(record) || order.Uint32(head[4:]) != p.sum(i, head[:4], record) {
			return block{}, p.damaged(i, "the record's checksum is wrong", nil)
		}
		b.spans = append(b.spans, span{uint32(at + recordHeader), uint32(next)})
		at = next
	}
	return b, nil
}

func (p *plain) damaged(i int, what string, cause error) error {
	return &DamagedError{File: p.name, What: what, Index: p.first + uint64(i), Err: cause}
}
