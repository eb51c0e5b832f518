package transport

import "time"

// HurryEvents shortens the times of a door's streams, before it runs.
func (d *Door) HurryEvents(heartbeat, stall, behind time.Duration) {
	d.times = eventTimes{heartbeat: heartbeat, stall: stall, behind: behind}
}
