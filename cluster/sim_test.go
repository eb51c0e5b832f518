package cluster

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

const (
	simWindow = 600
	simExpiry = 3_600
	simMargin = 30 * time.Second
)

func TestSimIdle(t *testing.T) {
	c := newSimCommittee(t, 3)
	dir := simDir(t)
	began := time.Now()
	var applied uint64
	var sent uint64
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, c, dir, simPace{raft: time.Minute, idle: time.Minute}, 1)
		for i := range w.nodes {
			w.start(i)
		}
		w.sleep(24 * time.Hour)
		applied = w.seen.applied.Load()
		sent = w.net.sent
		for i := range w.nodes {
			t.Logf("%+v", w.member(i).ownStatus())
			w.crash(i, true)
		}
	})
	t.Logf("%s applied %d sent %d", time.Since(began), applied, sent)
}

// simDir is in memory where it can be: what is synced there costs nothing.
func simDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tallyvault-sim-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
