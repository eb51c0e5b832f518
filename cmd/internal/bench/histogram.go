package bench

import (
	"math/bits"
	"time"
)

// Buckets of a histogram: each doubling of the value is parted into steps, so a
// quantile is at most one step, less than two percent, above the true one.
const (
	stepBits = 6
	steps    = 1 << stepBits
	buckets  = (64 - stepBits + 1) * steps
)

// histogram counts durations. The zero value is empty.
type histogram struct {
	counts [buckets]uint64
	total  uint64
}

// bucketOf numbers the bucket of a value: exact below two doublings of steps,
// then the leading bits of the value.
func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-stepBits-1, 0)
	return shift*steps + int(v>>shift)
}

// topOf is the greatest value in a bucket.
func topOf(bucket int) uint64 {
	if bucket < 2*steps {
		return uint64(bucket)
	}
	shift := bucket/steps - 1
	return uint64(bucket-shift*steps+1)<<shift - 1
}

func (h *histogram) record(d time.Duration) {
	h.counts[bucketOf(uint64(max(d, 0)))]++
	h.total++
}

func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile is a duration that at least the share of all recorded ones, in
// percent, does not exceed; 0 if there are none.
func (h *histogram) quantile(percent uint64) time.Duration {
	need := (h.total*percent + 99) / 100
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= need && n > 0 {
			return time.Duration(topOf(i))
		}
	}
	return 0
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}
