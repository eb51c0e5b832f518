package households

import "math/rand/v2"

// topics keep the draws of one seed apart from each other.
const (
	topicHome uint64 = iota + 1
	topicHomeDay
	topicPlant
	topicSky
	topicCloud
)

// draws is a sequence of random numbers that belongs to a seed, a topic, a
// meter and a moment, whatever was drawn elsewhere.
type draws struct{ source rand.PCG }

func newDraws(seed, topic, number uint64, moment int64) *draws {
	d := new(draws)
	// A few steps part neighbours, which differ in their lowest bits only.
	d.source.Seed(seed^topic<<56, number<<40^uint64(moment))
	for range 3 {
		d.source.Uint64()
	}
	return d
}

// between returns a number from low to high, both included. The bias of the
// remainder is far below anything that shows.
func (d *draws) between(low, high int64) int64 {
	return low + int64(d.source.Uint64()>>1)%(high-low+1)
}

// chance is true in that many of a hundred cases.
func (d *draws) chance(percent int64) bool { return d.between(1, 100) <= percent }
