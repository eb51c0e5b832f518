package journal

import (
	"errors"
	"fmt"
	"os"

	"github.com/klauspost/compress/zstd"
)

const (
	sealedMagic      = "TVSEAL01"
	sealedEndMagic   = "TVSEALED"
	sealedHeaderSize = 32
	sealedRowSize    = 20
	sealedFooterSize = 24
)

// A block is a stretch of records in memory. It is never changed once made, so
// records handed out stay valid.
type block struct {
	data  []byte
	spans []span
}

type span struct{ start, end uint32 }

func (b block) record(i int) []byte {
	s := b.spans[i]
	return b.data[s.start:s.end:s.end]
}

// A sealed file is a full segment, compressed in blocks that can be read apart.
// Only its table is kept; the file is opened for each read, so that a journal of
// thousands of segments does not hold thousands of descriptors.
type sealed struct {
	path   string
	name   string
	first  uint64
	lay    layout
	blocks []sealedRow
	codec  *codec
}

type sealedRow struct {
	offset      int64
	packed, raw uint32
	sum         uint32
}

// A codec compresses and decompresses blocks. The library's stateless calls may
// be used by many goroutines at once.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	// A block says how long it is; the limit keeps a damaged one from asking for
	// more memory than the largest block can need.
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &codec{enc, dec}, nil
}

func (c *codec) close() error {
	c.dec.Close()
	return c.enc.Close()
}

func sealedHeader(kind byte, first uint64, lay layout) []byte {
	h := append(make([]byte, 0, sealedHeaderSize), sealedMagic...)
	h = order.AppendUint64(h, uint64(kind))
	h = order.AppendUint64(h, first)
	h = order.AppendUint32(h, uint32(lay.segment))
	return order.AppendUint32(h, uint32(lay.block))
}

// sized is a slice of n elements, in the memory of another if there is enough.
func sized[E any](done []E, n int) []E {
	if cap(done) >= n {
		return done[:n]
	}
	return make([]E, n)
}

// pack turns the records of a block into what is compressed: lengths, then bytes.
func (b block) pack(dst []byte) []byte {
	for i := range b.spans {
		dst = order.AppendUint32(dst, uint32(len(b.record(i))))
	}
	for i := range b.spans {
		dst = append(dst, b.record(i)...)
	}
	return dst
}

// unpack makes a block of what was packed, which it keeps.
func unpack(raw []byte, spans []span, records int) (block, error) {
	b := block{data: raw, spans: sized(spans, records)}
	if len(raw) < 4*records {
		return block{}, errors.New("the lengths are cut short")
	}
	at := uint64(4 * records)
	for i := range records {
		next := at + uint64(order.Uint32(raw[4*i:]))
		if next > uint64(len(raw)) {
			return block{}, fmt.Errorf("record %d reaches past the end", i)
		}
		b.spans[i] = span{uint32(at), uint32(next)}
		at = next
	}
	if at != uint64(len(raw)) {
		return block{}, errors.New("bytes are left over")
	}
	return b, nil
}

// writeSealed writes a whole sealed segment to f, taking its blocks one by one.
func writeSealed(f *os.File, c *codec, kind byte, first uint64, lay layout, next func(b int) (block, error)) error {
	header := sealedHeader(kind, first, lay)
	if _, err := f.Write(header); err != nil {
		return err
	}
	offset := int64(len(header))
	var table, raw, packed []byte
	blocks := int(lay.segment / lay.block)
	for b := range blocks {
		records, err := next(b)
		if err != nil {
			return err
		}
		raw = records.pack(raw[:0])
		packed = c.enc.EncodeAll(raw, packed[:0])
		if _, err := f.Write(packed); err != nil {
			return err
		}
		table = order.AppendUint64(table, uint64(offset))
		table = order.AppendUint32(table, uint32(len(packed)))
		table = order.AppendUint32(table, uint32(len(raw)))
		table = order.AppendUint32(table, checksum(packed))
		offset += int64(len(packed))
		stepAside()
	}
	footer := order.AppendUint64(nil, uint64(offset))
	footer = order.AppendUint32(footer, uint32(blocks))
	footer = order.AppendUint32(footer, checksum(header, table, footer))
	footer = append(footer, sealedEndMagic...)
	_, err := f.Write(append(table, footer...))
	return err
}

