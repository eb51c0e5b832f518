package oracle

import "github.com/tidwall/btree"

// IdentityWindow is how many of a market's newest reading numbers can still be
// attested by range, whether their readings are live or closed.
const IdentityWindow = 1 << 18

// chunkSize is how many identities lie side by side. A range is hashed by runs
// of that length.
const chunkSize = 64

// chunk is a run of identities. A chunk in the table is full and never changed.
type chunk [chunkSize]Identity

// identities remembers who is behind the newest reading numbers. Number n lies
// in chunk (n-1)/64. Full chunks are shared by copies of the state; the one
// being filled is a value of its own in each, small enough to be copied.
type identities struct {
	full *btree.Map[uint64, *chunk]
	tail chunk
}

func newIdentities() identities {
	return identities{full: btree.NewMap[uint64, *chunk](0)}
}

func (ids *identities) copied() identities {
	return identities{full: ids.full.Copy(), tail: ids.tail}
}

// add notes the identity of the newest number, which must follow the last. A
// chunk is dropped once all its numbers have left the window.
func (ids *identities) add(number uint64, id Identity) {
	at := (number - 1) % chunkSize
	ids.tail[at] = id
	if at < chunkSize-1 {
		return
	}
	index := (number - 1) / chunkSize
	done := ids.tail
	ids.full.Set(index, &done)
	ids.tail = chunk{}
	if index >= IdentityWindow/chunkSize {
		ids.full.Delete(index - IdentityWindow/chunkSize)
	}
}

// run returns the identities from a number on, as many as lie side by side in
// its chunk up to the number last; none if the chunk is not kept.
func (ids *identities) run(from, to, last uint64) []Identity {
	index, at := (from-1)/chunkSize, (from-1)%chunkSize
	n := min(to-from+1, chunkSize-at)
	if index == last/chunkSize {
		return ids.tail[at : at+n]
	}
	c, ok := ids.full.Get(index)
	if !ok {
		return nil
	}
	return c[at : at+n]
}

// each yields the identities kept, chunk by chunk, each with its first number.
func (ids *identities) each(last uint64, yield func(first uint64, run []Identity)) {
	ids.full.Scan(func(index uint64, c *chunk) bool {
		yield(index*chunkSize+1, c[:])
		return true
	})
	if n := last % chunkSize; n > 0 {
		yield(last-n+1, ids.tail[:n])
	}
}
