package households

// plant is a PV plant with flat panels.
type plant struct {
	seed, number uint64
	place        place

	capacity    int64 // W
	performance int64 // what inverter, heat and dirt leave over, percent
	first       uint64

	sky      sky
	day      int64
	shade    int64 // percent of the light that gets past passing clouds
	shadedAt int64 // the quarter of an hour that shade belongs to
}

func newPlant(seed, number uint64, where place) *plant {
	d := newDraws(seed, topicPlant, number, 0)
	return &plant{
		seed: seed, number: number, place: where,
		capacity:    250 * d.between(12, 40),
		performance: d.between(66, 76),
		first:       uint64(d.between(100_000, 20_000_000)),
		day:         -1, shadedAt: -1,
	}
}

func (p *plant) power(minute int64) int64 {
	height := sunHeight(minute, p.place.latitude)
	if height <= 0 {
		return 0
	}
	if day := minute / minutesPerDay; day != p.day {
		p.day, p.sky = day, newSky(p.seed, day)
	}
	if quarter := minute / 15; quarter != p.shadedAt {
		d := newDraws(p.seed, topicCloud, p.number, quarter)
		p.shadedAt, p.shade = quarter, 100-d.between(0, p.sky.swing)
	}
	// Clear-sky light in millionths of 1,000 W per square metre, after Haurwitz
	// with exp(-0.057/h) replaced by h/(h+0.06).
	light := 11 * height / 10 * height / (height + 60_000)
	power := p.capacity * light / million
	power = power * p.performance / 100
	power = power * p.sky.clear / 100
	return min(power*p.shade/100, p.capacity)
}