// openSealed reads and checks header, table and footer. Blocks are checked when
// they are read.
func openSealed(path, name string, kind byte, first uint64, lay layout, c *codec) (*sealed, error) {
	s := &sealed{path: path, name: name, first: first, lay: lay, codec: c}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	blocks := int(lay.segment / lay.block)
	tail := make([]byte, blocks*sealedRowSize+sealedFooterSize)
	tableAt := info.Size() - int64(len(tail))
	header := make([]byte, sealedHeaderSize)
	if tableAt < sealedHeaderSize {
		return nil, s.damaged(0, "the file is cut short", nil)
	}
	if _, err := f.ReadAt(header, 0); err != nil {
		return nil, s.damaged(0, "the header cannot be read", err)
	}
	if _, err := f.ReadAt(tail, tableAt); err != nil {
		return nil, s.damaged(0, "the table cannot be read", err)
	}
	table, footer := tail[:blocks*sealedRowSize], tail[blocks*sealedRowSize:]
	switch {
	case string(header) != string(sealedHeader(kind, first, lay)):
		return nil, s.damaged(0, "the header is not this segment's", nil)
	case string(footer[16:]) != sealedEndMagic, order.Uint64(footer) != uint64(tableAt),
		order.Uint32(footer[8:]) != uint32(blocks):
		return nil, s.damaged(0, "the footer does not fit the file", nil)
	case order.Uint32(footer[12:]) != checksum(header, table, footer[:12]):
		return nil, s.damaged(0, "the table's checksum is wrong", nil)
	}
	return s, s.readTable(table, tableAt)
}

// readTable takes over the table and demands that its blocks leave no gap.
func (s *sealed) readTable(table []byte, tableAt int64) error {
	at := int64(sealedHeaderSize)
	for ; len(table) > 0; table = table[sealedRowSize:] {
		row := sealedRow{
			offset: int64(order.Uint64(table)),
			packed: order.Uint32(table[8:]),
			raw:    order.Uint32(table[12:]),
			sum:    order.Uint32(table[16:]),
		}
		if row.offset != at {
			return s.damaged(len(s.blocks), "the table leaves a gap", nil)
		}
		at += int64(row.packed)
		s.blocks = append(s.blocks, row)
	}
	if at != tableAt {
		return s.damaged(len(s.blocks), "the table leaves a gap", nil)
	}
	return nil
}

// read returns block b of the segment, which takes the memory of another that is done
// with.
func (s *sealed) read(done block, b int) (block, error) {
	row := s.blocks[b]
	packed := make([]byte, row.packed)
	f, err := os.Open(s.path)
	if err != nil {
		return block{}, s.damaged(b, "the file cannot be opened", err)
	}
	defer f.Close()
	if _, err := f.ReadAt(packed, row.offset); err != nil {
		return block{}, s.damaged(b, "the block cannot be read", err)
	}
	if checksum(packed) != row.sum {
		return block{}, s.damaged(b, "the block's checksum is wrong", nil)
	}
	raw, err := s.codec.dec.DecodeAll(packed, sized(done.data, int(row.raw))[:0])
	if err != nil {
		return block{}, s.damaged(b, "the block does not decompress", err)
	}
	records, err := unpack(raw, done.spans, int(s.lay.block))
	if err != nil {
		return block{}, s.damaged(b, "the block's lengths do not fit", err)
	}
	return records, nil
}

// damaged names the first record of block b.
func (s *sealed) damaged(b int, what string, cause error) error {
	return &DamagedError{File: s.name, What: what, Index: s.first + uint64(b)*s.lay.block, Err: cause}
}
