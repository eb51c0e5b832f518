//go:build !wrongclock

package main

import "time"

// nodeClock is the clock that a node goes by.
func nodeClock() func() time.Time { return time.Now }
