package fsm

import (
	"github.com/tidwall/btree"

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

// ending reports whether an end is set, reached or not.
func (k *Key) ending() bool { return k.Until != NoEnd }

// Has reports whether the key has a scope.
func (k *Key) Has(scope string) bool {
	if scope == ScopeRead || scope == scopeOwnKeys {
		return true
	}
	return contains(k.Scopes, scope)
}

// covers reports whether the key may do all that another may.
func (k *Key) covers(other *Key) bool {
	for _, scope := range other.Scopes {
		if !k.Has(scope) {
			return false
		}
	}
	return true
}

// Keys is an immutable view of the key table; it may be used by many
// goroutines while the machine goes on.
type Keys struct {
	keys *btree.Map[string, *Key]
}

// Get finds a key by id. The key must not be changed.
func (k *Keys) Get(id KeyID) (*Key, bool) { return k.keys.Get(string(id[:])) }
