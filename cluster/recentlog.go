package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// recentBytes bounds the entries that are kept in memory for followers that are a
// little behind: at full speed a few seconds of them.
const recentBytes = 16 << 20

// A recentLog is Raft's log with its last entries in memory, so that what was just
// written is not read back from disk for every follower and for Apply.
//
// The library has a cache for it, which is bounded by a number of entries, and ours
// differ a thousandfold in size. On the leader it holds more than the entries, too:
// each lies inside the future that its proposer waited for, and with it the result of
// Apply. Here entries are copied out, and bounded in bytes.
type recentLog struct {
	raft.LogStore

	mu    sync.RWMutex
	logs  []raft.Log // without gaps, the oldest first
	bytes int        // of their data
}

// GetLog implements raft.LogStore.
func (r *recentLog) GetLog(index uint64, into *raft.Log) error {
	if r.recall(index, into) {
		return nil
	}
	return r.LogStore.GetLog(index, into)
}

func (r *recentLog) recall(index uint64, into *raft.Log) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.logs) == 0 || index < r.logs[0].Index || index-r.logs[0].Index >= uint64(len(r.logs)) {
		return false
	}
	*into = r.logs[index-r.logs[0].Index]
	return true
}

// StoreLog implements raft.LogStore.
func (r *recentLog) StoreLog(l *raft.Log) error { return r.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore. Entries are remembered once they are on disk.
func (r *recentLog) StoreLogs(logs []*raft.Log) error {
	if err := r.LogStore.StoreLogs(logs); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range logs {
		if n := len(r.logs); n > 0 && r.logs[n-1].Index+1 != l.Index {
			r.forget()
		}
		r.logs = append(r.logs, *l)
		r.bytes += len(l.Data)
	}
	for len(r.logs) > 0 && r.bytes > recentBytes {
		r.bytes -= len(r.logs[0].Data)
		r.logs[0] = raft.Log{} // the array below lives on for a while, the data must not
		r.logs = r.logs[1:]
	}
	return nil
}

// DeleteRange implements raft.LogStore.
func (r *recentLog) DeleteRange(from, to uint64) error {
	r.mu.Lock()
	r.forget()
	r.mu.Unlock()
	return r.LogStore.DeleteRange(from, to)
}

// forget is called with the lock held.
func (r *recentLog) forget() { r.logs, r.bytes = nil, 0 }
