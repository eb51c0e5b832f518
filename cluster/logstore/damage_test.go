package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"testing"
)

func TestFlippedBytes(t *testing.T) {
	s := newSpecimen(t)
	f := &boltFile{file: bytes.NewReader(s.bolt), size: uint64(len(s.bolt)), progress: func(uint64, uint64) {}}
	nothing := func(boltRow) error { return nil }
	s.must(f.rows(nothing, nothing))
	stride, dense := 151, 5
	if testing.Short() {
		stride, dense = 999, 29
	}
	for at := range s.bolt {
		// Of a page in use the header and the first elements densely, the rest in strides
		// that meet every column; one byte of a page that is not.
		n, in := at/page, at%page
		used := n < 2 || n < len(f.seen) && f.seen[n]
		if !used && in != 20 || in > 80 && at%stride != 0 || in <= 80 && at%dense != 0 && n >= 2 {
			continue
		}
		s.spoil(s.path(), at, []byte{s.bolt[at] ^ 1<<(at%8)}, "byte %d flipped", at)
		s.spoil(s.path(), at, []byte{0xff}, "byte %d set", at)
	}
	s.done()
}

func TestZeroedPages(t *testing.T) {
	s := newSpecimen(t)
	for at := 0; at < len(s.bolt); at += page {
		s.spoil(s.path(), at, make([]byte, page), "page %d zeroed", at/page)
		s.spoil(s.path(), at, make([]byte, 512), "first sector of page %d zeroed", at/page)
		s.spoil(s.path(), at+page-512, make([]byte, 512), "last sector of page %d zeroed", at/page)
	}
	s.done()
}

// A page from an earlier time, which is right in itself: a write that never reached the
// disk. The meta pages among them.
func TestStalePages(t *testing.T) {
	s := newSpecimen(t)
	for i, old := range s.past {
		for at := 0; at < min(len(old), len(s.bolt)); at += page {
			s.spoil(s.path(), at, old[at:at+page], "page %d of time %d", at/page, i)
		}
		for at := 0; at+2*page <= min(len(old), len(s.bolt)); at += page {
			s.spoil(s.path(), at, old[at:at+2*page], "pages %d and %d of time %d", at/page, at/page+1, i)
		}
	}
	s.done()
}

// A page in the place of another.
func TestMisplacedPages(t *testing.T) {
	s := newSpecimen(t)
	for from := 0; from < len(s.bolt); from += page {
		for _, far := range []int{1, 2, 7} {
			if to := from + far*page; to < len(s.bolt) {
				s.spoil(s.path(), to, s.bolt[from:from+page], "page %d over page %d", from/page, to/page)
			}
		}
	}
	s.done()
}

// The newest meta page is spoilt, so that bolt would silently go back to the one before
// it, which is whole and belongs to the time before the last transaction.
func TestOlderMetaPages(t *testing.T) {
	s := newSpecimen(t)
	newest := 0
	for i := range 2 {
		if m, ok := parseMeta(s.bolt[i*page+pageHeader:]); !ok {
			t.Fatalf("meta page %d is invalid", i)
		} else if other, _ := parseMeta(s.bolt[(1-i)*page+pageHeader:]); m.transaction > other.transaction {
			newest = i
		}
	}
	s.spoil(s.path(), newest*page+pageHeader+56, []byte{^s.bolt[newest*page+pageHeader+56]}, "checksum of the newest meta page")
	s.spoil(s.path(), newest*page, make([]byte, page), "the newest meta page zeroed")
	if s.refused != 2 {
		t.Errorf("%d of 2 steps back were refused", s.refused)
	}
	for i, old := range s.past[:len(s.past)-1] {
		s.spoil(s.path(), 0, old[:2*page], "both meta pages of time %d", i)
		s.spoil(s.path(), newest*page, old[newest*page:(newest+1)*page], "meta page of time %d", i)
	}
	s.spoil(s.path(), (1-newest)*page, make([]byte, page), "the older meta page zeroed")
	if s.opened == 0 {
		t.Error("without the older meta page, which nobody needs, the store was refused")
	}
	s.done()
}

// A meta page that was made up, with a right checksum, must not lead bolt astray.
func TestForgedMetaPages(t *testing.T) {
	s := newSpecimen(t)
	for field := 16; field < 56; field += 8 {
		for _, value := range []uint64{0, 1, 2, 3, 5, 17, uint64(len(s.bolt)/page) - 1, 1 << 20, 1 << 62, 1<<64 - 1} {
			both := bytes.Clone(s.bolt[:2*page])
			for i := range 2 {
				m := both[i*page+pageHeader:]
				order.PutUint64(m[field:], value)
				sum := fnv.New64a()
				sum.Write(m[:56])
				order.PutUint64(m[56:], sum.Sum64())
			}
			s.spoil(s.path(), 0, both, "field %d of the meta pages is %d", field, value)
		}
	}
	s.done()
}

