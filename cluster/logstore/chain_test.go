package logstore

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A naiveChain is the same as a chain, as a map.
type naiveChain struct {
	sums map[uint64]digest
	prev map[uint64]digest
	tip  digest
}

func (n *naiveChain) append(index uint64, sum digest) {
	n.sums[index], n.prev[index], n.tip = sum, n.tip, sum
}

func (n *naiveChain) delete(from, to uint64) {
	all := slices.Sorted(maps.Keys(n.sums))
	kept := slices.DeleteFunc(slices.Clone(all), func(i uint64) bool { return from <= i && i <= to })
	if len(all) > 0 && len(kept) > 0 && kept[len(kept)-1] != all[len(all)-1] {
		n.tip = n.sums[kept[len(kept)-1]]
	}
	maps.DeleteFunc(n.sums, func(i uint64, _ digest) bool { return from <= i && i <= to })
}

func TestChainAgainstMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		start := digest{0xff}
		c := chain{position: position{base: start, tip: start}}
		n := naiveChain{make(map[uint64]digest), make(map[uint64]digest), start}
		var stamp byte
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "append") {
				index := c.last + 1 + rapid.SampledFrom([]uint64{0, 0, 0, 5}).Draw(rt, "gap")
				for range rapid.IntRange(1, 6).Draw(rt, "entries") {
					stamp++
					c.append(index, digest{stamp})
					n.append(index, digest{stamp})
					index++
				}
			} else {
				from := rapid.Uint64Range(0, c.last+2).Draw(rt, "from")
				to := rapid.OneOf(rapid.Uint64Range(from, c.last+2), rapid.Just(^uint64(0))).Draw(rt, "to")
				after, err := c.without(from, to)
				if errors.Is(err, errHole) {
					if from <= c.first || to >= c.last {
						rt.Fatalf("no hole: %d to %d of %+v", from, to, c.position)
					}
					continue
				}
				if after != c.position {
					c.cut(after)
				}
				n.delete(from, to)
			}
			agree(rt, &c, &n)
		}
	})
}

func agree(rt *rapid.T, c *chain, n *naiveChain) {
	all := slices.Sorted(maps.Keys(n.sums))
	for i := range uint64(400) {
		have, ok := c.sum(i)
		if want, held := n.sums[i]; ok != held || have != want {
			rt.Fatalf("entry %d: %v %v, want %v %v", i, have, ok, want, held)
		}
	}
	want := position{generation: c.generation, base: n.tip, tip: n.tip}
	if len(all) > 0 {
		want.first, want.last, want.base = all[0], all[len(all)-1], n.prev[all[0]]
	}
	if c.position != want {
		rt.Fatalf("position %+v, want %+v", c.position, want)
	}
}
