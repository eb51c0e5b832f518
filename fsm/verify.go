package fsm

import (
	"io"

	"github.com/tallyvault/tallyvault/fsm/signature"
)

// mark says what is known of a signature before Apply.
type mark uint8

const (
	unchecked mark = iota
	good
	bad
)

// batchSize is how many signatures are checked together at least to make a
// batch worth while.
const batchSize = 4

// VerifyCommands marks the signatures of commands whose keys are known as good
// or bad. It only computes: call it from many goroutines on disjoint commands,
// ahead of Apply, which checks what bears no mark. A key id stands for one
// public key for ever, so a mark cannot become stale.
func VerifyCommands(random io.Reader, keys *Keys, commands []*Command) {
	type place struct{ command, sig int }
	var places []place
	batch := signature.NewBatch(len(commands))
	for i, c := range commands {
		if c.refused != nil {
			continue
		}
		for j := range c.Sigs {
			key, known := keys.Get(c.KeyIDs[j])
			if !known || c.marks[j] != unchecked {
				continue
			}
			if len(commands) < batchSize {
				c.marks[j] = markOf(key.public.Verify(c.pae, &c.Sigs[j]))
				continue
			}
			batch.Add(key.public, c.pae, &c.Sigs[j])
			places = append(places, place{i, j})
		}
	}
	if len(places) == 0 {
		return
	}
	for n, ok := range batch.Verify(random) {
		commands[places[n].command].marks[places[n].sig] = markOf(ok)
	}
}

func markOf(ok bool) mark {
	if ok {
		return good
	}
	return bad
}

// verified checks one signature of a command, using its mark where there is one.
func (c *Command) verified(i int, key *Key) bool {
	if c.marks[i] == unchecked {
		return key.public.Verify(c.pae, &c.Sigs[i])
	}
	return c.marks[i] == good
}
