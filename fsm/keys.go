package fsm

import (
	"io"

	"github.com/tidwall/btree"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/signature"
)

// Key is a registered public key. Ids are never reused.
type Key struct {
	ID        KeyID
	Principal string
	Role      string
	Scopes    []string // beyond read and own keys
	// From and Until bound the heights at which the key may sign: from the one
	// up to, not including, the other, which is NoEnd while none is set.
	From, Until uint64

	public *signature.PublicKey
}

// NoEnd is the Until of a key that goes on.
const NoEnd = 1<<64 - 1

// Public is the raw public key.
func (k *Key) Public() [32]byte { return k.public.Raw() }

// LiveAt reports whether the key may sign at a height.
func (k *Key) LiveAt(height uint64) bool {
	return height >= k.From && height < k.Until
}

// Has reports whether the key has a scope.
func (k *Key) Has(scope string) bool {
	if scope == ScopeRead || scope == scopeOwnKeys {
		return true
	}
	for _, s := range k.Scopes {
		if s == scope {
			return true
		}
	}
	return false
}

// Principal is somebody who acts, with one role and any number of keys.
type Principal struct {
	Name string
	Role string
}

// Keys is an immutable view of the key table; it may be used by many
// goroutines while the machine goes on.
type Keys struct {
	keys *btree.Map[string, *Key]
}

// Get finds a key by id. The key must not be changed.
func (k *Keys) Get(id KeyID) (*Key, bool) { return k.keys.Get(string(id[:])) }

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
		pae := envelope.PAE(c.Type.PayloadType(), c.Payload)
		for j := range c.Sigs {
			key, known := keys.Get(c.KeyIDs[j])
			if !known || c.marks[j] != unchecked {
				continue
			}
			if len(commands) < batchSize {
				c.marks[j] = markOf(key.public.Verify(pae, &c.Sigs[j]))
				continue
			}
			batch.Add(key.public, pae, &c.Sigs[j])
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
		pae := envelope.PAE(c.Type.PayloadType(), c.Payload)
		return key.public.Verify(pae, &c.Sigs[i])
	}
	return c.marks[i] == good
}
