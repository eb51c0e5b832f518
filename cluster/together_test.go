package cluster

import (
	"sync"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
)

// Requests that are verified together each get their own verdict, however many there
// are.
func TestTogether(t *testing.T) {
	c := newCommittee(t).startAll()
	m := c.members[0]
	for _, n := range []int{1, 3, enoughTogether, 2*enoughTogether + 5} {
		commands := c.deposits("together", n)
		for i := 2; i < n; i += 7 {
			commands[i].Sigs[0][5] ^= 1
		}
		var all sync.WaitGroup
		for _, command := range commands {
			all.Go(func() { m.cores.together(m.View().Keys(), []*fsm.Command{command}) })
		}
		all.Wait()
		for i, command := range commands {
			refusal := m.View().Check(command)
			bad := refusal != nil && refusal.Code == fsm.SignatureInvalid
			if want := i%7 == 2; bad != want {
				t.Errorf("command %d of %d: refusal %v, want a bad signature: %v", i, n, refusal, want)
			}
		}
	}
}
