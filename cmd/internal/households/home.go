package households

// homeCapacityW is a main fuse of 63 A at 230 V, above all that a home here
// can switch on at once.
const homeCapacityW = 14_490

// home is a household. Its traits stay, its plan changes from day to day.
type home struct {
	seed, number uint64
	place        place
	first        uint64

	base                           int64 // W, day and night
	fridge, fridgePeriod, fridgeOn int64 // W, minutes, minutes
	people                         int64
	wakes, returns                 int64 // minutes of the day
	heating, cooling               int64 // W when on; 0 without
	charger                        int64 // W of the car's; 0 without a car
	day, heatShare, coolShare      int64
	today, yesterday               []use
}

// use is something switched on for a while, in minutes of the day it began on.
type use struct{ from, minutes, watts int64 }

func newHome(seed, number uint64, where place) *home {
	d := newDraws(seed, topicHome, number, 0)
	h := &home{
		seed: seed, number: number, place: where,
		first:  uint64(d.between(500_000, 40_000_000)),
		base:   d.between(90, 220),
		fridge: d.between(90, 160), fridgePeriod: d.between(40, 80),
		people: d.between(1, 5),
		wakes:  d.between(5*60+45, 7*60+45), returns: d.between(16*60+30, 18*60+45),
		day: -1,
	}
	h.fridgeOn = h.fridgePeriod * d.between(30, 45) / 100
	if d.chance(40) {
		h.heating = d.between(900, 1_800)
	}
	if d.chance(35) {
		h.cooling = d.between(600, 1_200)
	}
	if d.chance(33) {
		h.charger = [2]int64{3_700, 7_400}[d.between(0, 1)]
	}
	return h
}

func (h *home) power(minute int64) int64 {
	day, ofDay := minute/minutesPerDay, minute%minutesPerDay
	h.turnTo(day)
	watts := h.base
	if (minute+int64(h.number)*7)%h.fridgePeriod < h.fridgeOn {
		watts += h.fridge
	}
	for _, u := range h.today {
		watts += u.at(ofDay)
	}
	for _, u := range h.yesterday {
		watts += u.at(ofDay + minutesPerDay)
	}
	return watts + h.climate(ofDay)
}

func (u use) at(minute int64) int64 {
	if minute < u.from || minute >= u.from+u.minutes {
		return 0
	}
	return u.watts
}

// climate is the heat pump or the cooling at a minute of the day. Both run in
// turns of twenty minutes, longer ones the colder or hotter it is; heating is
// turned down at night and while nobody is home.
func (h *home) climate(ofDay int64) int64 {
	turn := (ofDay + int64(h.number)*3) % 20 * 5 // percent of a turn
	home := ofDay >= h.wakes-30 && ofDay < h.wakes+120 || ofDay >= h.returns-60 && ofDay < 22*60+30
	share := h.heatShare
	if !home {
		share /= 3
	}
	if turn < share {
		return h.heating
	}
	if ofDay >= 13*60 && ofDay < 21*60 && turn < h.coolShare {
		return h.cooling
	}
	return 0
}

// turnTo makes the plan of a day when it begins; yesterday's still counts for
// what runs past midnight.
func (h *home) turnTo(day int64) {
	if day == h.day {
		return
	}
	h.yesterday, _, _ = h.plan(day - 1)
	h.today, h.heatShare, h.coolShare = h.plan(day)
	h.day = day
}

// plan is what a household does on a day, and which share of the time, in
// percent, it would heat and cool.
func (h *home) plan(day int64) (uses []use, heatShare, coolShare int64) {
	d := newDraws(h.seed, topicHomeDay, h.number, day)
	late := int64(0)
	weekend := (day+3)%7 >= 5 // 1 January 1970 was a Thursday; Monday counts as 0.
	if weekend {
		late = d.between(60, 150)
	}
	morning, evening := h.wakes+late+d.between(-15, 15), h.returns+d.between(-30, 45)
	crowd := 60 + 20*h.people // percent of what two people use
	uses = append(uses,
		use{morning, d.between(8, 20) * crowd / 100, d.between(1_500, 2_400)},
		use{morning, d.between(50, 110), d.between(120, 300)},
		use{evening + d.between(0, 60), d.between(25, 60) * crowd / 100, d.between(1_300, 2_600)},
		use{evening, d.between(180, 300), d.between(150, 400)},
	)
	if weekend {
		uses = append(uses,
			use{11*60 + d.between(0, 90), d.between(20, 50), d.between(1_000, 2_200)},
			use{10*60 + d.between(0, 120), d.between(120, 300), d.between(150, 450)})
	}
	if d.chance(15 + 8*h.people) {
		uses = append(uses, use{9*60 + d.between(0, 9*60), d.between(30, 60), d.between(1_600, 2_100)})
	}
	if h.charger > 0 && d.chance(45) {
		energy := d.between(4_000, 12_000) // Wh
		uses = append(uses, use{18*60 + d.between(0, 5*60+30), energy * 60 / h.charger, h.charger})
	}
	cold := winter(day, h.place.latitude)
	if h.heating > 0 {
		heatShare = max(0, cold*90/million-25+d.between(-12, 12))
	}
	if h.cooling > 0 && abs(h.place.latitude) < 55_000 {
		coolShare = max(0, 70-cold*140/million+d.between(-30, 20))
	}
	return uses, heatShare, coolShare
}

func abs(n int64) int64 { return max(n, -n) }
