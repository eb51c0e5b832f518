package logstore

import (
	"strings"
	"testing"
)

// Behind the marked end only entries of the mark's generation can follow: one of before
// the last deletion is refused even if others of after it lie behind.
func TestEntriesOfBeforeADeletionDoNotFollow(t *testing.T) {
	begin := digest{0xff}
	c := &content{births: []birth{{1, 0}, {3, 1}}}
	c.chain.position = position{base: begin, tip: begin}
	for i := range uint64(3) {
		c.chain.append(i+1, digest{byte(i + 1)})
	}
	for generation, want := range map[uint64]string{0: "entry 3", 1: "entry 2"} {
		err := c.extends(position{generation: generation, first: 1, base: begin, last: 1, tip: digest{1}})
		if !isDamage(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("generation %d: got %v, want %s to be refused", generation, err, want)
		}
	}
}
