package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// The buckets of raft-boltdb.
	bucketConf = "conf"
	bucketLogs = "logs"
	// maxDepth of a tree of pages; with two children a page it holds 2^32 pages.
	maxDepth = 32
	// maxPage is the largest page with its overflow; Raft's entries are below 1 MiB.
	maxPage = 64 << 20
	// reportEvery is how many bytes are checked between two reports of progress.
	reportEvery = 16 << 20
)

// A boltFile reads bolt's file without bolt, which trusts it: a damaged page makes
// bolt panic on a goroutine of its own, read past the end of its memory map, or walk
// in circles. What check has passed bolt can open.
type boltFile struct {
	file     io.ReaderAt
	size     uint64
	meta     boltMeta
	seen     []bool
	buffers  [maxDepth][]byte
	checked  uint64 // bytes
	progress func(checked, total uint64)
}

// rows gives every row of the two buckets of Raft's log to its visitor, in the order
// of keys.
func (f *boltFile) rows(conf, logs func(boltRow) error) error {
	if err := f.readMeta(); err != nil {
		return err
	}
	f.seen = make([]bool, f.meta.end)
	if err := f.checkFreelist(); err != nil {
		return err
	}
	buckets := map[string][]byte{bucketConf: nil, bucketLogs: nil}
	err := f.walk(f.meta.root, 0, nil, nil, func(r boltRow) error {
		if _, known := buckets[string(r.key)]; !known || r.flags != rowBucket || len(r.value) < bucketSize {
			return fmt.Errorf("unknown bucket %q", r.key)
		}
		buckets[string(r.key)] = bytes.Clone(r.value)
		return nil
	})
	if err != nil {
		return err
	}
	if err := f.bucket(buckets[bucketConf], conf); err != nil {
		return err
	}
	if err := f.bucket(buckets[bucketLogs], logs); err != nil {
		return err
	}
	f.progress(f.meta.end*f.meta.pageSize, f.meta.end*f.meta.pageSize)
	return nil
}

// bucket walks over a bucket, given the value of its row, or nil if there is none.
func (f *boltFile) bucket(value []byte, visit func(boltRow) error) error {
	if value == nil {
		return nil
	}
	plain := func(r boltRow) error {
		if r.flags != 0 {
			return fmt.Errorf("row %q has flags %d", r.key, r.flags)
		}
		return visit(r)
	}
	if root := order.Uint64(value); root != 0 {
		return f.walk(root, 0, nil, nil, plain)
	}
	page := boltPage(value[bucketSize:])
	if len(page) < pageHeader || page.kind() != kindLeaf {
		return errors.New("an inline bucket is no leaf page")
	}
	return leaf(page, nil, nil, plain)
}

