//go:build wrongclock

package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// nodeClock is a clock that is off by as many milliseconds as a file says, which the
// environment names, as long as that file is there. Tests of faults build the program
// with it; the real one cannot be told another time than its machine's.
func nodeClock() func() time.Time {
	path := os.Getenv("TALLYVAULT_WRONG_CLOCK")
	return func() time.Time {
		text, err := os.ReadFile(path)
		if err != nil {
			return time.Now()
		}
		off, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return time.Now()
		}
		// Without the monotonic part, which would not be off.
		return time.Now().Round(0).Add(time.Duration(off) * time.Millisecond)
	}
}