func TestTruncatedFiles(t *testing.T) {
	s := newSpecimen(t)
	for n := 0; n < len(s.bolt); n += page / 4 {
		s.restore(s.bolt[:n], s.mark)
		s.try("cut to %d bytes", n)
	}
	s.restore(s.bolt, s.mark)
	s.must(os.Remove(s.path()))
	s.try("deleted")
	s.done()
}

// An older file put back whole, as a backup would be, and the newest file with an
// older mark.
func TestOlderFiles(t *testing.T) {
	s := newSpecimen(t)
	for i, old := range s.past[:len(s.past)-1] {
		s.restore(old, s.mark)
		s.try("the file of time %d", i)
	}
	if s.refused != len(s.past)-1 {
		t.Errorf("%d of %d older files were refused", s.refused, len(s.past)-1)
	}
	s.done()
}

// An older mark beside the newest file: a mark may lag, and one that lags further than
// a crash can make it is not this file's.
func TestOlderMarks(t *testing.T) {
	s := newSpecimen(t)
	for i, old := range s.pastMarks {
		s.restore(s.bolt, old)
		s.try("the mark of time %d", i)
	}
	if s.opened < 2 {
		t.Errorf("%d marks that only lag were taken", s.opened)
	}
	s.done()
}

// A setting that went back by itself, as a stale page would have it.
func TestOlderSettingIsNamed(t *testing.T) {
	s := newSpecimen(t)
	m := s.newestMark()
	b, err := openBolt(s.path())
	s.must(err)
	s.must(b.Set([]byte("CurrentTerm"), setting{[]byte{7: 1}, 1}.seal(m.store, "CurrentTerm")))
	s.must(b.Close())
	if _, err := Open(s.config()); !isDamage(err) || !strings.Contains(err.Error(), "CurrentTerm is from write 1, the mark says 4") {
		t.Errorf("got %v", err)
	}
}

// The file of another node with the same entries and settings is not this node's.
func TestAnotherNodesFile(t *testing.T) {
	for name, live := range map[string]func(r *rig){
		"all":      func(r *rig) { r.set("CurrentTerm", "1"); r.grow(10, 1) },
		"settings": func(r *rig) { r.set("CurrentTerm", "1") },
		"entries":  func(r *rig) { r.grow(10, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			other := newRig(t)
			live(other)
			other.kill()
			theirs, _ := other.files()
			for _, used := range []bool{true, false} {
				r := newRig(t)
				if used {
					live(r)
				}
				r.kill()
				_, mark := r.files()
				r.restore(theirs, mark)
				if _, err := Open(r.config()); !isDamage(err) {
					t.Errorf("used %v: got %v", used, err)
				}
			}
		})
	}
}

func TestDamagedMarks(t *testing.T) {
	s := newSpecimen(t)
	path := s.path() + markSuffix
	for at := range s.mark {
		if in := at % slotSize; in < 800 && in%7 == 0 || in%397 == 0 {
			s.spoil(path, at, []byte{s.mark[at] ^ 1<<(at%8)}, "byte %d of the mark flipped", at)
		}
	}
	for _, n := range []int{0, 1, 100, slotSize - 1, slotSize, slotSize + 1, slots*slotSize - 1} {
		s.restore(s.bolt, s.mark[:n])
		s.try("the mark cut to %d bytes", n)
	}
	s.restore(s.bolt, make([]byte, slots*slotSize))
	s.try("the mark zeroed")
	s.restore(s.bolt, s.mark)
	s.must(os.Remove(path))
	if _, err := Open(s.config()); !isDamage(err) {
		t.Errorf("without a mark: %v", err)
	}
	s.done()
}

// Bolt's own words do not reach an operator alone: every refusal names the file, what
// is wrong with it and what to do.
func TestDamageIsNamed(t *testing.T) {
	s := newSpecimen(t)
	at := bytes.Index(s.bolt, []byte("extension of 205 in 2"))
	if at < 0 {
		t.Fatal("the entry is not in the file")
	}
	s.spoil(s.path(), at, []byte("E"), "an extension altered")
	s.restore(s.bolt, s.mark)
	s.must(os.WriteFile(s.path(), append(bytes.Clone(s.bolt[:at]), append([]byte("E"), s.bolt[at+1:]...)...), 0o600))
	_, err := Open(s.config())
	d, ok := errors.AsType[*DamagedError](err)
	if !ok || d.Index != 205 || d.Path != s.path() || d.What != "its checksum is wrong" {
		t.Errorf("got %#v", err)
	}
	want := fmt.Sprintf("raft log is damaged: %s: entry 205: its checksum is wrong; do not start this node", s.path())
	if !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Errorf("got %v", err)
	}
}
