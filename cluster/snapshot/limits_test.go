package snapshot

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Nobody writes more leaves behind an image than a reader takes.
func TestWriterKeepsToMaxTail(t *testing.T) {
	for _, c := range []struct {
		from, to uint64
		want     bool
	}{{0, MaxTail, true}, {0, MaxTail + 1, false}, {7, MaxTail + 7, true}, {7, MaxTail + 8, false}} {
		if err := checkTail(c.from, c.to); (err == nil) != c.want {
			t.Errorf("%d to %d: %v", c.from, c.to, err)
		}
	}
}

// repeated gives the same block so many times, and then nothing.
type repeated struct {
	block []byte
	left  int
	at    bytes.Reader
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.at.Len() == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.left--
		r.at.Reset(r.block)
	}
	return r.at.Read(b)
}

// A tail that does not end costs its reader only so much: in leaves, and in the bytes
// of one entry.
func TestReaderKeepsToMaxTail(t *testing.T) {
	for _, c := range []struct {
		name string
		leaf []byte
		most int
	}{
		{"leaves", []byte{'{'}, MaxTail},
		{"bytes of an entry", bytes.Repeat([]byte{'{'}, proof.MaxLeaf), maxEntryBytes / proof.MaxLeaf},
	} {
		t.Run(c.name, func(t *testing.T) {
			var block bytes.Buffer
			if err := fsm.WriteBlock(&block, c.leaf); err != nil {
				t.Fatal(err)
			}
			for more, want := range []string{"cut short", "too long"} {
				t.Logf("%d leaves", c.most+more)
				err := new(tail).read(bufio.NewReader(&repeated{block: block.Bytes(), left: c.most + more}))
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%d leaves: %v, want %q", c.most+more, err, want)
				}
			}
		})
	}
}
