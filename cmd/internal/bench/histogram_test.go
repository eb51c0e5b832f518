package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsFollowEachOther(t *testing.T) {
	for _, v := range []uint64{0, 1, 127, 128, 129, 255, 256, 1_000_000, 1<<40 + 12345, math.MaxUint64} {
		b := bucketOf(v)
		if b >= buckets {
			t.Fatalf("%d is in bucket %d of %d", v, b, buckets)
		}
		if top := topOf(b); top < v || top-v > v/steps {
			t.Errorf("%d is in bucket %d, whose top is %d", v, b, top)
		}
		if b > 0 && topOf(b-1) >= v {
			t.Errorf("%d is in bucket %d, but the one before reaches to %d", v, b, topOf(b-1))
		}
	}
}

func TestQuantiles(t *testing.T) {
	for _, c := range []struct {
		name     string
		values   []time.Duration
		p50, p99 time.Duration
	}{
		{"nothing", nil, 0, 0},
		{"one", []time.Duration{100}, 100, 100},
		{"two", []time.Duration{10, 100}, 10, 100},
		{"a negative one counts as none", []time.Duration{-5}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &histogram{}
			for _, v := range c.values {
				h.record(v)
			}
			if p50, p99 := h.quantile(50), h.quantile(99); p50 != c.p50 || p99 != c.p99 {
				t.Errorf("p50 %v, p99 %v, want %v and %v", p50, p99, c.p50, c.p99)
			}
		})
	}
}

// Against sorted samples, a quantile of parts put together is off by less than
// the width of a bucket.
func TestQuantilesAgainstSorting(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var all []time.Duration
	sum := &histogram{}
	for range 8 {
		part := &histogram{}
		for range 1000 {
			v := time.Duration(random.ExpFloat64() * float64(20*time.Millisecond))
			part.record(v)
			all = append(all, v)
		}
		sum.add(part)
	}
	slices.Sort(all)
	for _, percent := range []int{1, 50, 90, 99, 100} {
		want := all[len(all)*percent/100-1]
		if got := sum.quantile(uint64(percent)); got < want || got-want > want/steps+1 {
			t.Errorf("seed %d: p%d is %v, want %v", seed, percent, got, want)
		}
	}
}
