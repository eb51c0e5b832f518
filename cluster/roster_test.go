package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
)

// A node that reads who the members are from a file with a flipped bit does not start.
func TestDamagedMembers(t *testing.T) {
	c := newCommittee(t)
	r := c.roster()
	path := filepath.Join(t.TempDir(), "members.json")
	whole, err := rosterFile{7, r.members}.kept()
	if err != nil {
		t.Fatal(err)
	}
	open := func(data []byte) (*roster, error) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return openRoster(path, c.genesis.Nodes[0], c.genesis, nil)
	}
	if got, err := open(whole); err != nil || got.entry != 7 || len(got.members) != 3 || got.members[2].Until != fsm.NoEnd {
		t.Fatal(got, err)
	}
	for i := range 8 * len(whole) {
		altered := bytes.Clone(whole)
		altered[i/8] ^= 1 << (i % 8)
		if _, err := open(altered); err == nil {
			t.Fatalf("with bit %d flipped it is opened:\n%s", i, altered)
		}
	}
}