// readMeta chooses the meta page that bolt will choose: of the valid ones that of
// the later transaction.
func (f *boltFile) readMeta() error {
	head := make([]byte, pageHeader+metaSize)
	for at := uint64(0); at == 0 || f.meta.pageSize == 0 && at <= 1<<24; at = max(1024, 2*at) {
		if _, err := f.file.ReadAt(head, int64(at)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if m, ok := parseMeta(head[pageHeader:]); ok {
			f.meta = m
		}
	}
	if f.meta.pageSize == 0 {
		return errors.New("both meta pages are invalid")
	}
	if _, err := f.file.ReadAt(head, int64(f.meta.pageSize)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if m, ok := parseMeta(head[pageHeader:]); ok && m.transaction > f.meta.transaction {
		f.meta = m
	}
	if f.meta.pageSize < 1024 || f.meta.end < 3 || f.meta.end > f.size/f.meta.pageSize {
		return fmt.Errorf("the file of %d bytes is cut short, it needs %d pages of %d", f.size, f.meta.end, f.meta.pageSize)
	}
	return nil
}

// checkFreelist: there is a list only in a file that was just made, an empty one.
func (f *boltFile) checkFreelist() error {
	if f.meta.freelist == noFreelist {
		return nil
	}
	page, err := f.page(f.meta.freelist, 0)
	if err == nil && (page.kind() != kindFreelist || page.count() != 0 || page.overflow() != 0) {
		err = fmt.Errorf("page %d is not an empty free list", f.meta.freelist)
	}
	return err
}

// page reads a page that was not read before.
func (f *boltFile) page(id uint64, depth int) (boltPage, error) {
	if depth >= maxDepth {
		return nil, errors.New("the tree of pages is too deep")
	}
	if id < 2 || id >= f.meta.end || f.seen[id] {
		return nil, fmt.Errorf("page %d is pointed to twice, or not in use", id)
	}
	page, err := f.read(id, 1, depth)
	if err != nil {
		return nil, err
	}
	pages := page.overflow() + 1
	if page.id() != id || pages > f.meta.end-id || pages*f.meta.pageSize > maxPage {
		return nil, fmt.Errorf("page %d says that it is page %d and %d more", id, page.id(), page.overflow())
	}
	if pages > 1 {
		if page, err = f.read(id, pages, depth); err != nil {
			return nil, err
		}
	}
	for i := range pages {
		if f.seen[id+i] {
			return nil, fmt.Errorf("page %d belongs to two others", id+i)
		}
		f.seen[id+i] = true
	}
	f.report(pages * f.meta.pageSize)
	return page, nil
}

func (f *boltFile) read(id, pages uint64, depth int) (boltPage, error) {
	n := pages * f.meta.pageSize
	if uint64(len(f.buffers[depth])) < n {
		f.buffers[depth] = make([]byte, n)
	}
	page := f.buffers[depth][:n]
	if _, err := f.file.ReadAt(page, int64(id*f.meta.pageSize)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return page, nil
}

func (f *boltFile) report(n uint64) {
	before := f.checked / reportEvery
	f.checked += n
	if f.checked/reportEvery != before {
		f.progress(f.checked, f.meta.end*f.meta.pageSize)
	}
}

// walk visits all rows below a page, whose keys must be at least low and, if that is
// given, below high.
func (f *boltFile) walk(id uint64, depth int, low, high []byte, visit func(boltRow) error) error {
	page, err := f.page(id, depth)
	if err != nil {
		return err
	}
	switch page.kind() {
	case kindLeaf:
		if page.count() == 0 && depth > 0 {
			return fmt.Errorf("page %d is empty", id)
		}
		return leaf(page, low, high, visit)
	case kindBranch:
		return f.branch(page, depth, low, high, visit)
	}
	return fmt.Errorf("page %d is of kind %d", id, page.kind())
}

func (f *boltFile) branch(page boltPage, depth int, low, high []byte, visit func(boltRow) error) error {
	if page.count() == 0 {
		return fmt.Errorf("page %d is empty", page.id())
	}
	for i := range page.count() {
		key, id, err := page.child(i)
		if err != nil {
			return fmt.Errorf("page %d: %w", page.id(), err)
		}
		end := high
		if i+1 < page.count() {
			if end, _, err = page.child(i + 1); err != nil {
				return fmt.Errorf("page %d: %w", page.id(), err)
			}
		}
		if !inside(key, low, high) {
			return fmt.Errorf("page %d: its keys are out of order", page.id())
		}
		if err := f.walk(id, depth+1, key, end, visit); err != nil {
			return err
		}
	}
	return nil
}

// leaf visits the rows of a leaf page.
func leaf(page boltPage, low, high []byte, visit func(boltRow) error) error {
	var last []byte
	for i := range page.count() {
		r, err := page.row(i)
		if err != nil {
			return fmt.Errorf("page %d: %w", page.id(), err)
		}
		if !inside(r.key, low, high) || i > 0 && bytes.Compare(r.key, last) <= 0 {
			return fmt.Errorf("page %d: its keys are out of order", page.id())
		}
		if err := visit(r); err != nil {
			return err
		}
		last = r.key
	}
	return nil
}

func inside(key, low, high []byte) bool {
	return bytes.Compare(key, low) >= 0 && (high == nil || bytes.Compare(key, high) < 0)
}

// openBoltFile opens a file for checking; its size is 0 if there is none.
func openBoltFile(path string) (*os.File, uint64, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil {
		err = readFromDisk(f)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, uint64(info.Size()), nil
}
