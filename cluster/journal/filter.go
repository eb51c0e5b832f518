package journal

import "math/bits"

// Sizes of a filter: it is cut into lines of 512 bits, and a key looks at bits of
// one line only, which is one cache miss. Ten bits a row let about one absent key
// in seventy through.
const (
	filterLine    = 64 // bytes
	filterBitsRow = 10
	filterProbes  = 6
	// filterRowsMax is the size up to which a run has a filter. A larger one is one
	// of very few, so that a needless read in each costs less than the memory.
	filterRowsMax = 32 << 20
)

// A filter tells of most keys that a run does not hold them (a Bloom filter).
type filter []byte

// newFilter makes a filter for up to rows keys, or none if that is too many.
func newFilter(rows uint64) filter {
	if rows > filterRowsMax {
		return nil
	}
	lines := (rows*filterBitsRow + filterLine*8 - 1) / (filterLine * 8)
	return make(filter, max(lines, 1)*filterLine)
}

// probe returns the line of a key and 54 bits that name six bits of it. The two
// come from different halves of the key.
func (f filter) probe(key Key) (line []byte, places uint64) {
	lines := uint64(len(f) / filterLine)
	n, _ := bits.Mul64(order.Uint64(key[:8]), lines)
	return f[n*filterLine : (n+1)*filterLine], order.Uint64(key[8:])
}

func (f filter) add(key Key) {
	if f == nil {
		return
	}
	line, places := f.probe(key)
	for range filterProbes {
		line[places>>3&63] |= 1 << (places & 7)
		places >>= 9
	}
}

// mayHold reports false only for keys that were never added.
func (f filter) mayHold(key Key) bool {
	if len(f) == 0 {
		return true
	}
	line, places := f.probe(key)
	for range filterProbes {
		if line[places>>3&63]&(1<<(places&7)) == 0 {
			return false
		}
		places >>= 9
	}
	return true
}
