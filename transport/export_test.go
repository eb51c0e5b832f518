package transport

import "time"

// DearRows makes looking at a row cost as much as so many signature checks.
func (d *Door) DearRows(checks float64) { d.rowCost = checks }

// HoldTurns takes all turns of a door's streams until they are given back.
func (d *Door) HoldTurns() (giveBack func()) {
	for range cap(d.turns) {
		d.turns <- struct{}{}
	}
	return func() {
		for range cap(d.turns) {
			<-d.turns
		}
	}
}

// HurryEvents shortens the times of a door's streams, before it runs.
func (d *Door) HurryEvents(heartbeat, stall, behind time.Duration) {
	d.times = eventTimes{heartbeat: heartbeat, stall: stall, behind: behind}
}
