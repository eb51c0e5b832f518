package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// node serves a journal of so many leaves from memory.
type node struct {
	mu    sync.Mutex
	asked []string
	files map[string][]byte
}

func newNode(size uint64) *node {
	cp := proof.Checkpoint{Origin: "o/0", Size: size, Root: tlog.Hash{1}}
	n := &node{files: map[string][]byte{"/checkpoint": []byte(cp.Text() + "\n— o/0 AAAA\n")}}
	for first := uint64(0); first < size; first += bundle {
		width := min(bundle, size-first)
		var data []byte
		for i := first; i < first+width; i++ {
			data = binary.BigEndian.AppendUint16(data, uint16(len(leaf(i))))
			data = append(data, leaf(i)...)
		}
		n.files[bundlePath(first/bundle, int(width))] = data
	}
	return n
}

func leaf(i uint64) []byte { return []byte(strings.Repeat("x", int(i%7)) + fmt.Sprint(i)) }

func (n *node) fetch(path string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, path)
	data, ok := n.files[path]
	if !ok {
		return nil, fmt.Errorf("no %s here", path)
	}
	return data, nil
}

func TestLeavesComeInOrder(t *testing.T) {
	const size = 256*20 + 3
	n := newNode(size)
	j, err := Open(n.fetch)
	if err != nil || j.Size() != size {
		t.Fatalf("size %d, %v", j.Size(), err)
	}
	for _, span := range [][2]uint64{{0, size}, {0, 0}, {255, 257}, {256, 512}, {300, 5000}, {size - 1, size}} {
		next := span[0]
		err := j.Leaves(span[0], span[1], func(i uint64, got []byte) error {
			if i != next || string(got) != string(leaf(i)) {
				t.Fatalf("leaf %d, %q: want %d, %q", i, got, next, leaf(next))
			}
			next++
			return nil
		})
		if err != nil || next != span[1] {
			t.Errorf("leaves %v: ended at %d, %v", span, next, err)
		}
	}
	if err := j.Leaves(0, size+1, nil); err == nil {
		t.Error("leaves beyond the checkpoint were given")
	}
}

func TestPathsAreThoseOfTiles(t *testing.T) {
	for want, got := range map[string]string{
		"/tile/entries/000":                bundlePath(0, 256),
		"/tile/entries/067.p/3":            bundlePath(67, 3),
		"/tile/entries/x001/x234/067":      bundlePath(1_234_067, 256),
		"/tile/entries/x001/x234/067.p/40": bundlePath(1_234_067, 40),
	} {
		if got != want {
			t.Errorf("path %s, want %s", got, want)
		}
	}
}

func TestDamageIsNamed(t *testing.T) {
	whole := newNode(600)
	second := bundlePath(1, 256)
	good := whole.files[second]
	for name, bad := range map[string][]byte{"cut short": good[:len(good)-1], "bytes behind": append(good[:len(good):len(good)], 0), "one byte": {0}} {
		n := newNode(600)
		n.files[second] = bad
		j, err := Open(n.fetch)
		if err != nil {
			t.Fatal(err)
		}
		err = j.Leaves(0, 600, func(uint64, []byte) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "from 256 on") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for name, note := range map[string]string{"no note": "hello", "no checkpoint": "a\nb\n\n— x y\n"} {
		n := newNode(1)
		n.files["/checkpoint"] = []byte(note)
		if _, err := Open(n.fetch); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAnErrorEndsTheWalk(t *testing.T) {
	n := newNode(256 * 30)
	j, err := Open(n.fetch)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	if err := j.Leaves(0, j.Size(), func(i uint64, _ []byte) error {
		if i == 10 {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if len(n.asked) > 1+ahead {
		t.Errorf("%d requests were made for ten leaves", len(n.asked))
	}
}
