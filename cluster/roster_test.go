package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
)

// A node that reads who the members are from a file with a flipped bit does not start.
func TestDamagedMembers(t *testing.T) {
	c := newCommittee(t)
	r := c.roster()
	path := filepath.Join(t.TempDir(), "members.json")
	whole, err := rosterFile{Entry: 7, Members: r.members}.kept()
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

// A cluster in which every seat is taken, by nodes with the longest names and
// addresses that genesis allows, can still tell a peer who they are.
func TestAllSeatsAreTold(t *testing.T) {
	c := newCommittee(t)
	r := c.roster()
	r.entry, r.members = 1<<60, nil
	for seat := range fsm.MaxSeats {
		m := fsm.Member{Seat: uint8(seat), Node: c.genesis.Nodes[0], Until: fsm.NoEnd}
		m.Name = fmt.Sprintf("%s%03d", strings.Repeat("n", 61), seat)
		// What JSON writes as six bytes is the longest.
		m.PeerAddress, m.APIAddress = strings.Repeat("&", 256), strings.Repeat("&", 256)
		m.NodeKey, m.CosignerKey, m.SealingKey = [32]byte(bytes.Repeat([]byte{255}, 32)), [32]byte(bytes.Repeat([]byte{254}, 32)), [32]byte(bytes.Repeat([]byte{253}, 32))
		r.members = append(r.members, m)
	}
	n := &Node{roster: r}
	told := &calls{&http.Client{Transport: roundTrip(func(q *http.Request) (*http.Response, error) {
		out := httptest.NewRecorder()
		err := n.serveMembers(out, q)
		return out.Result(), err
	})}}
	got, err := told.members(t.Context(), "peer")
	if err != nil || !slices.Equal(got.Members, r.members) {
		t.Fatalf("%d members of %d: %v", len(got.Members), fsm.MaxSeats, err)
	}
}

// A member that lies to a node which joins about who the members are is believed only
// until that node's own state says it, whatever number the lie bears; until then it
// judges no checkpoint.
func TestToldMembersGiveWay(t *testing.T) {
	c := newCommittee(t).startAll()
	leader := c.leader()
	before := c.members[leader].View()
	fresh, cmd := c.recruit(c.name(c.other(leader)))
	c.must(leader, cmd)
	c.standing(leader, c.name(fresh), fsm.Joining)
	after := c.members[leader].View()
	c.final(leader, 1)
	note := c.members[leader].Checkpoint()

	self, err := c.joins[fresh].Command.Node.Open()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "members.json")
	open := func() *roster {
		r, err := openRoster(path, self, c.genesis, c.joins[fresh])
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open()
	lie := after.Members()
	for i := range lie {
		lie[i].SealedLogKey = nil // nobody tells it
		if lie[i].Name != self.Name {
			lie[i].NodeKey[0] ^= 1
			lie[i].CosignerKey[0] ^= 1
		}
	}
	if err := r.hear(rosterFile{Entry: math.MaxUint64, Members: slices.Clone(lie)}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the file, and with a state of before it joined
		if !slices.Equal(r.all(), lie) {
			t.Fatal("what was told is not there")
		}
		if _, err := (&finality{roster: r}).judge(note); !errors.Is(err, errHearsay) {
			t.Errorf("a checkpoint is judged by hearsay: %v", err)
		}
		r = open()
		if err := r.learn(before); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.learn(after); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, m := range after.Members() {
			if got, _ := r.member(m.Name); got.NodeKey != m.NodeKey || got.CosignerKey != m.CosignerKey {
				t.Errorf("%s still has the key that was told", m.Name)
			}
		}
		if _, err := (&finality{roster: r}).judge(note); err != nil {
			t.Errorf("a checkpoint of the committee: %v", err)
		}
		r = open()
	}
	if err := r.learn(before); err != nil || len(r.all()) != len(after.Members()) {
		t.Errorf("a state of before takes its place: %v", err)
	}
}
