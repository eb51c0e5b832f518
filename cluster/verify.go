package cluster

import (
	"crypto/rand"
	"runtime"
	"sync"

	"github.com/tallyvault/tallyvault/fsm"
)

// Batches of signatures: fewer than the least are not worth a goroutine of their
// own, and beyond the most a batch gains nothing.
const (
	leastBatch = 16
	mostBatch  = 128
)

// cores lets as many batches of signatures be verified at once as there are cores,
// whoever asks, so that one large request does not slow everybody down by more than
// its share.
type cores struct {
	slots chan struct{}
	pool  *pool
}

func newCores() cores {
	return cores{slots: make(chan struct{}, runtime.GOMAXPROCS(0)), pool: &pool{}}
}

// verify marks the signatures of commands, on all cores. The commands must not be
// used by others meanwhile.
func (c cores) verify(keys *fsm.Keys, commands []*fsm.Command) {
	if len(commands) == 0 {
		return
	}
	size := min(max((len(commands)+cap(c.slots)-1)/cap(c.slots), leastBatch), mostBatch)
	var wait sync.WaitGroup
	for len(commands) > size {
		batch := commands[:size]
		commands = commands[size:]
		wait.Add(1)
		go func() {
			defer wait.Done()
			c.batch(keys, batch)
		}()
	}
	c.batch(keys, commands)
	wait.Wait()
}

func (c cores) batch(keys *fsm.Keys, commands []*fsm.Command) {
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	fsm.VerifyCommands(rand.Reader, keys, commands)
}
